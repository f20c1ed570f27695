// SAC on random transitions.

#include "sac_workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agents/sac.h"
#include "base/clock.h"

enum { N_TRANSITIONS = 20000, MAX_OBS_DIM = 1024, MAX_ACT_DIM = 100 };

void workload_check(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, mr_error_message());
    exit(1);
}

static void fill(mr_replay *replay, const workload_sizes *sizes) {
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    double obs[MAX_OBS_DIM];
    mr_real act[MAX_ACT_DIM];
    for (int i = 0; i <= N_TRANSITIONS; i++) {
        for (size_t j = 0; j < sizes->obs_dim; j++)
            obs[j] = mr_random_normal(&random);
        mr_random_fill_uniform(&random, sizes->act_dim, -1, 1, act);
        const mr_transition t = {.act = act, .reward = mr_random_normal(&random), .next_obs = obs};
        if (i == 0)
            mr_replay_begin(replay, 0, obs);
        else
            mr_replay_push(replay, 0, &t);
    }
}

static void fail_unknown(const char *what, const char *name) {
    fprintf(stderr, "%s: no %s %s\n", program_invocation_short_name, what, name);
    exit(2);
}

static mr_agent *agent_new(const workload_sizes *sizes, const workload_choices *choices) {
    double low[MAX_ACT_DIM], high[MAX_ACT_DIM];
    const mr_widths hidden = {.n = 2, .width = {sizes->hidden, sizes->hidden}};
    const mr_policy_spec spec = {.env = "bench",
                                 .obs_dim = sizes->obs_dim,
                                 .act_dim = sizes->act_dim,
                                 .act_low = low,
                                 .act_high = high,
                                 .hidden = hidden,
                                 .norm = choices->actor_norm};
    mr_mlp_spec critic = mr_mlp_plain(&hidden);
    mr_agent *agent;
    for (size_t j = 0; j < sizes->act_dim; j++) {
        low[j] = -1;
        high[j] = 1;
    }
    if (choices->critic_norm && !mr_norm_find(choices->critic_norm, &critic.norm))
        fail_unknown("normalisation", choices->critic_norm);
    const char *head = choices->critic_head ? choices->critic_head : "scalar";
    const mr_ensemble ensemble = {
        .n = 2,
        .n_target = 2,
        .head = mr_value_head_find(head),
        .value = {.n_atoms = 101, .atoms = {-5, 5}, .n_quantiles = 25, .n_dropped = 2}};
    if (!ensemble.head)
        fail_unknown("value head", head);
    const mr_agent_setup setup = {.batch_size = sizes->batch_size,
                                  .n_envs = 1,
                                  .critic = critic,
                                  .ensemble = ensemble,
                                  .critic_targets = !choices->no_targets,
                                  .adam_beta1 = 0.9,
                                  .seed = 1,
                                  .n_threads = choices->n_threads};
    mr_sac_options options = {.tau = 0.005,
                              .actor_lr = 3e-4,
                              .critic_lr = 1e-3,
                              .alpha = {.automatic = true},
                              .initial_alpha = 1,
                              .target_entropy = {.automatic = true},
                              .target_sigma = {.automatic = true},
                              .policy_delay = 1,
                              .actor_value = "auto"};
    snprintf(options.policy, sizeof options.policy, "%s", choices->policy);
    workload_check(mr_agent_new(&mr_agent_sac, &spec, &setup, &options, &agent));
    return agent;
}

workload workload_new(const workload_sizes *sizes, const workload_choices *choices) {
    const mr_batch_options batch_options = {.batch_size = sizes->batch_size,
                                            .n_envs = 1,
                                            .n_step = 1,
                                            .gamma = 0.99,
                                            .reward_scale = 1,
                                            .seed = 1};
    workload w = {.agent = agent_new(sizes, choices)};
    workload_check(mr_replay_new(2 * N_TRANSITIONS, 1, sizes->obs_dim, sizes->act_dim, &w.replay));
    workload_check(mr_batch_maker_new(&batch_options, sizes->obs_dim, sizes->act_dim, &w.batches));
    fill(w.replay, sizes);
    return w;
}

void workload_free(workload *w) {
    mr_batch_maker_free(w->batches);
    mr_agent_free(w->agent);
    mr_replay_free(w->replay);
}

void workload_update(workload *w) {
    const mr_batch *batch;
    workload_check(
        mr_batch_draw(w->batches, w->replay, NULL, mr_agent_n_updates(w->agent), &batch));
    workload_check(mr_agent_update(w->agent, batch));
}

double workload_time(workload *w, int n) {
    const double begun = mr_clock_s();
    for (int i = 0; i < n; i++)
        workload_update(w);
    return n / (mr_clock_s() - begun);
}
