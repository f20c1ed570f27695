/// The parts of a policy. Private to agents/policy*.c.
#pragma once

#include "agents/policy_actors.h"
#include "base/arena.h"

struct mr_policy {
    mr_arena *arena; // the spec's texts and arrays
    mr_policy_spec spec;
    mr_policy_net net;
    mr_policy_actors *actors;
    mr_deterministic deterministic; // the action without noise
    char deterministic_text[MR_DETERMINISTIC_SIZE];
    mr_policy_critics critics;
    mr_critic *own_critics; // of a file; NULL: there are none, or the agent's are borrowed
};

/// Whether the bounds of the log-deviation are the usual ones, which files don't name.
bool mr_policy_has_usual_log_std(const mr_policy_spec *spec);

/// mr_policy_new, but fails with MR_ERR_INPUT if the policy would have more than `max_params`
/// numbers, before anything of that size is made.
mr_status mr_policy_new_within(const mr_policy_spec *spec, uint64_t seed, size_t max_params,
                               mr_policy **out);
