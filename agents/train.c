// The training loop: act, step, remember, update; now and then evaluate, log and save.

#include "agents/train.h"

#include "agents/evaluate.h"
#include "agents/replay.h"
#include "agents/run.h"
#include "agents/sac.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MAX_DEFAULT_THREADS = 4, // a batch of 256 rows gains nothing from more
    RECENT_EPISODES = 100,   // that the rollout means are over, as in Stable-Baselines3
    LOG_EVERY = 1000,        // environment steps between rows of progress.csv
};

/// One of the environments that training steps.
typedef struct {
    uint64_t n_episodes; // begun
    double episode_return;
    size_t episode_length;
} rollout;

/// The last episodes, for the rollout means.
typedef struct {
    size_t n; // in all
    double episode_return[RECENT_EPISODES];
    double episode_length[RECENT_EPISODES];
} recent;

/// Figures of the updates since the last row of progress.csv.
typedef struct {
    size_t n;
    mr_sac_figures sum;
} update_sums;

typedef struct {
    const mr_settings *settings;
    const mr_train_watcher *watcher;
    int n_threads;
    mr_vec_env *envs, *eval_envs;
    mr_policy *policy;
    mr_replay *replay;
    mr_sac *sac;
    mr_run *run;
    mr_evaluation *evaluation;
    size_t n_envs, obs_dim, act_dim;
    double *obs, *next_obs; // [n_envs x obs_dim]
    double *action;         // [n_envs x act_dim] the task's own units
    mr_real *act, *noise;   // [n_envs x act_dim]
    mr_step *step;          // [n_envs]
    rollout *rollout;       // [n_envs]
    recent recent;
    update_sums sums;
    mr_metrics now;
    double best_mean_reward;
    struct timespec begun;
} trainer;

// ---- Setting up

static int choose_threads(const mr_settings *settings) {
    if (settings->threads > 0)
        return (int)settings->threads;
    const int n_cores = omp_get_num_procs();
    return n_cores < MAX_DEFAULT_THREADS ? n_cores : MAX_DEFAULT_THREADS;
}

static mr_status open_envs(trainer *t) {
    const mr_settings *s = t->settings;
    const mr_env_options options = {.set = s->env_set, .task = s->task};
    mr_status status = mr_vec_env_open(s->env, &options, s->num_envs, t->n_threads, &t->envs);
    if (status == MR_OK)
        status = mr_vec_env_open(s->env, &options, s->eval_episodes, t->n_threads, &t->eval_envs);
    return status;
}

static mr_status make_policy(trainer *t) {
    const mr_settings *s = t->settings;
    const mr_env_spec *env = mr_vec_env_get_spec(t->envs);
    const mr_policy_spec spec = {.env = env->name,
                                 .env_set = s->env_set,
                                 .task = s->task,
                                 .flow = s->policy,
                                 .obs_dim = env->obs_dim,
                                 .act_dim = env->act_dim,
                                 .act_low = env->act_low,
                                 .act_high = env->act_high,
                                 .hidden = s->hidden};
    const size_t n_rows = s->num_envs > s->eval_episodes ? s->num_envs : s->eval_episodes;
    mr_status status = mr_policy_new(&spec, s->seed, &t->policy);
    if (status == MR_OK)
        status = mr_policy_prepare(t->policy, n_rows);
    return status;
}

static mr_status make_agent(trainer *t) {
    const mr_settings *s = t->settings;
    const mr_sac_options options = {.batch_size = s->batch_size,
                                    .hidden = s->hidden,
                                    .gamma = s->gamma,
                                    .tau = s->tau,
                                    .actor_lr = s->actor_lr,
                                    .critic_lr = s->critic_lr,
                                    .learns_alpha = s->alpha.automatic,
                                    .alpha = s->alpha.value,
                                    .target_entropy = s->target_entropy.automatic
                                                          ? -(double)t->act_dim
                                                          : s->target_entropy.value,
                                    .policy_delay = s->policy_delay,
                                    .seed = s->seed,
                                    .n_threads = t->n_threads};
    return mr_sac_new(t->policy, &options, &t->sac);
}

static mr_status make_buffers(trainer *t) {
    const size_t n = t->n_envs;
    t->obs = calloc(n * t->obs_dim, sizeof *t->obs);
    t->next_obs = calloc(n * t->obs_dim, sizeof *t->next_obs);
    t->action = calloc(n * t->act_dim, sizeof *t->action);
    t->act = calloc(n * t->act_dim, sizeof *t->act);
    t->noise = calloc(n * t->act_dim, sizeof *t->noise);
    t->step = calloc(n, sizeof *t->step);
    t->rollout = calloc(n, sizeof *t->rollout);
    const bool whole =
        t->obs && t->next_obs && t->action && t->act && t->noise && t->step && t->rollout;
    return whole ? MR_OK : mr_fail_memory("training");
}

static void clear_metrics(mr_metrics *metrics) {
    for (size_t i = 0; i < mr_metric_count(); i++)
        *(double *)((char *)metrics + mr_metric_at(i)->offset) = NAN;
    metrics->total_timesteps = 0;
    metrics->episodes = 0;
    metrics->n_updates = 0;
}

static mr_status trainer_open(trainer *t) {
    mr_status status;
    const mr_settings *s = t->settings;
    t->n_threads = choose_threads(s);
    MR_TRY(mr_settings_check(s));
    MR_TRY(open_envs(t));
    t->n_envs = s->num_envs;
    t->obs_dim = mr_vec_env_get_spec(t->envs)->obs_dim;
    t->act_dim = mr_vec_env_get_spec(t->envs)->act_dim;
    MR_TRY(make_policy(t));
    MR_TRY(make_agent(t));
    MR_TRY(mr_replay_new(s->buffer_size, t->n_envs, t->obs_dim, t->act_dim, &t->replay));
    MR_TRY(mr_evaluation_new(s->eval_episodes, &t->evaluation));
    MR_TRY(make_buffers(t));
    // The directory last: nothing is left behind by settings that do not work.
    mr_settings used = *s;
    used.threads = (size_t)t->n_threads;
    MR_TRY(mr_run_create(s->out, &used, &t->run));
    clear_metrics(&t->now);
    t->best_mean_reward = -INFINITY;
    clock_gettime(CLOCK_MONOTONIC, &t->begun);
done:
    return status;
}

static void trainer_close(trainer *t) {
    mr_run_close(t->run);
    mr_sac_free(t->sac);
    mr_policy_free(t->policy);
    mr_replay_free(t->replay);
    mr_evaluation_free(t->evaluation);
    mr_vec_env_close(t->envs);
    mr_vec_env_close(t->eval_envs);
    free(t->obs);
    free(t->next_obs);
    free(t->action);
    free(t->act);
    free(t->noise);
    free(t->step);
    free(t->rollout);
}

// ---- Saving

static mr_status save_policy(trainer *t, const char *name) {
    char steps[32];
    snprintf(steps, sizeof steps, "%.0f", t->now.total_timesteps);
    const mr_env_spec *env = mr_vec_env_get_spec(t->envs);
    const mr_note notes[] = {{"steps", steps},
                             {"millrace", MR_VERSION},
                             {"engine", env->engine},
                             {"engine_version", env->engine_version}};
    return mr_policy_save(t->policy, mr_run_path(t->run, name), MR_COUNT(notes), notes);
}

static mr_status save_checkpoint(trainer *t) {
    mr_status status;
    mr_tensors_writer *writer = NULL;
    MR_TRY(mr_tensors_writer_new(&writer));
    MR_TRY(mr_sac_write(t->sac, writer));
    MR_TRY(mr_tensors_writer_write(writer, mr_run_path(t->run, "checkpoint.safetensors")));
done:
    mr_tensors_writer_free(writer);
    return status;
}

// Keeps what is good after `status` stopped training, and its message.
static mr_status save_after(trainer *t, mr_status status) {
    char cause[1024];
    snprintf(cause, sizeof cause, "%s", mr_error_message());
    if (save_policy(t, "policy.safetensors") != MR_OK || save_checkpoint(t) != MR_OK)
        return mr_fail(status, "step %.0f: %s (and what was learned could not be saved: %s)",
                       t->now.total_timesteps, cause, mr_error_message());
    return mr_fail(status, "step %.0f: %s; the last good policy and checkpoint are in %s",
                   t->now.total_timesteps, cause, t->settings->out);
}

// ---- Figures

static double seconds_since(const struct timespec *begun) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun->tv_sec) + 1e-9 * (double)(now.tv_nsec - begun->tv_nsec);
}

static void note_time(trainer *t) {
    t->now.time_elapsed = seconds_since(&t->begun);
    t->now.fps = t->now.total_timesteps / t->now.time_elapsed;
}

static double mean_of_recent(const recent *r, const double *values) {
    const size_t n = r->n < RECENT_EPISODES ? r->n : RECENT_EPISODES;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

static void note_episode(trainer *t, const rollout *r) {
    recent *last = &t->recent;
    last->episode_return[last->n % RECENT_EPISODES] = r->episode_return;
    last->episode_length[last->n % RECENT_EPISODES] = (double)r->episode_length;
    last->n++;
    t->now.episodes = (double)last->n;
    t->now.ep_rew_last = r->episode_return;
    t->now.ep_rew_mean = mean_of_recent(last, last->episode_return);
    t->now.ep_len_mean = mean_of_recent(last, last->episode_length);
}

static void note_update(trainer *t) {
    const mr_sac_figures *f = mr_sac_get_figures(t->sac);
    mr_sac_figures *sum = &t->sums.sum;
    sum->critic_loss += f->critic_loss;
    sum->q_mean += f->q_mean;
    sum->actor_loss += f->actor_loss;
    sum->alpha_loss += f->alpha_loss;
    sum->entropy += f->entropy;
    t->sums.n++;
    t->now.ent_coef = f->alpha;
    t->now.n_updates = (double)mr_sac_n_updates(t->sac);
}

static mr_status log_row(trainer *t) {
    const mr_sac_figures *sum = &t->sums.sum;
    const double n = t->sums.n > 0 ? (double)t->sums.n : NAN;
    t->now.critic_loss = sum->critic_loss / n;
    t->now.q_mean = sum->q_mean / n;
    t->now.actor_loss = sum->actor_loss / n;
    t->now.ent_coef_loss = sum->alpha_loss / n;
    t->now.entropy = sum->entropy / n;
    t->sums = (update_sums){0};
    note_time(t);
    return mr_run_log(t->run, &t->now);
}

// ---- Evaluating

static mr_status evaluate(trainer *t) {
    mr_status status;
    const mr_evaluation *e = t->evaluation;
    const uint64_t step = (uint64_t)t->now.total_timesteps;
    mr_random seeds = mr_random_stream(t->settings->seed, MR_STREAM_EVAL, step);
    MR_TRY(mr_evaluate(t->policy, t->eval_envs, mr_random_u32(&seeds), true, NULL, t->evaluation));
    t->now.eval_mean_reward = e->mean_return;
    t->now.eval_std_reward = e->std_return;
    t->now.eval_mean_ep_length = e->mean_length;
    const bool best = e->mean_return > t->best_mean_reward;
    if (best) {
        t->best_mean_reward = e->mean_return;
        MR_TRY(save_policy(t, "best_policy.safetensors"));
    }
    MR_TRY(save_policy(t, "policy.safetensors"));
    MR_TRY(mr_run_log_evaluation(t->run, step, e->n, e->returns, e->lengths));
    note_time(t);
    if (t->watcher && t->watcher->evaluated)
        t->watcher->evaluated(t->watcher->self, &t->now, best);
done:
    return status;
}

// ---- Stepping

// Every episode is begun with a seed of its own, so that it does not depend on what came before.
static mr_status begin_episode(trainer *t, size_t i) {
    rollout *r = &t->rollout[i];
    mr_random seeds =
        mr_random_stream(t->settings->seed, MR_STREAM_SEEDS, (uint64_t)i << 40 | r->n_episodes++);
    const uint64_t seed = mr_random_u32(&seeds);
    double *obs = t->obs + i * t->obs_dim;
    r->episode_return = 0;
    r->episode_length = 0;
    const mr_status status = mr_vec_env_reset(t->envs, i, &seed, obs);
    if (status == MR_OK)
        mr_replay_begin(t->replay, i, obs);
    return status;
}

static mr_status choose_actions(trainer *t, size_t step) {
    const mr_settings *s = t->settings;
    const size_t n = t->n_envs * t->act_dim;
    mr_status status = MR_OK;
    if (step < s->learning_starts) {
        mr_random random = mr_random_stream(s->seed, MR_STREAM_EXPLORE, step);
        mr_random_fill_uniform(&random, n, -1, 1, t->act);
    } else {
        mr_random random = mr_random_stream(s->seed, MR_STREAM_ACTION, step);
        mr_random_fill_normal(&random, n, t->noise);
        status = mr_policy_sample(t->policy, t->n_envs, t->obs, t->noise, t->act, NULL);
    }
    mr_policy_scale(t->policy, t->n_envs, t->act, t->action);
    return status;
}

static mr_status remember(trainer *t, size_t i) {
    rollout *r = &t->rollout[i];
    const mr_step *step = &t->step[i];
    const double *next_obs = t->next_obs + i * t->obs_dim;
    const mr_transition transition = {.act = t->act + i * t->act_dim,
                                      .reward = step->reward,
                                      .next_obs = next_obs,
                                      .terminated = step->terminated};
    mr_replay_push(t->replay, i, &transition);
    memcpy(t->obs + i * t->obs_dim, next_obs, t->obs_dim * sizeof *next_obs);
    r->episode_return += step->reward;
    r->episode_length++;
    if (!step->terminated && !step->truncated)
        return MR_OK;
    note_episode(t, r);
    return begin_episode(t, i);
}

static mr_status step_envs(trainer *t, size_t step) {
    mr_status status;
    MR_TRY(choose_actions(t, step));
    MR_TRY(mr_vec_env_step(t->envs, NULL, t->action, t->next_obs, t->step));
    t->now.total_timesteps += (double)t->n_envs;
    for (size_t i = 0; i < t->n_envs; i++)
        MR_TRY(remember(t, i));
done:
    return status;
}

// As many updates for each step of an environment, however many environments are stepped at a time.
static mr_status update(trainer *t, size_t step) {
    const mr_settings *s = t->settings;
    if (step + t->n_envs <= s->learning_starts)
        return MR_OK;
    for (size_t k = 0; k < t->n_envs * s->updates_per_step; k++) {
        const mr_status status = mr_sac_update(t->sac, t->replay);
        if (status != MR_OK)
            return status;
        note_update(t);
    }
    return MR_OK;
}

// Whether a multiple of `every` lies in (step, step + n_envs].
static bool is_due(const trainer *t, size_t step, size_t every) {
    return every > 0 && (step + t->n_envs) / every > step / every;
}

static mr_status advance(trainer *t, size_t step) {
    mr_status status;
    const mr_settings *s = t->settings;
    MR_TRY(step_envs(t, step));
    MR_TRY(update(t, step));
    if (is_due(t, step, s->eval_every) || step + t->n_envs >= s->steps)
        MR_TRY(evaluate(t));
    if (is_due(t, step, LOG_EVERY) || step + t->n_envs >= s->steps)
        MR_TRY(log_row(t));
    if (t->watcher && t->watcher->stepped) {
        note_time(t);
        t->watcher->stepped(t->watcher->self, &t->now);
    }
done:
    return status;
}

static mr_status run(trainer *t, const volatile sig_atomic_t *stop) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < t->n_envs; i++)
        MR_TRY(begin_episode(t, i));
    for (size_t step = 0; step < t->settings->steps && !(stop && *stop); step += t->n_envs)
        MR_TRY(advance(t, step));
    if (stop && *stop) {
        MR_TRY(save_policy(t, "policy.safetensors"));
        MR_TRY(save_checkpoint(t));
        MR_TRY(log_row(t));
    }
done:
    return status;
}

mr_status mr_train(const mr_settings *settings, const mr_train_watcher *watcher,
                   const volatile sig_atomic_t *stop, mr_train_result *result) {
    trainer t = {.settings = settings, .watcher = watcher};
    mr_status status = trainer_open(&t);
    if (status == MR_OK) {
        status = run(&t, stop);
        if (status != MR_OK)
            status = save_after(&t, status);
    }
    if (status == MR_OK)
        *result = (mr_train_result){.stopped = stop && *stop,
                                    .last = t.now,
                                    .best_mean_reward = t.best_mean_reward,
                                    .n_diverged = mr_vec_env_n_diverged(t.envs) +
                                                  mr_vec_env_n_diverged(t.eval_envs)};
    trainer_close(&t);
    return status;
}
