/// Binding a server's address. Host names are looked up, and an ipc path replaces nothing but the
/// socket of a server that died.
#pragma once

#include "base/status.h"

enum { MR_BIND_SIZE = 512 }; // of an endpoint, with the final zero

/// Writes the endpoint as ZeroMQ binds it, which takes interfaces and numeric addresses only: a
/// host name becomes its address, IPv4 if it has one. Fails with MR_ERR_IO if the name is unknown,
/// and with MR_ERR_USAGE if the endpoint is malformed or too long.
mr_status mr_bind_resolve(const char *endpoint, char out[MR_BIND_SIZE]);

/// Binds a ZeroMQ socket to a resolved endpoint, and writes the endpoint that it is bound to, with
/// the port that "*" became.
///
/// Fails with MR_ERR_IO if another server uses it, or its path is a file that is not a socket.
mr_status mr_bind(void *socket, const char *endpoint, char out[MR_BIND_SIZE]);
