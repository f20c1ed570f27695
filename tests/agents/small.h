/// Small policies and agents, for the tests of this folder in either precision.
#pragma once

#include "agents/agent.h"
#include "agents/critic.h"
#include "agents/sac.h"
#include "flows/flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

enum { SMALL_MAX_DIM = 8, SMALL_ROWS = 6 };

/// Bounds that are not symmetric, so that a mistaken scale shows.
static const double small_low[SMALL_MAX_DIM] = {-1, -2, -3, -4, -5, -6, -7, -8};
static const double small_high[SMALL_MAX_DIM] = {3, 3, 3, 3, 3, 3, 3, 3};

static inline mr_policy_spec small_spec(const char *flow, size_t obs_dim, size_t act_dim) {
    cr_assert(act_dim <= SMALL_MAX_DIM && obs_dim <= SMALL_MAX_DIM);
    return (mr_policy_spec){.env = "Small-v0",
                            .flow = flow,
                            .obs_dim = obs_dim,
                            .act_dim = act_dim,
                            .act_low = small_low,
                            .act_high = small_high,
                            .hidden = {.n = 2, .width = {7, 5}}};
}

static inline mr_policy *small_policy(const char *flow, size_t obs_dim, size_t act_dim) {
    const mr_policy_spec spec = small_spec(flow, obs_dim, act_dim);
    mr_policy *policy = NULL;
    cr_assert_eq(mr_policy_new(&spec, 3, &policy), MR_OK, "%s: %s", flow, mr_error_message());
    return policy;
}

/// What a small SAC agent is built from.
typedef struct {
    mr_agent_setup setup;
    mr_sac_options sac;
} small_options;

static inline small_options small_defaults(int n_threads) {
    return (small_options){
        .setup = {.batch_size = SMALL_ROWS,
                  .n_envs = 1,
                  .critic = {.hidden = {.n = 2, .width = {8, 6}}, .activation = MR_RELU},
                  .ensemble = mr_twin_critics,
                  .intrinsic_hidden = {.n = 2, .width = {6, 4}},
                  .critic_targets = true,
                  .adam_beta1 = 0.9,
                  .seed = 5,
                  .n_threads = n_threads},
        .sac = {.tau = 0.25,
                .actor_lr = 1e-2,
                .critic_lr = 1e-2,
                .alpha = {.automatic = true},
                .initial_alpha = 1,
                .target_entropy = {.value = -1.5},
                .target_sigma = {.automatic = true},
                .policy_delay = 1,
                .actor_value = "auto"}};
}

static inline mr_agent *small_agent(const char *flow, size_t obs_dim, size_t act_dim,
                                    const small_options *options) {
    const mr_policy_spec spec = small_spec(flow, obs_dim, act_dim);
    mr_sac_options sac = options->sac;
    mr_agent *agent = NULL;
    snprintf(sac.policy, sizeof sac.policy, "%s", flow);
    cr_assert_eq(mr_agent_new(&mr_agent_sac, &spec, &options->setup, &sac, &agent), MR_OK, "%s",
                 mr_error_message());
    return agent;
}

/// The parameters, or the target, of one of its learners.
static inline mr_params *small_params(const mr_agent *agent, const char *learner) {
    return mr_agent_learner_of(agent, learner)->params;
}

static inline mr_params *small_target(const mr_agent *agent, const char *learner) {
    return mr_agent_learner_of(agent, learner)->target;
}

static inline mr_batch_options small_batch_options(mr_bonus *bonus) {
    return (mr_batch_options){.batch_size = SMALL_ROWS,
                              .n_envs = 1,
                              .n_step = 1,
                              .gamma = 0.9,
                              .reward_scale = 1,
                              .bonus = bonus,
                              .is_separate = true,
                              .seed = 5};
}

static inline mr_batch_maker *small_batches(const mr_policy *policy,
                                            const mr_batch_options *options) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    mr_batch_maker *batches = NULL;
    cr_assert_eq(mr_batch_maker_new(options, spec->obs_dim, spec->act_dim, &batches), MR_OK);
    return batches;
}

/// An update on a batch of its own, as in training.
static inline mr_status small_update(mr_agent *agent, mr_batch_maker *batches,
                                     const mr_replay *replay) {
    const mr_batch *batch;
    const mr_status status =
        mr_batch_draw(batches, replay, NULL, mr_agent_n_updates(agent), &batch);
    return status == MR_OK ? mr_agent_update(agent, batch) : status;
}

/// A bonus for such policies.
static inline mr_bonus *small_bonus(const char *kind, const mr_env_spec *env) {
    const mr_bonus_options options = {.kind = kind,
                                      .flow = "real_nvp:layers=2,hidden=8",
                                      .scale = 0.5,
                                      .decay = "none",
                                      .features = "all",
                                      .normalize = "auto",
                                      .n_steps = 1000,
                                      .batch_size = SMALL_ROWS,
                                      .n_envs = 1,
                                      .seed = 5,
                                      .n_threads = 1};
    mr_bonus *bonus = NULL;
    cr_assert_eq(mr_bonus_new(&options, env, &bonus), MR_OK, "%s", mr_error_message());
    return bonus;
}

/// Has a bonus visit `n` random states.
static inline void small_visit(mr_bonus *bonus, size_t obs_dim, size_t n) {
    mr_random random = mr_random_stream(15, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < n; i++) {
        double obs[SMALL_MAX_DIM];
        for (size_t j = 0; j < obs_dim; j++)
            obs[j] = mr_random_normal(&random);
        mr_bonus_visit(bonus, NULL, obs);
    }
}

/// A batch and the noise that goes with it.
typedef struct {
    mr_real obs[SMALL_ROWS * SMALL_MAX_DIM], act[SMALL_ROWS * SMALL_MAX_DIM];
    mr_real reward[SMALL_ROWS], discount[SMALL_ROWS], next_obs[SMALL_ROWS * SMALL_MAX_DIM];
    mr_real next_noise[SMALL_ROWS * SMALL_MAX_DIM], noise[SMALL_ROWS * SMALL_MAX_DIM];
    mr_real intrinsic[SMALL_ROWS];
} small_batch;

/// Random numbers; the last row is a termination.
static inline void small_batch_fill(const mr_policy *policy, small_batch *b) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    const size_t n_obs = SMALL_ROWS * spec->obs_dim, n_act = SMALL_ROWS * spec->act_dim;
    mr_random random = mr_random_stream(11, MR_STREAM_TEST, 0);
    mr_random_fill_normal(&random, n_obs, b->obs);
    mr_random_fill_uniform(&random, n_act, -1, 1, b->act);
    mr_random_fill_normal(&random, SMALL_ROWS, b->reward);
    for (size_t i = 0; i < SMALL_ROWS; i++)
        b->discount[i] = i + 1 < SMALL_ROWS ? (mr_real)0.9 : 0;
    mr_random_fill_normal(&random, n_obs, b->next_obs);
    mr_random_fill_normal(&random, n_act, b->next_noise);
    mr_random_fill_normal(&random, n_act, b->noise);
    mr_random_fill_normal(&random, SMALL_ROWS, b->intrinsic);
}

static const double small_beta = 0.5;

static inline void small_compute(mr_agent *agent, small_batch *b) {
    const mr_batch batch = {.n = SMALL_ROWS,
                            .obs = b->obs,
                            .act = b->act,
                            .reward = b->reward,
                            .discount = b->discount,
                            .next_obs = b->next_obs,
                            .intrinsic = b->intrinsic,
                            .beta = small_beta};
    mr_agent_compute(agent, &batch, b->next_noise, b->noise);
}

/// Moves every parameter that has a gradient: the others are masked, and must stay 0.
static inline void small_shake_once(mr_params *params, mr_random *random) {
    mr_real *value = mr_params_value(params);
    const mr_real *grad = mr_params_grad(params);
    for (size_t i = 0; i < mr_params_size(params); i++)
        if (grad[i] != 0)
            value[i] += (mr_real)(0.1 * mr_random_normal(random));
}

/// Bends the flow of a new agent, which is the identity. Its last layers start at zero and hold the
/// gradient back from what is before them, so it takes two rounds.
static inline void small_bend_agent(mr_agent *agent) {
    static small_batch batch;
    mr_random random = mr_random_stream(12, MR_STREAM_TEST, 0);
    small_batch_fill(mr_agent_policy(agent), &batch);
    for (int round = 0; round < 2; round++) {
        small_compute(agent, &batch);
        small_shake_once(small_params(agent, "policy"), &random);
    }
}

/// The same for a new policy: it gets the parameters of an agent's.
static inline void small_bend(mr_policy *policy) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    const small_options options = small_defaults(1);
    mr_agent *agent = small_agent(spec->flow, spec->obs_dim, spec->act_dim, &options);
    const mr_params *bent = small_params(agent, "policy");
    cr_assert_eq(mr_params_size(bent), mr_params_size(mr_policy_params(policy)));
    small_bend_agent(agent);
    memcpy(mr_params_value(mr_policy_params(policy)), mr_params_read(bent),
           mr_params_size(bent) * sizeof(mr_real));
    mr_agent_free(agent);
}

/// A replay of `n_steps` random steps in episodes of 10, each ended by termination or truncation in
/// turn.
static inline mr_replay *small_replay(const mr_policy *policy, size_t n_steps,
                                      double reward_scale) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    mr_replay *replay = NULL;
    mr_random random = mr_random_stream(13, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_replay_new(2 * n_steps, 1, spec->obs_dim, spec->act_dim, &replay), MR_OK);
    for (size_t t = 0; t < n_steps; t++) {
        double obs[SMALL_MAX_DIM];
        mr_real act[SMALL_MAX_DIM];
        for (size_t j = 0; j < SMALL_MAX_DIM; j++)
            obs[j] = mr_random_normal(&random);
        if (t % 10 == 0)
            mr_replay_begin(replay, 0, obs);
        mr_random_fill_uniform(&random, spec->act_dim, -1, 1, act);
        for (size_t j = 0; j < SMALL_MAX_DIM; j++)
            obs[j] = mr_random_normal(&random);
        mr_replay_push(replay, 0,
                       &(mr_transition){.act = act,
                                        .reward = reward_scale * mr_random_normal(&random),
                                        .next_obs = obs,
                                        .terminated = t % 20 == 19});
    }
    return replay;
}

/// A copy of a block of parameters or gradients, to be freed.
static inline mr_real *small_copy(const mr_params *params, const mr_real *array) {
    const size_t n_bytes = mr_params_size(params) * sizeof *array;
    mr_real *copy = malloc(n_bytes + 1);
    cr_assert_not_null(copy);
    return memcpy(copy, array, n_bytes);
}

static inline bool small_is_same(const mr_params *params, const mr_real *a, const mr_real *b) {
    return memcmp(a, b, mr_params_size(params) * sizeof *a) == 0;
}
