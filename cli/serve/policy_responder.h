/// The server's side of the protocol for policies: bytes in, bytes out, no sockets.
///
/// It keeps no state between requests: it serves any number of clients, and a repeated request gets
/// the same bytes.
#pragma once

#include "agents/policy.h"
#include "base/file.h"

typedef struct mr_policy_responder mr_policy_responder;

/// Answers for `policy`, which must outlive it. The noise of a stochastic action is that of the
/// stream (seed, serve, FNV-1a of the session + seq). The caller frees it.
mr_status mr_policy_responder_new(mr_policy *policy, uint64_t seed, mr_policy_responder **out);
void mr_policy_responder_free(mr_policy_responder *responder);

/// The reply to a request of any bytes; it has no bytes if the request can't be answered. Valid
/// until the next call. Allocates only if a reply is larger than any before it.
mr_bytes mr_policy_responder_answer(mr_policy_responder *responder, mr_bytes request);

/// Its metrics so far.
typedef struct {
    size_t n_requests; // answered, also with an error
    size_t n_actions;
} mr_policy_responder_metrics;

mr_policy_responder_metrics mr_policy_responder_get_metrics(const mr_policy_responder *responder);

/// The size of its largest message, in bytes.
size_t mr_policy_responder_max_bytes(const mr_policy_responder *responder);

/// How many observations a request may hold.
size_t mr_policy_responder_max_rows(const mr_policy_responder *responder);
