/// A small MEow agent, for the tests of either precision.
#pragma once

#include "agents/meow.h"

#include "tests/agents/small.h"

static const mr_meow_options small_meow_options = {.policy = "[coupling(shift, hidden=8)]*4",
                                                   .tau = 0.25,
                                                   .lr = 1e-2,
                                                   .alpha = {.value = 0.4},
                                                   .max_grad_norm = 30};

static inline mr_status small_meow_new(const mr_meow_options *options, const mr_agent_setup *setup,
                                       size_t obs_dim, size_t act_dim, mr_agent **out) {
    const mr_policy_spec spec = small_spec(NULL, obs_dim, act_dim);
    return mr_agent_new(&mr_agent_meow, &spec, setup, options, out);
}

static inline mr_agent *small_meow(const mr_meow_options *options, size_t obs_dim, size_t act_dim) {
    const mr_agent_setup setup = small_defaults(1).setup;
    mr_agent *agent = NULL;
    cr_assert_eq(small_meow_new(options, &setup, obs_dim, act_dim, &agent), MR_OK, "%s",
                 mr_error_message());
    return agent;
}

/// Q and V of one observation and action.
typedef struct {
    double q, v;
} meow_values;

static inline meow_values meow_values_at(mr_agent *agent, const mr_real *obs, const mr_real *act) {
    const mr_real zero = 0;
    const mr_batch batch = {
        .n = 1, .obs = obs, .act = act, .reward = &zero, .discount = &zero, .next_obs = obs};
    mr_agent_compute(agent, &batch, NULL, NULL);
    const mr_meow_metrics *metrics = mr_agent_metrics(agent);
    return (meow_values){metrics->q_mean, metrics->v_mean};
}
