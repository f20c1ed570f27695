// The training loop: act, step, remember, update; now and then evaluate, log and save.

#include "agents/train.h"

#include "agents/checkpoint.h"
#include "agents/evaluate.h"
#include "agents/replay.h"
#include "agents/run.h"
#include "agents/sac.h"
#include "nn/file.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_DEFAULT_THREADS = 4, // a batch of 256 rows gains nothing from more
    LOG_EVERY = 1000,        // environment steps between rows of progress.csv
};

typedef struct {
    const mr_settings *settings;
    const mr_train_watcher *watcher;
    const volatile sig_atomic_t *stop; // may be NULL
    int n_threads;
    mr_vec_env *envs;
    mr_vec_env *eval_envs; // where the environments are elsewhere, the same as envs
    mr_policy *policy;
    mr_params *best; // the policy's, of the best evaluation
    mr_replay *replay;
    mr_bonus *bonus; // NULL: none
    mr_sac *sac;
    mr_run *run;
    mr_evaluation *evaluation;
    size_t n_envs, obs_dim, act_dim;
    double *obs, *next_obs; // [n_envs x obs_dim]
    double *action;         // [n_envs x act_dim] the task's own units
    mr_real *act, *noise;   // [n_envs x act_dim]
    mr_step *step;          // [n_envs]
    mr_rollout *rollout;    // [n_envs]
    mr_actions *actions;    // [n_envs]
    double *first_obs;      // [n_envs x obs_dim] of the episodes, as far as has_first_obs
    bool *has_first_obs;    // [n_envs]
    bool *active;           // [n_envs]
    mr_loop loop;
    double logged_steps;     // at the last row of progress.csv of this process; -1: none yet
    bool is_between_steps;   // all of the above belongs to the same moment
    mr_status reset_failure; // of an environment elsewhere, in the middle of a step
    char reset_message[1024];
    double time_before; // s, that a resumed run had taken already
    bool has_told_note; // of the bonus
    struct timespec begun;
} trainer;

// ---- Setting up

static int choose_threads(const mr_settings *settings) {
    if (settings->threads > 0)
        return (int)settings->threads;
    const int n_cores = omp_get_num_procs();
    return n_cores < MAX_DEFAULT_THREADS ? n_cores : MAX_DEFAULT_THREADS;
}

static void wait_for_server(void *self, const char *endpoint, size_t n_asked) {
    const trainer *t = self;
    if (t->watcher && t->watcher->waiting)
        t->watcher->waiting(t->watcher->self, endpoint, n_asked);
}

static mr_status open_envs(trainer *t) {
    const mr_settings *s = t->settings;
    const mr_env_link link = {.timeout_s = s->timeout,
                              .retries = s->retries,
                              .curve_server_key = s->curve_server_key,
                              .curve_secret_key = s->curve_secret_key,
                              .waiting = wait_for_server,
                              .self = t,
                              .stop = t->stop};
    const mr_env_options options = {.set = s->env_set, .task = s->task, .link = &link};
    const bool is_remote = mr_env_is_remote(s->env);
    const size_t n = s->num_envs > 0 || is_remote ? s->num_envs : 1;
    mr_status status = mr_vec_env_open(s->env, &options, n, t->n_threads, &t->envs);
    if (status == MR_OK && is_remote)
        t->eval_envs = t->envs;
    else if (status == MR_OK)
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
    const size_t n_rows = t->n_envs > s->eval_episodes ? t->n_envs : s->eval_episodes;
    mr_status status = mr_policy_new(&spec, s->seed, &t->policy);
    if (status == MR_OK)
        status = mr_policy_prepare(t->policy, n_rows);
    return status;
}

static mr_status make_bonus(trainer *t) {
    const mr_settings *s = t->settings;
    const mr_bonus_options options = {.kind = s->bonus,
                                      .flow = s->bonus_flow,
                                      .scale = s->bonus_scale,
                                      .decay = s->bonus_decay,
                                      .decay_rate = s->bonus_decay_rate,
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
                                    .reward_scale = s->reward_scale,
                                    .bonus = t->bonus,
                                    .separate_critic = strcmp(s->bonus_critic, "separate") == 0,
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
    t->actions = calloc(n, sizeof *t->actions);
    t->first_obs = calloc(n * t->obs_dim, sizeof *t->first_obs);
    t->has_first_obs = calloc(n, sizeof *t->has_first_obs);
    t->active = calloc(n, sizeof *t->active);
    const bool whole = t->obs && t->next_obs && t->action && t->act && t->noise && t->step &&
                       t->rollout && t->actions && t->first_obs && t->has_first_obs && t->active;
    return whole ? MR_OK : mr_fail_memory("training");
}

static void clear_metrics(mr_metrics *metrics) {
    for (size_t i = 0; i < mr_metric_count(); i++)
        *(double *)((char *)metrics + mr_metric_at(i)->offset) = NAN;
    metrics->total_timesteps = 0;
    metrics->episodes = 0;
    metrics->n_diverged = 0;
    metrics->n_updates = 0;
}

static mr_settings used_settings(const trainer *t) {
    mr_settings used = *t->settings;
    used.threads = (size_t)t->n_threads;
    used.num_envs = t->n_envs;
    return used;
}

// All but the run directory: nothing is left behind by settings that do not work.
static mr_status build(trainer *t) {
    mr_status status;
    const mr_settings *s = t->settings;
    t->n_threads = choose_threads(s);
    MR_TRY(mr_settings_check(s));
    MR_TRY(open_envs(t));
    t->n_envs = mr_vec_env_n(t->envs);
    t->obs_dim = mr_vec_env_get_spec(t->envs)->obs_dim;
    t->act_dim = mr_vec_env_get_spec(t->envs)->act_dim;
    const mr_settings used = used_settings(t); // how many environments there are is known only now
    MR_TRY(mr_settings_check(&used));
    MR_TRY(make_policy(t));
    MR_TRY(make_bonus(t));
    MR_TRY(make_agent(t));
    MR_TRY(mr_replay_new(s->buffer_size, t->n_envs, t->obs_dim, t->act_dim, &t->replay));
    MR_TRY(mr_evaluation_new(s->eval_episodes, &t->evaluation));
    MR_TRY(mr_params_copy(mr_policy_params(t->policy), &t->best));
    MR_TRY(make_buffers(t));
    clear_metrics(&t->loop.now);
    t->loop.best_mean_reward = -INFINITY;
    t->logged_steps = -1;
    clock_gettime(CLOCK_MONOTONIC, &t->begun);
done:
    return status;
}

static void trainer_close(trainer *t) {
    mr_run_close(t->run);
    mr_sac_free(t->sac);
    mr_bonus_free(t->bonus);
    mr_policy_free(t->policy);
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
    free(t->noise);
    free(t->step);
    free(t->rollout);
    for (size_t i = 0; t->actions && i < t->n_envs; i++)
        free(t->actions[i].action);
    free(t->actions);
    free(t->first_obs);
    free(t->has_first_obs);
    free(t->active);
}

// ---- Saving

static double seconds_since(const struct timespec *begun) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun->tv_sec) + 1e-9 * (double)(now.tv_nsec - begun->tv_nsec);
}

static void note_time(trainer *t) {
    mr_metrics *now = &t->loop.now;
    now->time_elapsed = t->time_before + seconds_since(&t->begun);
    now->fps = now->total_timesteps / now->time_elapsed;
}

static mr_status save_policy(trainer *t, const char *name, double n_steps) {
    char steps[32];
    snprintf(steps, sizeof steps, "%.0f", n_steps);
    const mr_env_spec *env = mr_vec_env_get_spec(t->envs);
    const mr_note notes[] = {{"steps", steps},
                             {"millrace", MR_VERSION},
                             {"engine", env->engine},
                             {"engine_version", env->engine_version}};
    return mr_policy_save(t->policy, mr_run_path(t->run, name), MR_COUNT(notes), notes);
}

static mr_status save_density(trainer *t, const char *name) {
    const mr_density *density = t->bonus ? mr_bonus_get_density(t->bonus) : NULL;
    return density ? mr_density_save(density, mr_run_path(t->run, name)) : MR_OK;
}

static mr_status save_latest(trainer *t) {
    const mr_status status = save_density(t, "density.safetensors");
    return status == MR_OK ? save_policy(t, "policy.safetensors", t->loop.now.total_timesteps)
                           : status;
}

// What the density was at this step, for pictures of how it went.
static mr_status save_density_of_step(trainer *t) {
    char name[64];
    if (!t->bonus || !mr_bonus_get_density(t->bonus))
        return MR_OK;
    const mr_status status = mr_make_directories(mr_run_path(t->run, "density"));
    snprintf(name, sizeof name, "density/%.0f.safetensors", t->loop.now.total_timesteps);
    return status == MR_OK ? save_density(t, name) : status;
}

static mr_checkpoint checkpoint_of(trainer *t, const mr_settings *used) {
    return (mr_checkpoint){.settings = used,
                           .sac = t->sac,
                           .best = t->best,
                           .replay = t->replay,
                           .bonus = t->bonus,
                           .n_envs = t->n_envs,
                           .obs_dim = t->obs_dim,
                           .act_dim = t->act_dim,
                           .loop = &t->loop,
                           .rollouts = t->rollout,
                           .actions = t->actions,
                           .obs = t->obs};
}

static mr_status save_checkpoint(trainer *t) {
    const mr_settings used = used_settings(t);
    const mr_checkpoint checkpoint = checkpoint_of(t, &used);
    note_time(t);
    const mr_status status = mr_run_sync(t->run, &t->loop.n_bytes);
    if (status != MR_OK)
        return status;
    return mr_checkpoint_save(&checkpoint, mr_run_path(t->run, "checkpoint.safetensors"));
}

// Keeps what is good after `status` stopped training, and its message. In the middle of a step
// there is no state to go on from: then the last checkpoint stays, if there is one.
static mr_status save_after(trainer *t, mr_status status) {
    char cause[1024];
    const double step = t->loop.now.total_timesteps;
    snprintf(cause, sizeof cause, "%s", mr_error_message());
    if (save_latest(t) != MR_OK || (t->is_between_steps && save_checkpoint(t) != MR_OK))
        return mr_fail(status, "step %.0f: %s (and what was learned could not be saved: %s)", step,
                       cause, mr_error_message());
    const char *dir = t->settings->out;
    if (access(mr_run_path(t->run, "checkpoint.safetensors"), F_OK) != 0)
        return mr_fail(status, "step %.0f: %s; the last good policy is in %s", step, cause, dir);
    if (status == MR_ERR_NUMERIC) // the same would happen again
        return mr_fail(status, "step %.0f: %s; the last good policy and checkpoint are in %s", step,
                       cause, dir);
    return mr_fail(status,
                   "step %.0f: %s; the last good policy and checkpoint are in %s: `millrace train "
                   "--resume %s` goes on from there",
                   step, cause, dir, dir);
}

// ---- Figures

static double mean_of_recent(const mr_loop *l, const double *values) {
    const size_t n = l->n_recent < MR_RECENT_EPISODES ? (size_t)l->n_recent : MR_RECENT_EPISODES;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

static void note_episode(trainer *t, const mr_rollout *r) {
    mr_loop *l = &t->loop;
    const size_t i = (size_t)l->n_recent % MR_RECENT_EPISODES;
    l->recent_return[i] = r->episode_return;
    l->recent_length[i] = r->episode_length;
    l->n_recent++;
    l->now.episodes = l->n_recent;
    l->now.ep_rew_last = r->episode_return;
    l->now.ep_rew_mean = mean_of_recent(l, l->recent_return);
    l->now.ep_len_mean = mean_of_recent(l, l->recent_length);
}

static void note_update(trainer *t) {
    const mr_sac_figures *f = mr_sac_get_figures(t->sac);
    mr_sac_figures *sum = &t->loop.sum;
    sum->critic_loss += f->critic_loss;
    sum->q_mean += f->q_mean;
    sum->actor_loss += f->actor_loss;
    sum->alpha_loss += f->alpha_loss;
    sum->entropy += f->entropy;
    t->loop.n_summed++;
    t->loop.now.ent_coef = f->alpha;
    t->loop.now.n_updates = (double)mr_sac_n_updates(t->sac);
}

static void note_bonus(trainer *t) {
    mr_metrics *now = &t->loop.now;
    if (!t->bonus)
        return;
    const mr_bonus_figures f = mr_bonus_take_figures(t->bonus);
    now->bonus_state_log_prob = f.state_log_prob;
    now->bonus_mean = f.mean;
    now->bonus_std = f.std;
    now->bonus_beta = f.beta;
    now->bonus_coverage = f.coverage;
    now->bonus_restarts = f.n_restarts;
}

static mr_status log_row(trainer *t) {
    const mr_sac_figures *sum = &t->loop.sum;
    const double n = t->loop.n_summed > 0 ? t->loop.n_summed : NAN;
    t->loop.now.critic_loss = sum->critic_loss / n;
    t->loop.now.q_mean = sum->q_mean / n;
    t->loop.now.actor_loss = sum->actor_loss / n;
    t->loop.now.ent_coef_loss = sum->alpha_loss / n;
    t->loop.now.entropy = sum->entropy / n;
    t->loop.n_summed = 0;
    t->loop.sum = (mr_sac_figures){0};
    t->logged_steps = t->loop.now.total_timesteps;
    note_bonus(t);
    note_time(t);
    return mr_run_log(t->run, &t->loop.now);
}

// ---- Evaluating

static mr_status evaluate(trainer *t) {
    mr_status status;
    const mr_evaluation *e = t->evaluation;
    const uint64_t step = (uint64_t)t->loop.now.total_timesteps;
    mr_random seeds = mr_random_stream(t->settings->seed, MR_STREAM_EVAL, step);
    MR_TRY(mr_evaluate(t->policy, t->eval_envs, mr_random_u32(&seeds), true, NULL, t->evaluation));
    t->loop.now.eval_mean_reward = e->mean_return;
    t->loop.now.eval_std_reward = e->std_return;
    t->loop.now.eval_mean_ep_length = e->mean_length;
    const bool best = e->mean_return > t->loop.best_mean_reward;
    if (best) {
        const mr_params *params = mr_policy_params(t->policy);
        t->loop.best_mean_reward = e->mean_return;
        t->loop.best_steps = t->loop.now.total_timesteps;
        memcpy(mr_params_value(t->best), mr_params_read(params),
               mr_params_size(params) * sizeof(mr_real));
        MR_TRY(save_policy(t, "best_policy.safetensors", t->loop.best_steps));
    }
    MR_TRY(save_latest(t));
    MR_TRY(save_density_of_step(t));
    MR_TRY(mr_run_log_evaluation(t->run, step, e->n, e->returns, e->lengths));
    note_time(t);
    if (t->watcher && t->watcher->evaluated)
        t->watcher->evaluated(t->watcher->self, &t->loop.now, best);
done:
    return status;
}

// ---- Stepping

// Every episode is begun with a seed of its own, so that it does not depend on what came before.
static uint64_t seed_of_episode(const trainer *t, size_t i, double episode) {
    mr_random seeds =
        mr_random_stream(t->settings->seed, MR_STREAM_SEEDS, (uint64_t)i << 40 | (uint64_t)episode);
    return mr_random_u32(&seeds);
}

static mr_status begin_episode(trainer *t, size_t i) {
    mr_rollout *r = &t->rollout[i];
    const uint64_t seed = seed_of_episode(t, i, r->n_episodes);
    double *obs = t->obs + i * t->obs_dim;
    const mr_status status = mr_vec_env_reset(t->envs, i, &seed, obs);
    if (status != MR_OK)
        return status;
    *r = (mr_rollout){.n_episodes = r->n_episodes + 1};
    mr_replay_begin(t->replay, i, obs);
    memcpy(t->first_obs + i * t->obs_dim, obs, t->obs_dim * sizeof *obs);
    t->has_first_obs[i] = true;
    return MR_OK;
}

// Within a step. What can't be reached ends the training, but not before the step was taken with
// all environments, so that it can be gone on from; the episode stays as it ended.
static mr_status begin_next(trainer *t, size_t i) {
    if (t->reset_failure != MR_OK)
        return MR_OK;
    const mr_status status = begin_episode(t, i);
    if (status != MR_ERR_IO)
        return status;
    t->reset_failure = status;
    snprintf(t->reset_message, sizeof t->reset_message, "%s", mr_error_message());
    return MR_OK;
}

// One environment's step, of an episode that was played before.
static mr_status step_again(trainer *t, size_t i, const double *action, bool *ended) {
    memset(t->active, 0, t->n_envs * sizeof *t->active);
    t->active[i] = true;
    memcpy(t->action + i * t->act_dim, action, t->act_dim * sizeof *action);
    const mr_status status = mr_vec_env_step(t->envs, t->active, t->action, t->next_obs, t->step);
    *ended = status == MR_OK && (t->step[i].terminated || t->step[i].truncated);
    return status;
}

static bool is_same_obs(const trainer *t, size_t i, const double *all) {
    const size_t at = i * t->obs_dim;
    return memcmp(t->next_obs + at, all + at, t->obs_dim * sizeof *all) == 0;
}

typedef enum { REPLAY_SAME, REPLAY_OVER, REPLAY_OTHER } replay_end;

// Plays the actions of environment `i`'s episode again. `*end`: that led to where it was, there
// with the episode's end, or elsewhere. What begins otherwise already (a robot, say) is not moved.
static mr_status replay_episode(trainer *t, size_t i, replay_end *end) {
    const mr_rollout *r = &t->rollout[i];
    const size_t n = (size_t)r->episode_length;
    const uint64_t seed = seed_of_episode(t, i, r->n_episodes - 1);
    mr_status status = mr_vec_env_reset(t->envs, i, &seed, t->next_obs + i * t->obs_dim);
    const bool begins_same = !t->has_first_obs[i] || is_same_obs(t, i, t->first_obs);
    bool ended = false;
    size_t k = 0;
    for (; k < n && status == MR_OK && begins_same && !ended; k++)
        status = step_again(t, i, t->actions[i].action + k * t->act_dim, &ended);
    const bool same = begins_same && k == n && is_same_obs(t, i, t->obs);
    *end = !same ? REPLAY_OTHER : ended ? REPLAY_OVER : REPLAY_SAME;
    return status;
}

// An episode that cannot go on ends here, as truncated.
static mr_status resume_episodes(trainer *t, size_t *n_lost) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < t->n_envs; i++) {
        replay_end end;
        MR_TRY(replay_episode(t, i, &end));
        if (end == REPLAY_SAME)
            continue;
        if (end == REPLAY_OTHER && t->rollout[i].episode_length > 0)
            note_episode(t, &t->rollout[i]);
        *n_lost += end == REPLAY_OTHER;
        MR_TRY(begin_episode(t, i));
    }
done:
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
    mr_rollout *r = &t->rollout[i];
    const mr_step *step = &t->step[i];
    const double *next_obs = t->next_obs + i * t->obs_dim;
    if (step->lost) {
        if (r->episode_length > 0)
            note_episode(t, r);
        return begin_next(t, i);
    }
    const mr_transition transition = {.act = t->act + i * t->act_dim,
                                      .reward = step->reward,
                                      .next_obs = next_obs,
                                      .terminated = step->terminated};
    mr_replay_push(t->replay, i, &transition);
    memcpy(t->obs + i * t->obs_dim, next_obs, t->obs_dim * sizeof *next_obs);
    memcpy(t->actions[i].action + (size_t)r->episode_length * t->act_dim,
           t->action + i * t->act_dim, t->act_dim * sizeof *t->action);
    r->episode_return += step->reward;
    r->episode_length++;
    t->loop.now.n_diverged += step->diverged;
    if (!step->terminated && !step->truncated)
        return MR_OK;
    note_episode(t, r);
    return begin_next(t, i);
}

static mr_status step_envs(trainer *t, size_t step) {
    mr_status status;
    for (size_t i = 0; i < t->n_envs; i++)
        MR_TRY(mr_actions_reserve(&t->actions[i], (size_t)t->rollout[i].episode_length + 1,
                                  t->act_dim));
    MR_TRY(choose_actions(t, step));
    MR_TRY(mr_vec_env_step(t->envs, NULL, t->action, t->next_obs, t->step));
    t->is_between_steps = false;
    t->loop.now.total_timesteps += (double)t->n_envs;
    if (t->bonus)
        mr_bonus_visit(t->bonus, t->next_obs);
    for (size_t i = 0; i < t->n_envs; i++)
        MR_TRY(remember(t, i));
done:
    return status;
}

static void tell_note(trainer *t) {
    const char *note = t->bonus ? mr_bonus_note(t->bonus) : NULL;
    if (!note || t->has_told_note)
        return;
    t->has_told_note = true;
    if (t->watcher && t->watcher->noted)
        t->watcher->noted(t->watcher->self, note);
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
    tell_note(t);
    return MR_OK;
}

// Whether a multiple of `every` lies in (step, step + n_envs].
static bool is_due(const trainer *t, size_t step, size_t every) {
    return every > 0 && (step + t->n_envs) / every > step / every;
}

static bool is_last(const trainer *t, size_t step) {
    return step + t->n_envs >= t->settings->steps;
}

// What comes after a step's checkpoint. What only the end of the run brings must not be in the
// checkpoint: the run may go on further.
static mr_status conclude(trainer *t, size_t step) {
    mr_status status = MR_OK;
    t->loop.step_part = MR_STEP_CONCLUDED;
    if (is_last(t, step) && !is_due(t, step, t->settings->eval_every))
        MR_TRY(evaluate(t));
    if (is_due(t, step, LOG_EVERY) || is_last(t, step))
        MR_TRY(log_row(t));
    if (t->watcher && t->watcher->stepped) {
        note_time(t);
        t->watcher->stepped(t->watcher->self, &t->loop.now);
    }
done:
    return status;
}

// What comes after the environments' step. Environments elsewhere may fail to be reached at any
// time: all that has happened so far is kept then.
static mr_status complete(trainer *t, size_t step) {
    mr_status status = MR_OK;
    size_t n_lost = 0;
    const mr_settings *s = t->settings;
    const bool is_shared = t->eval_envs == t->envs, is_evaluated = is_due(t, step, s->eval_every);
    if (t->loop.step_part == MR_STEP_TAKEN)
        MR_TRY(update(t, step));
    t->loop.step_part = MR_STEP_UPDATED;
    t->is_between_steps = is_shared;
    if (is_evaluated)
        MR_TRY(evaluate(t));
    t->loop.step_part = MR_STEP_SAVED;
    if (is_evaluated && is_shared && !is_last(t, step))
        MR_TRY(resume_episodes(t, &n_lost)); // the evaluation was played in their place
    t->is_between_steps = false;
    if (is_due(t, step, s->checkpoint_every) || is_last(t, step))
        MR_TRY(save_checkpoint(t));
    MR_TRY(conclude(t, step));
    t->is_between_steps = true;
done:
    return status;
}

static mr_status advance(trainer *t, size_t step) {
    mr_status status;
    MR_TRY(step_envs(t, step));
    t->loop.step_part = MR_STEP_TAKEN;
    t->is_between_steps = t->reset_failure != MR_OK;
    if (t->reset_failure != MR_OK)
        return mr_fail(t->reset_failure, "%s", t->reset_message);
    MR_TRY(complete(t, step));
done:
    return status;
}

static mr_status begin(trainer *t) {
    mr_status status;
    const mr_settings used = used_settings(t);
    MR_TRY(mr_run_create(used.out, &used, &t->run));
    for (size_t i = 0; i < t->n_envs; i++)
        MR_TRY(begin_episode(t, i));
    t->loop.step_part = MR_STEP_CONCLUDED;
    t->is_between_steps = true;
done:
    return status;
}

static bool is_stopped(const trainer *t) {
    return t->stop && *t->stop;
}

static mr_status go_on(trainer *t) {
    mr_status status = MR_OK;
    size_t step = (size_t)t->loop.now.total_timesteps;
    for (; step < t->settings->steps && !is_stopped(t); step += t->n_envs)
        MR_TRY(advance(t, step));
    if (step < t->settings->steps) {
        MR_TRY(save_latest(t));
        MR_TRY(save_checkpoint(t));
        if (t->logged_steps != t->loop.now.total_timesteps)
            MR_TRY(log_row(t));
    }
done:
    return status;
}

// ---- Resuming

static void swap_best(trainer *t) {
    mr_real *policy = mr_params_value(mr_policy_params(t->policy));
    mr_real *best = mr_params_value(t->best);
    for (size_t i = 0; i < mr_params_size(t->best); i++) {
        const mr_real kept = best[i];
        best[i] = policy[i];
        policy[i] = kept;
    }
}

// A policy that was better, of a time after the checkpoint, is not this run's any more.
static mr_status restore_best(trainer *t) {
    if (t->loop.best_steps == 0) {
        unlink(mr_run_path(t->run, "best_policy.safetensors"));
        return MR_OK;
    }
    swap_best(t);
    const mr_status status = save_policy(t, "best_policy.safetensors", t->loop.best_steps);
    swap_best(t);
    return status;
}

static mr_status load_checkpoint(trainer *t, const mr_settings *used) {
    mr_checkpoint checkpoint = checkpoint_of(t, used);
    const char *path = mr_run_path(t->run, "checkpoint.safetensors");
    if (access(path, F_OK) != 0)
        return mr_fail(MR_ERR_USAGE,
                       "%s has no checkpoint.safetensors to resume from; begin the run anew with "
                       "--config %s/config.yaml --out DIR",
                       used->out, used->out);
    const mr_status status = mr_checkpoint_load(&checkpoint, path);
    const double steps = t->loop.now.total_timesteps;
    if (status == MR_OK && steps > (double)used->steps)
        return mr_fail(MR_ERR_USAGE, "%s is at step %.0f already; give more --steps than %zu",
                       used->out, steps, used->steps);
    return status;
}

static mr_status resume(trainer *t) {
    mr_status status;
    size_t n_lost = 0;
    const mr_settings used = used_settings(t);
    MR_TRY(mr_run_open(used.out, &t->run));
    MR_TRY(load_checkpoint(t, &used));
    MR_TRY(mr_run_cut(t->run, &t->loop.n_bytes));
    MR_TRY(mr_settings_write(&used, mr_run_path(t->run, "config.yaml")));
    MR_TRY(restore_best(t));
    t->time_before = t->loop.now.time_elapsed;
    MR_TRY(resume_episodes(t, &n_lost));
    if (t->watcher && t->watcher->resumed)
        t->watcher->resumed(t->watcher->self, &t->loop.now, n_lost);
    const size_t last_step = (size_t)t->loop.now.total_timesteps - t->n_envs;
    if (t->loop.step_part == MR_STEP_TAKEN || t->loop.step_part == MR_STEP_UPDATED)
        MR_TRY(complete(t, last_step));
    if (t->loop.step_part == MR_STEP_SAVED)
        MR_TRY(conclude(t, last_step));
    t->is_between_steps = true;
done:
    return status;
}

// ---- Both

static mr_status train(const mr_settings *settings, const mr_train_watcher *watcher,
                       const volatile sig_atomic_t *stop, mr_status (*start)(trainer *),
                       mr_train_result *result) {
    mr_status status;
    trainer t = {.settings = settings, .watcher = watcher, .stop = stop};
    MR_TRY(build(&t));
    MR_TRY(start(&t));
    status = go_on(&t);
    if (status != MR_OK)
        status = save_after(&t, status);
    else
        *result = (mr_train_result){.stopped = is_stopped(&t),
                                    .last = t.loop.now,
                                    .best_mean_reward = t.loop.best_mean_reward,
                                    .n_diverged = mr_vec_env_n_diverged(t.envs) +
                                                  mr_vec_env_n_diverged(t.eval_envs)};
done:
    trainer_close(&t);
    return status;
}

mr_status mr_train(const mr_settings *settings, const mr_train_watcher *watcher,
                   const volatile sig_atomic_t *stop, mr_train_result *result) {
    return train(settings, watcher, stop, begin, result);
}

mr_status mr_train_resume(const mr_settings *settings, const mr_train_watcher *watcher,
                          const volatile sig_atomic_t *stop, mr_train_result *result) {
    return train(settings, watcher, stop, resume, result);
}
