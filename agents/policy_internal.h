/// The parts of a policy. Private to agents/policy*.c.
#pragma once

#include "agents/policy.h"
#include "flows/base.h"
#include "flows/flow.h"
#include "base/arena.h"

typedef struct mr_policy_actors mr_policy_actors; // the workspaces of those who act (policy_act.c)

struct mr_policy {
    mr_arena *arena; // the spec's texts and arrays
    mr_policy_spec spec;
    mr_params *params;
    mr_mlp trunk;          // observation -> embedding
    mr_base base;          // embedding -> mean, log-deviation
    mr_flow *flow;         // NULL: deterministic, by the output layer
    mr_param weight, bias; // of the output layer: embedding -> action before the tanh
    mr_policy_actors *actors;
};

/// mr_policy_new, but fails with MR_ERR_INPUT if the policy would have more than `max_params`
/// numbers, before anything of that size is made.
mr_status mr_policy_new_within(const mr_policy_spec *spec, uint64_t seed, size_t max_params,
                               mr_policy **out);

mr_status mr_policy_actors_new(mr_policy_actors **out);
void mr_policy_actors_free(mr_policy_actors *actors);
