// What a training run works with, set up from its settings.

#include "agents/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

// Of an episode, as far as its task has no limit: what can be played again within a minute or two,
// and no more than the replay buffer holds, so that many copies don't outgrow it.
enum { MIN_KEPT_ACTIONS = 1000, MAX_KEPT_ACTIONS = 100000 };

static const double last_share = 0.001; // of a bonus that falls at the automatic rate

void mr_trainer_tell(const mr_trainer *t, const char *note) {
    if (t->watcher && t->watcher->noted)
        t->watcher->noted(t->watcher->self, note);
}

bool mr_trainer_is_stopped(const mr_trainer *t) {
    return t->stop && *t->stop;
}

static void wait_for_server(void *self, const char *endpoint, size_t n_asked) {
    const mr_trainer *t = self;
    if (t->watcher && t->watcher->waiting)
        t->watcher->waiting(t->watcher->self, endpoint, n_asked);
}

static mr_status open_envs(mr_trainer *t) {
    const mr_settings *s = t->settings;
    const mr_env_link link = {.timeout_s = s->timeout,
                              .retries = s->retries,
                              .curve_server_key = t->place.server_key,
                              .curve_secret_key = t->place.secret_key,
                              .waiting = wait_for_server,
                              .self = t,
                              .stop = t->stop};
    const mr_env_options options = {.set = t->place.env_set, .task = t->place.task, .link = &link};
    const bool is_remote = mr_env_is_remote(s->env);
    const size_t n = s->num_envs > 0 || is_remote ? s->num_envs : 1;
    mr_status status = mr_vec_env_open(t->place.env, &options, n, t->n_threads, &t->envs);
    if (status == MR_OK && is_remote)
        t->eval_envs = t->envs;
    else if (status == MR_OK)
        status =
            mr_vec_env_open(t->place.env, &options, s->eval_episodes, t->n_threads, &t->eval_envs);
    return status;
}

static double decay_rate(const mr_settings *s) {
    return s->bonus_decay_rate.automatic ? 1 - pow(last_share, 1 / (double)s->steps)
                                         : s->bonus_decay_rate.value;
}

static mr_status make_bonus(mr_trainer *t) {
    const mr_settings *s = t->settings;
    const mr_bonus_options options = {.kind = s->bonus,
                                      .flow = s->bonus_flow,
                                      .scale = s->bonus_scale,
                                      .decay = s->bonus_decay,
                                      .decay_rate = decay_rate(s),
                                      .features = s->bonus_features,
                                      .normalize = s->bonus_normalize,
                                      .n_steps = s->steps,
                                      .batch_size = s->batch_size,
                                      .n_envs = t->n_envs,
                                      .seed = s->seed,
                                      .n_threads = t->n_threads};
    if (strcmp(s->bonus, "none") == 0)
        return MR_OK;
    return mr_bonus_new(&options, mr_vec_env_get_spec(t->envs), &t->bonus);
}

static mr_status make_batches(mr_trainer *t) {
    const mr_settings *s = t->settings;
    const mr_batch_options options = {.batch_size = s->batch_size,
                                      .gamma = s->gamma,
                                      .reward_scale = s->reward_scale,
                                      .bonus = t->bonus,
                                      .is_separate = strcmp(s->bonus_critic, "separate") == 0,
                                      .seed = s->seed};
    return mr_batch_maker_new(&options, t->obs_dim, t->act_dim, &t->batches);
}

static mr_status make_agent(mr_trainer *t) {
    const mr_settings *s = t->settings;
    const mr_env_spec *env = mr_vec_env_get_spec(t->envs);
    const mr_policy_spec spec = {.env = mr_env_is_remote(s->env) ? env->name : s->env,
                                 .env_set = s->env_set,
                                 .task = s->task,
                                 .engine = env->engine,
                                 .engine_version = env->engine_version,
                                 .obs_dim = env->obs_dim,
                                 .act_dim = env->act_dim,
                                 .act_low = env->act_low,
                                 .act_high = env->act_high,
                                 .hidden = s->hidden};
    const mr_agent_setup setup = {.batch_size = s->batch_size,
                                  .n_envs = t->n_envs,
                                  .hidden = s->hidden,
                                  .has_intrinsic =
                                      t->bonus && strcmp(s->bonus_critic, "separate") == 0,
                                  .intrinsic_hidden = s->bonus_hidden,
                                  .seed = s->seed,
                                  .n_threads = t->n_threads};
    const mr_status status = mr_agent_new(mr_agent_find(s->agent), &spec, &setup,
                                          mr_settings_agent_options(s), &t->agent);
    if (status != MR_OK)
        return status;
    t->policy = mr_agent_policy(t->agent);
    return mr_policy_prepare(t->policy, t->n_envs);
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t choose_max_kept_actions(const mr_trainer *t) {
    const size_t held = t->settings->buffer_size / t->n_envs;
    return larger(mr_vec_env_get_spec(t->envs)->max_episode_steps,
                  larger(MIN_KEPT_ACTIONS, smaller(held, MAX_KEPT_ACTIONS)));
}

static mr_status make_buffers(mr_trainer *t) {
    const size_t n = t->n_envs;
    t->obs = calloc(n * t->obs_dim, sizeof *t->obs);
    t->next_obs = calloc(n * t->obs_dim, sizeof *t->next_obs);
    t->action = calloc(n * t->act_dim, sizeof *t->action);
    t->act = calloc(n * t->act_dim, sizeof *t->act);
    t->step = calloc(n, sizeof *t->step);
    t->rollout = calloc(n, sizeof *t->rollout);
    t->actions = calloc(n, sizeof *t->actions);
    t->first_obs = calloc(n * t->obs_dim, sizeof *t->first_obs);
    t->has_first_obs = calloc(n, sizeof *t->has_first_obs);
    t->active = calloc(n, sizeof *t->active);
    const bool whole = t->obs && t->next_obs && t->action && t->act && t->step && t->rollout &&
                       t->actions && t->first_obs && t->has_first_obs && t->active;
    return whole ? MR_OK : mr_fail_memory("training");
}

static void clear_metrics(const mr_agent_ops *agent, mr_metrics *metrics) {
    mr_metric_list list;
    mr_metric_list_of(agent, &list);
    for (size_t i = 0; i < list.n; i++)
        *mr_metric_value(&list.at[i], metrics) = NAN;
    metrics->total_timesteps = 0;
    metrics->episodes = 0;
    metrics->n_diverged = 0;
    metrics->n_warnings = 0;
    metrics->n_updates = 0;
}

mr_settings mr_trainer_used_settings(const mr_trainer *t) {
    mr_settings used = *t->settings;
    used.threads = (size_t)t->n_threads;
    used.num_envs = t->n_envs;
    return used;
}

void mr_trainer_note_engine(mr_trainer *t) {
    const mr_env_spec *env = mr_vec_env_get_spec(t->envs);
    snprintf(t->engine.name, sizeof t->engine.name, "%s", env->engine ? env->engine : "");
    snprintf(t->engine.version, sizeof t->engine.version, "%s",
             env->engine_version ? env->engine_version : "");
}

// All but the run directory: nothing is left behind by settings that do not work.
mr_status mr_trainer_build(mr_trainer *t) {
    mr_status status;
    const mr_settings *s = t->settings;
    t->n_threads = mr_settings_threads(s->threads);
    MR_TRY(mr_settings_check(s));
    MR_TRY(mr_trainer_find_files(t));
    MR_TRY(open_envs(t));
    t->n_envs = mr_vec_env_n(t->envs);
    mr_trainer_note_engine(t);
    t->obs_dim = mr_vec_env_get_spec(t->envs)->obs_dim;
    t->act_dim = mr_vec_env_get_spec(t->envs)->act_dim;
    const mr_settings used =
        mr_trainer_used_settings(t); // how many environments there are is known only now
    MR_TRY(mr_settings_check(&used));
    MR_TRY(make_bonus(t));
    MR_TRY(make_batches(t));
    MR_TRY(make_agent(t));
    MR_TRY(mr_replay_new(s->buffer_size, t->n_envs, t->obs_dim, t->act_dim, &t->replay));
    MR_TRY(mr_evaluation_new(s->eval_episodes, &t->evaluation));
    MR_TRY(mr_params_copy(mr_policy_params(t->policy), &t->best));
    MR_TRY(make_buffers(t));
    t->max_kept_actions = choose_max_kept_actions(t);
    clear_metrics(mr_agent_get_ops(t->agent), &t->loop.now);
    t->loop.best_mean_reward = -INFINITY;
    t->logged_steps = -1;
    t->begun_s = mr_clock_s();
    t->begun_cpu_s = mr_cpu_s();
done:
    return status;
}

void mr_trainer_close(mr_trainer *t) {
    mr_run_close(t->run);
    mr_agent_free(t->agent);
    mr_batch_maker_free(t->batches);
    mr_bonus_free(t->bonus);
    mr_params_free(t->best);
    mr_replay_free(t->replay);
    mr_evaluation_free(t->evaluation);
    if (t->eval_envs != t->envs)
        mr_vec_env_close(t->eval_envs);
    mr_vec_env_close(t->envs);
    free(t->obs);
    free(t->next_obs);
    free(t->action);
    free(t->act);
    free(t->step);
    free(t->rollout);
    for (size_t i = 0; t->actions && i < t->n_envs; i++)
        mr_actions_drop(&t->actions[i]);
    free(t->actions);
    free(t->first_obs);
    free(t->has_first_obs);
    free(t->active);
}
