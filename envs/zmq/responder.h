/// The server's side of the protocol for environments: bytes in, bytes out, no sockets.
///
/// Executes each request once, serves one session at a time, and does nothing for a request that it
/// refuses.
#pragma once

#include "envs/vec_env.h"
#include "base/file.h"

typedef struct mr_responder mr_responder;

/// Answers for the environments `envs`, which must outlive it. A session that is silent for
/// `lease_s` may be replaced by another. The caller frees it. Fails with MR_ERR_USAGE if the
/// environments are more than a client accepts (MR_MESSAGE_MAX_NUMBERS).
mr_status mr_responder_new(mr_vec_env *envs, double lease_s, mr_responder **out);
void mr_responder_free(mr_responder *responder);

/// The reply to a request of any bytes; it has no bytes if the request can't be answered.
///
///   now_s  a clock that never goes back, in seconds
///
/// Valid until the next call.
mr_bytes mr_responder_answer(mr_responder *responder, mr_bytes request, double now_s);

/// Its metrics so far.
typedef struct {
    size_t n_sessions;
    size_t n_steps;      // of all environments
    size_t n_episodes;   // started
    bool is_held;        // a session has the environments
    const char *warning; // mr_vec_env_warning
} mr_responder_metrics;

mr_responder_metrics mr_responder_get_metrics(const mr_responder *responder);

/// The size of its largest message, in bytes.
size_t mr_responder_max_bytes(const mr_responder *responder);
