/// A service at a ZeroMQ endpoint: receives requests and sends replies until told to stop.
///
/// Deals with sockets and keys, not with what requests mean.
#pragma once

#include "base/file.h"
#include "base/status.h"

#include <stdbool.h>

typedef struct mr_service mr_service;

/// The function that answers requests. A reply is borrowed until the next call; one without bytes
/// is not sent.
typedef struct {
    void *self;
    mr_bytes (*answer)(void *self, mr_bytes request);
    size_t max_bytes; // of a request; a larger one ends the connection
} mr_answerer;

/// The address, and who may connect. Without keys, only endpoints that no other machine can reach
/// are accepted, or all if `insecure`.
typedef struct {
    const char *bind;             // "tcp://127.0.0.1:5555", "tcp://localhost:*", "ipc://PATH"
    const char *curve_secret_key; // file with the service's secret key; NULL or "": no CURVE
    const char *curve_allow;      // folder with the public keys of clients that may connect
    bool insecure;
} mr_service_options;

/// Binds. The caller closes it. Fails with MR_ERR_USAGE if the options contradict each other, and
/// with MR_ERR_IO if it can't bind the endpoint, which the message names.
mr_status mr_service_open(mr_answerer answerer, const mr_service_options *options,
                          mr_service **out);
void mr_service_close(mr_service *service);

/// The endpoint that it is bound to, with the port that "*" became.
const char *mr_service_endpoint(const mr_service *service);

/// Answers for that many milliseconds, or until a signal comes.
mr_status mr_service_run(mr_service *service, int milliseconds);
