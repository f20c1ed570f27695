/// What a server of environments answers: bytes in, bytes out, no sockets.
///
/// Keeps the promises of the protocol: each request executed once, one session at a time, and
/// nothing done for a request that is refused.
#pragma once

#include "envs/vec_env.h"
#include "base/file.h"

typedef struct mr_responder mr_responder;

/// Answers for the environments `envs`, which must outlive it. A session that is silent for
/// `lease_s` loses them to the next. The caller frees it. Fails with MR_ERR_USAGE where they are
/// more than a client would take (MR_MESSAGE_MAX_NUMBERS).
mr_status mr_responder_new(mr_vec_env *envs, double lease_s, mr_responder **out);
void mr_responder_free(mr_responder *responder);

/// The reply to a request, whatever its bytes are; none (no bytes) to what can't be answered.
///
///   now_s  a clock that never goes back, in seconds
///
/// Valid until the next call.
mr_bytes mr_responder_answer(mr_responder *responder, mr_bytes request, double now_s);

/// What it has done so far.
typedef struct {
    size_t n_sessions;
    size_t n_steps;      // of all environments
    size_t n_episodes;   // begun
    bool is_held;        // by a session
    const char *warning; // mr_vec_env_warning
} mr_responder_metrics;

mr_responder_metrics mr_responder_get_metrics(const mr_responder *responder);

/// Bytes that its largest message may have.
size_t mr_responder_max_bytes(const mr_responder *responder);
