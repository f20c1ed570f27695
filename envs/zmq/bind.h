/// Addresses that a server binds: names of hosts are looked up, and of what lies in a folder only a
/// socket that nobody serves is replaced.
#pragma once

#include "base/status.h"

enum { MR_BIND_SIZE = 512 }; // of an endpoint, with the final zero

/// The endpoint as ZeroMQ binds it, which knows interfaces and numbers alone: the name of a host
/// becomes its address, of IPv4 if it has one. Fails with MR_ERR_IO where the name is not known,
/// with MR_ERR_USAGE where the endpoint is no endpoint, or longer than what can be bound.
mr_status mr_bind_resolve(const char *endpoint, char out[MR_BIND_SIZE]);

/// Binds a ZeroMQ socket to an endpoint that was resolved, and writes where it is bound then, with
/// the port that "*" became.
///
/// Fails with MR_ERR_IO where another server is there, or a file that is no socket: nothing is
/// removed but the socket of a server that died.
mr_status mr_bind(void *socket, const char *endpoint, char out[MR_BIND_SIZE]);
