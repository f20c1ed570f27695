/// A case recorded by tests/oracle/sac_torch.py: an agent with PyTorch's weights, and what PyTorch
/// makes of one batch. For either precision: the recorded numbers are float64, the float32 library
/// gets them rounded.
#pragma once

#include "agents/sac.h"

#include "tests/recorded.h"

enum { CASE_ROWS = 16, CASE_OBS_DIM = 4, CASE_ACT_DIM = 3 };

typedef struct {
    mr_tensors *file;
    mr_policy *policy;
    mr_sac *sac;
} sac_case;

static inline void case_load_weights(sac_case *c) {
    const mr_critic *critic = mr_sac_critic(c->sac);
    mr_tensors *rounded = recorded_round(c->file);
    const struct {
        mr_params *params;
        const char *prefix;
    } sets[] = {{mr_policy_params(c->policy), "policy."},
                {mr_critic_params(critic), "critic."},
                {mr_critic_target(critic), "target."},
                {mr_sac_temperature(c->sac), "temperature."}};
    for (size_t k = 0; k < MR_COUNT(sets); k++)
        cr_assert_eq(mr_params_load(sets[k].params, rounded, sets[k].prefix,
                                    mr_params_value(sets[k].params)),
                     MR_OK, "%s", mr_error_message());
    mr_tensors_close(rounded);
}

/// Opens MR_TEST_DATA/agents/NAME.safetensors. The caller closes it.
static inline sac_case case_open(const char *name, int n_threads) {
    static const double low[CASE_ACT_DIM] = {-1, -1, -1}, high[CASE_ACT_DIM] = {1, 1, 1};
    sac_case c = {0};
    char path[64];
    snprintf(path, sizeof path, "agents/%s", name);
    c.file = recorded_open(path);
    mr_policy_spec spec = {.env = "torch",
                           .flow = mr_tensors_note(c.file, "flow"),
                           .obs_dim = CASE_OBS_DIM,
                           .act_dim = CASE_ACT_DIM,
                           .act_low = low,
                           .act_high = high};
    cr_assert(mr_widths_parse(mr_tensors_note(c.file, "hidden"), &spec.hidden));
    cr_assert_eq(mr_policy_new(&spec, 0, &c.policy), MR_OK, "%s", mr_error_message());
    const mr_sac_options options = {.batch_size = CASE_ROWS,
                                    .hidden = spec.hidden,
                                    .tau = 0.5,
                                    .learns_alpha = true,
                                    .target_entropy =
                                        strtod(mr_tensors_note(c.file, "target_entropy"), NULL),
                                    .policy_delay = 1,
                                    .n_threads = n_threads};
    cr_assert_eq(mr_sac_new(c.policy, &options, &c.sac), MR_OK, "%s", mr_error_message());
    case_load_weights(&c);
    return c;
}

static inline void case_close(sac_case *c) {
    mr_sac_free(c->sac);
    mr_policy_free(c->policy);
    mr_tensors_close(c->file);
}

static inline void case_compute(const sac_case *c) {
    enum { N_OBS = CASE_ROWS * CASE_OBS_DIM, N_ACT = CASE_ROWS * CASE_ACT_DIM };
    mr_real obs[N_OBS], act[N_ACT], reward[CASE_ROWS], discount[CASE_ROWS], next_obs[N_OBS];
    mr_real noise[N_ACT], next_noise[N_ACT];
    recorded_copy(c->file, "batch.obs", N_OBS, obs);
    recorded_copy(c->file, "batch.act", N_ACT, act);
    recorded_copy(c->file, "batch.reward", CASE_ROWS, reward);
    recorded_copy(c->file, "batch.discount", CASE_ROWS, discount);
    recorded_copy(c->file, "batch.next_obs", N_OBS, next_obs);
    recorded_copy(c->file, "noise", N_ACT, noise);
    recorded_copy(c->file, "next_noise", N_ACT, next_noise);
    const mr_batch batch = {.n = CASE_ROWS,
                            .obs = obs,
                            .act = act,
                            .reward = reward,
                            .discount = discount,
                            .next_obs = next_obs};
    mr_sac_compute(c->sac, &batch, next_noise, noise);
}

/// Holds losses and gradients, after case_compute, against the recorded ones.
static inline void case_expect_all(const sac_case *c, double tolerance) {
    const mr_sac_metrics *figures = mr_sac_get_metrics(c->sac);
    const struct {
        const char *name;
        double found;
    } values[] = {{"loss.critic", figures->critic_loss},
                  {"loss.actor", figures->actor_loss},
                  {"loss.alpha", figures->alpha_loss},
                  {"q_mean", figures->q_mean}};
    for (size_t k = 0; k < MR_COUNT(values); k++) {
        const double expected = *recorded_array(c->file, values[k].name, 1);
        cr_expect_float_eq(values[k].found, expected, tolerance * (1 + fabs(expected)),
                           "%s is %.15g, PyTorch says %.15g", values[k].name, values[k].found,
                           expected);
    }
    recorded_expect_grads(c->file, "grad.policy.", mr_policy_params(c->policy), tolerance);
    recorded_expect_grads(c->file, "grad.critic.", mr_critic_params(mr_sac_critic(c->sac)),
                          tolerance);
    recorded_expect_grads(c->file, "grad.temperature.", mr_sac_temperature(c->sac), tolerance);
}
