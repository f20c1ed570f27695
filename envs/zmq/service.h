/// A service at a ZeroMQ endpoint: requests in, replies out, until told to stop.
///
/// Knows sockets and keys and nothing of what is asked.
#pragma once

#include "base/file.h"
#include "base/status.h"

#include <stdbool.h>

typedef struct mr_service mr_service;

/// Who answers. A reply is borrowed until the next call; one of no bytes is not sent.
typedef struct {
    void *self;
    mr_bytes (*answer)(void *self, mr_bytes request);
    size_t max_bytes; // of a request; what is larger ends the connection
} mr_answerer;

/// Where and for whom. Without keys, only endpoints that this machine alone reaches are taken, or
/// all where `insecure`.
typedef struct {
    const char *bind;             // "tcp://127.0.0.1:5555", "tcp://localhost:*", "ipc://PATH"
    const char *curve_secret_key; // file with the service's secret key; NULL or "": no CURVE
    const char *curve_allow;      // folder of public keys, of those who may connect
    bool insecure;
} mr_service_options;

/// Binds. The caller closes it. Fails with MR_ERR_USAGE where the options do not go together, with
/// MR_ERR_IO where the address can't be had, both naming the endpoint.
mr_status mr_service_open(mr_answerer answerer, const mr_service_options *options,
                          mr_service **out);
void mr_service_close(mr_service *service);

/// Where it is bound, with the port that "*" became.
const char *mr_service_endpoint(const mr_service *service);

/// Answers for so many milliseconds, or until a signal comes.
mr_status mr_service_run(mr_service *service, int milliseconds);
