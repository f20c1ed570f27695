// Several environments whose episodes end at different times: what training stores is what a plain
// loop over single environments stores, so that both learn the same policy, bit for bit.

#include "agents/train.h"

#include "agents/agent.h"
#include "agents/sac.h"
#include "envs/env.h"

#include "tests/agents/set.h"
#include "tests/scratch.h"

TestSuite(train_episodes, .init = scratch_enter, .fini = scratch_leave);

enum { N_ENVS = 3, N_STEPS = 60, OBS_DIM = 11, ACT_DIM = 3 }; // Hopper-v5's sizes

// Episodes of at most 7 steps; some end earlier, by termination, since lower is soon unhealthy.
static const char env_set[] = "max_episode_steps=7,healthy_z_range=1.22:inf,reset_noise_scale=0.03";

static mr_settings make_settings(void) {
    mr_settings s;
    mr_settings_init(&s);
    snprintf(s.env, sizeof s.env, "Hopper-v5");
    snprintf(s.env_set, sizeof s.env_set, "%s", env_set);
    set(&s, "policy", "gaussian");
    snprintf(s.out, sizeof s.out, "a");
    s.hidden = (mr_widths){.n = 1, .width = {8}};
    s.steps = N_ENVS * N_STEPS;
    s.num_envs = N_ENVS;
    s.threads = 1;
    s.batch_size = 16;
    s.buffer_size = 1000;
    s.learning_starts = 30;
    s.eval_every = 0;
    s.eval_episodes = 1;
    return s;
}

// The plain loop's environments.
typedef struct {
    mr_env *env;
    double obs[OBS_DIM];
    uint64_t n_episodes;
} plain_env;

static void begin_episode(const mr_settings *s, plain_env *e, size_t i, mr_replay *replay) {
    mr_random seeds =
        mr_random_stream(s->seed, MR_STREAM_SEEDS, (uint64_t)i << 40 | e->n_episodes++);
    const uint64_t seed = mr_random_u32(&seeds);
    cr_assert_eq(mr_env_reset(e->env, &seed, e->obs), MR_OK);
    mr_replay_begin(replay, i, e->obs);
}

static void choose(const mr_settings *s, mr_policy *policy, size_t step, const plain_env *envs,
                   mr_real act[N_ENVS][ACT_DIM]) {
    double obs[N_ENVS][OBS_DIM];
    mr_real noise[N_ENVS * ACT_DIM];
    for (size_t i = 0; i < N_ENVS; i++)
        memcpy(obs[i], envs[i].obs, sizeof obs[i]);
    if (step < s->learning_starts) {
        mr_random random = mr_random_stream(s->seed, MR_STREAM_EXPLORE, step);
        mr_random_fill_uniform(&random, N_ENVS * ACT_DIM, -1, 1, act[0]);
        return;
    }
    mr_random random = mr_random_stream(s->seed, MR_STREAM_ACTION, step);
    mr_random_fill_normal(&random, N_ENVS * ACT_DIM, noise);
    cr_assert_eq(mr_policy_sample_units(policy, N_ENVS, obs[0], noise, act[0], NULL), MR_OK);
}

// One step, and what it means for the replay: the step's own observation is stored, also where the
// episode ends with it; only then is the environment reset.
static void step_one(const mr_settings *s, const mr_policy *policy, plain_env *e, size_t i,
                     const mr_real *act, mr_replay *replay, size_t n_ends[2]) {
    double action[ACT_DIM], next_obs[OBS_DIM];
    mr_step step;
    mr_policy_scale(policy, 1, act, action);
    cr_assert_eq(mr_env_step(e->env, action, next_obs, &step), MR_OK);
    mr_replay_push(replay, i,
                   &(mr_transition){.act = act,
                                    .reward = step.reward,
                                    .next_obs = next_obs,
                                    .terminated = step.terminated});
    memcpy(e->obs, next_obs, sizeof next_obs);
    n_ends[0] += step.terminated;
    n_ends[1] += step.truncated && !step.terminated;
    if (step.terminated || step.truncated)
        begin_episode(s, e, i, replay);
}

static void update_plainly(const mr_settings *s, mr_agent *agent, const mr_replay *replay) {
    const mr_batch_options options = {.batch_size = s->batch_size,
                                      .n_envs = N_ENVS,
                                      .n_step = 1,
                                      .gamma = s->gamma,
                                      .reward_scale = s->reward_scale,
                                      .seed = s->seed};
    mr_batch_maker *batches;
    const mr_batch *batch;
    cr_assert_eq(mr_batch_maker_new(&options, OBS_DIM, ACT_DIM, &batches), MR_OK);
    cr_assert_eq(mr_batch_draw(batches, replay, NULL, mr_agent_n_updates(agent), &batch), MR_OK);
    cr_assert_eq(mr_agent_update(agent, batch), MR_OK, "%s", mr_error_message());
    mr_batch_maker_free(batches);
}

static void train_plainly(const mr_settings *s, mr_agent *agent, mr_replay *replay) {
    mr_policy *policy = mr_agent_policy(agent);
    plain_env envs[N_ENVS] = {0};
    const mr_env_options options = {.set = env_set};
    size_t n_ends[2] = {0};
    for (size_t i = 0; i < N_ENVS; i++) {
        cr_assert_eq(mr_env_open(s->env, &options, &envs[i].env), MR_OK);
        begin_episode(s, &envs[i], i, replay);
    }
    for (size_t step = 0; step < s->steps; step += N_ENVS) {
        mr_real act[N_ENVS][ACT_DIM];
        choose(s, policy, step, envs, act);
        for (size_t i = 0; i < N_ENVS; i++)
            step_one(s, policy, &envs[i], i, act[i], replay, n_ends);
        for (size_t k = 0; k < N_ENVS && step + N_ENVS > s->learning_starts; k++)
            update_plainly(s, agent, replay);
    }
    cr_expect_gt(n_ends[0], 5, "%zu terminations", n_ends[0]);
    cr_expect_gt(n_ends[1], 5, "%zu truncations", n_ends[1]);
    for (size_t i = 0; i < N_ENVS; i++)
        mr_env_close(envs[i].env);
}

static mr_agent *plain_agent(const mr_settings *s) {
    const double low[ACT_DIM] = {-1, -1, -1}, high[ACT_DIM] = {1, 1, 1};
    const mr_policy_spec spec = {.env = s->env,
                                 .obs_dim = OBS_DIM,
                                 .act_dim = ACT_DIM,
                                 .act_low = low,
                                 .act_high = high,
                                 .hidden = s->hidden};
    const mr_agent_setup setup = {.batch_size = s->batch_size,
                                  .n_envs = N_ENVS,
                                  .critic = mr_settings_critic(s),
                                  .critic_targets = mr_settings_critic_targets(s),
                                  .adam_beta1 = s->adam_beta1,
                                  .ensemble = mr_settings_ensemble(s),
                                  .seed = s->seed,
                                  .n_threads = 1};
    mr_agent *agent;
    mr_replay *replay;
    cr_assert_eq(mr_agent_new(&mr_agent_sac, &spec, &setup, sac_options(s), &agent), MR_OK);
    cr_assert_eq(mr_policy_prepare(mr_agent_policy(agent), N_ENVS), MR_OK);
    cr_assert_eq(mr_replay_new(s->buffer_size, N_ENVS, OBS_DIM, ACT_DIM, &replay), MR_OK);
    train_plainly(s, agent, replay);
    mr_replay_free(replay);
    return agent;
}

Test(train_episodes, are_stored_with_their_last_observations_in_every_copy) {
    const mr_settings s = make_settings();
    mr_trainer_result result;
    mr_policy *trained;
    mr_agent *plain = plain_agent(&s);
    cr_assert_eq(mr_trainer_run(&s, NULL, NULL, NULL, &result), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_policy_load("a/policy.safetensors", &trained), MR_OK);
    const mr_params *a = mr_policy_params(trained), *b = mr_policy_params(mr_agent_policy(plain));
    cr_assert_eq(mr_params_size(a), mr_params_size(b));
    cr_expect_arr_eq(mr_params_value(a), mr_params_value(b),
                     mr_params_size(a) * sizeof *mr_params_value(a));
    cr_expect_str_eq(mr_policy_get_spec(trained)->env_set, env_set);
    mr_policy_free(trained);
    mr_agent_free(plain);
}
