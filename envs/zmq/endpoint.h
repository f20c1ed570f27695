/// Addresses of ZeroMQ.
#pragma once

#include "base/status.h"

#include <stdbool.h>

/// Fails with MR_ERR_USAGE if it is neither tcp://HOST:PORT nor ipc://PATH. (libzmq itself would
/// take port 99999 for 34463.) A server's port may be "*" or 0.
mr_status mr_endpoint_check(const char *endpoint, bool is_server);

/// Whether only processes of this machine reach it: ipc, inproc, and tcp on loopback.
bool mr_endpoint_is_local(const char *endpoint);

/// Whether it names an IPv6 address.
bool mr_endpoint_is_ipv6(const char *endpoint);
