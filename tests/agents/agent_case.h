/// A case recorded by tests/oracle/sac_torch.py, td3_torch.py, crossq_torch.py, heads_torch.py or
/// meow_torch.py: an agent with PyTorch's weights, and what PyTorch makes of one batch. For either
/// precision: the recorded numbers are float64, the float32 library gets them rounded.
#pragma once

#include "agents/agent.h"

#include "tests/recorded.h"

#include <math.h>
#include <stdlib.h>

enum { CASE_ROWS = 16, CASE_OBS_DIM = 4, CASE_ACT_DIM = 3 };

typedef struct {
    mr_tensors *file;
    mr_agent *agent;
} agent_case;

/// A learner of one of the agents: what its arrays are called in the file.
static const struct {
    const char *learner, *prefix, *target, *gradient;
} case_learners[] = {{"policy", "policy.", "policy_target.", "grad.policy."},
                     {"critic", "critic.", "target.", "grad.critic."},
                     {"shift", "shift.", "target.", "grad.shift."},
                     {"temperature", "temperature.", NULL, "grad.temperature."}};

static inline void case_load(mr_params *params, const mr_tensors *file, const char *prefix) {
    cr_assert_eq(mr_params_load(params, file, prefix, mr_params_value(params)), MR_OK, "%s",
                 mr_error_message());
}

static inline void case_load_weights(agent_case *c) {
    mr_tensors *rounded = recorded_round(c->file);
    for (size_t k = 0; k < MR_COUNT(case_learners); k++) {
        const mr_learner *learner = mr_agent_learner_of(c->agent, case_learners[k].learner);
        if (!learner)
            continue;
        case_load(learner->params, rounded, case_learners[k].prefix);
        if (learner->target)
            case_load(learner->target, rounded, case_learners[k].target);
    }
    mr_tensors_close(rounded);
}

/// Settings whose agent's options are the file's.
static inline mr_settings case_settings(const mr_tensors *file) {
    static const struct {
        const char *option, *note;
    } options[] = {{"agent", "agent"},
                   {"policy", "flow"},
                   {"alpha", "alpha"},
                   {"target_entropy", "target_entropy"},
                   {"target_noise", "target_noise"},
                   {"target_noise_clip", "target_noise_clip"},
                   {"hidden", "hidden"},
                   {"actor_norm", "actor_norm"},
                   {"critic_norm", "critic_norm"},
                   {"norm_position", "norm_position"},
                   {"critic_targets", "critic_targets"},
                   {"critics", "critics"},
                   {"critic_target_subset", "critic_target_subset"},
                   {"critic_head", "critic_head"},
                   {"critic_atoms", "critic_atoms"},
                   {"critic_value_min", "critic_value_min"},
                   {"critic_value_max", "critic_value_max"},
                   {"critic_quantiles", "critic_quantiles"},
                   {"critic_drop", "critic_drop"},
                   {"actor_value", "actor_value"}};
    mr_settings settings;
    mr_settings_init(&settings);
    for (size_t i = 0; i < MR_COUNT(options); i++) {
        const char *name = options[i].option, *text = mr_tensors_note(file, options[i].note);
        if (text)
            cr_assert_eq(mr_settings_set(&settings, name, text, name), MR_OK, "%s",
                         mr_error_message());
    }
    return settings;
}

/// Opens MR_TEST_DATA/agents/NAME.safetensors. The caller closes it.
static inline agent_case case_open(const char *name, int n_threads) {
    static const double low[CASE_ACT_DIM] = {-1, -1, -1}, high[CASE_ACT_DIM] = {1, 1, 1};
    agent_case c = {0};
    char path[64];
    snprintf(path, sizeof path, "agents/%s", name);
    c.file = recorded_open(path);
    const mr_settings settings = case_settings(c.file);
    const char *max_std = mr_tensors_note(c.file, "max_std");
    const mr_policy_spec spec = {.env = "torch",
                                 .obs_dim = CASE_OBS_DIM,
                                 .act_dim = CASE_ACT_DIM,
                                 .act_low = low,
                                 .act_high = high,
                                 .hidden = settings.hidden,
                                 .log_std_low = max_std ? -5 : 0,
                                 .log_std_high = max_std ? log(atof(max_std)) : 0,
                                 .norm = settings.actor_norm,
                                 .norm_last = mr_settings_norm_last(&settings)};
    const mr_agent_setup setup = {.batch_size = CASE_ROWS,
                                  .n_envs = 1,
                                  .critic = mr_settings_critic(&settings),
                                  .critic_targets = mr_settings_critic_targets(&settings),
                                  .adam_beta1 = settings.adam_beta1,
                                  .ensemble = mr_settings_ensemble(&settings),
                                  .n_threads = n_threads};
    cr_assert_eq(mr_agent_new(mr_agent_find(settings.agent), &spec, &setup,
                              mr_settings_agent_options(&settings), &c.agent),
                 MR_OK, "%s", mr_error_message());
    case_load_weights(&c);
    return c;
}

static inline void case_close(agent_case *c) {
    mr_agent_free(c->agent);
    mr_tensors_close(c->file);
}

static inline void case_compute(const agent_case *c) {
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
    mr_agent_compute(c->agent, &batch, next_noise, noise);
}

/// Holds losses and gradients, after case_compute, against the recorded ones.
static inline void case_expect_all(const agent_case *c, double tolerance) {
    static const struct {
        const char *recorded, *metric;
    } values[] = {{"loss.critic", "train/critic_loss"},
                  {"loss.actor", "train/actor_loss"},
                  {"loss.alpha", "train/ent_coef_loss"},
                  {"loss", "train/loss"},
                  {"q_mean", "train/q_mean"},
                  {"v_mean", "train/v_mean"}};
    const mr_agent_ops *ops = mr_agent_get_ops(c->agent);
    for (size_t k = 0; k < MR_COUNT(values); k++)
        for (size_t i = 0; i < ops->n_metrics; i++) {
            if (strcmp(ops->metrics[i].name, values[k].metric) != 0)
                continue;
            const double found = mr_agent_metric_value(c->agent, i);
            const double expected = *recorded_array(c->file, values[k].recorded, 1);
            cr_expect_float_eq(found, expected, tolerance * (1 + fabs(expected)),
                               "%s is %.15g, PyTorch says %.15g", values[k].recorded, found,
                               expected);
        }
    for (size_t k = 0; k < MR_COUNT(case_learners); k++) {
        const mr_learner *learner = mr_agent_learner_of(c->agent, case_learners[k].learner);
        if (learner)
            recorded_expect_grads(c->file, case_learners[k].gradient, learner->params, tolerance);
    }
}

/// Opens a case, computes it with one and with three threads, and holds all of it against PyTorch.
static inline void case_check(const char *name, double tolerance) {
    static const int n_threads[] = {1, 3};
    for (size_t k = 0; k < MR_COUNT(n_threads); k++) {
        agent_case c = case_open(name, n_threads[k]);
        case_compute(&c);
        case_expect_all(&c, tolerance);
        case_close(&c);
    }
}
