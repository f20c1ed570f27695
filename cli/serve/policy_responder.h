/// What a server of a policy answers: bytes in, bytes out, no sockets.
///
/// Remembers nothing between requests: any number of clients may ask, and a request that is
/// repeated gets the same bytes.
#pragma once

#include "agents/policy.h"
#include "base/file.h"

typedef struct mr_policy_responder mr_policy_responder;

/// Answers for `policy`, which must outlive it. The noise of a stochastic action is that of the
/// stream (seed, serve, FNV-1a of the session + seq). The caller frees it.
mr_status mr_policy_responder_new(mr_policy *policy, uint64_t seed, mr_policy_responder **out);
void mr_policy_responder_free(mr_policy_responder *responder);

/// The reply to a request, whatever its bytes are; none (no bytes) to what can't be answered. Valid
/// until the next call. Allocates only where a reply is larger than any before it.
mr_bytes mr_policy_responder_answer(mr_policy_responder *responder, mr_bytes request);

/// What it has done so far.
typedef struct {
    size_t n_requests; // answered, with an error too
    size_t n_actions;
} mr_policy_responder_metrics;

mr_policy_responder_metrics mr_policy_responder_get_metrics(const mr_policy_responder *responder);

/// Bytes that its largest message may have.
size_t mr_policy_responder_max_bytes(const mr_policy_responder *responder);

/// Observations that one request may hold.
size_t mr_policy_responder_max_rows(const mr_policy_responder *responder);
