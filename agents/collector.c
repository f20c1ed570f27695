// Collecting: the environments, their steps and the transitions of these.

#include "agents/collector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Limits of the actions that are logged of an episode whose task has no time limit: it can be
// played again within a minute or two, and many copies take no more memory than the replay buffer.
enum { MIN_LOGGED = 1000, MAX_LOGGED = 100000 };

// ---- Opening

static mr_status open_envs(mr_collector *c, const mr_run_place *place,
                           const mr_train_watcher *watcher) {
    mr_status status;
    const mr_settings *s = c->settings;
    const bool is_remote = mr_env_is_remote(s->env);
    const int n_threads = mr_settings_threads(s->threads);
    const mr_env_link link = {.timeout_s = s->timeout,
                              .retries = s->retries,
                              .curve_server_key = place->server_key,
                              .curve_secret_key = place->secret_key,
                              .waiting = watcher ? watcher->waiting : NULL,
                              .self = watcher ? watcher->self : NULL,
                              .stop = c->stop};
    const mr_env_options options = {.set = place->env_set, .task = place->task, .link = &link};
    const size_t n = s->num_envs > 0 || is_remote ? s->num_envs : 1;
    MR_TRY(mr_vec_env_open(place->env, &options, n, n_threads, &c->envs));
    if (is_remote)
        c->eval_envs = c->envs;
    else
        MR_TRY(mr_vec_env_open_more(c->envs, s->eval_episodes, n_threads, &c->eval_envs));
done:
    return status;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t choose_max_logged(const mr_collector *c) {
    const size_t n_slots = c->settings->buffer_size / c->n_envs; // of the replay buffer
    return larger(mr_collector_env(c)->max_episode_steps,
                  larger(MIN_LOGGED, smaller(n_slots, MAX_LOGGED)));
}

static mr_status allocate(mr_collector *c) {
    const size_t n = c->n_envs;
    c->obs = calloc(n * c->obs_dim, sizeof *c->obs);
    c->next_obs = calloc(n * c->obs_dim, sizeof *c->next_obs);
    c->act = calloc(n * c->act_dim, sizeof *c->act);
    c->action = calloc(n * c->act_dim, sizeof *c->action);
    c->step = calloc(n, sizeof *c->step);
    c->has_stepped = calloc(n, sizeof *c->has_stepped);
    c->is_first = calloc(n, sizeof *c->is_first);
    c->active = calloc(n, sizeof *c->active);
    c->episode = calloc(n, sizeof *c->episode);
    c->ended = calloc(n, sizeof *c->ended);
    c->log = calloc(n, sizeof *c->log);
    c->first_obs = calloc(n * c->obs_dim, sizeof *c->first_obs);
    c->has_first_obs = calloc(n, sizeof *c->has_first_obs);
    const bool is_whole = c->obs && c->next_obs && c->act && c->action && c->step &&
                          c->has_stepped && c->is_first && c->active && c->episode && c->ended &&
                          c->log && c->first_obs && c->has_first_obs;
    return is_whole ? MR_OK : mr_fail_memory("the collector");
}

static void borrow_envs(mr_collector *c, const mr_train_envs *envs) {
    c->has_borrowed = true;
    c->envs = envs->envs;
    c->eval_envs = envs->eval_envs ? envs->eval_envs : envs->envs;
}

mr_status mr_collector_open(mr_collector *c, const mr_settings *settings, const mr_train_envs *envs,
                            const mr_run_place *place, const mr_train_watcher *watcher,
                            const volatile sig_atomic_t *stop) {
    mr_status status;
    *c = (mr_collector){.settings = settings, .stop = stop};
    if (envs)
        borrow_envs(c, envs);
    else
        MR_TRY(open_envs(c, place, watcher));
    c->n_envs = mr_vec_env_n(c->envs);
    c->obs_dim = mr_collector_env(c)->obs_dim;
    c->act_dim = mr_collector_env(c)->act_dim;
    c->max_logged = choose_max_logged(c);
    MR_TRY(allocate(c));
    MR_TRY(mr_infos_open(&c->infos, c->n_envs));
    c->latest = (mr_collected){.n_envs = c->n_envs,
                               .step = c->step,
                               .has_stepped = c->has_stepped,
                               .is_first = c->is_first,
                               .next_obs = c->next_obs,
                               .ended = c->ended};
done:
    return status;
}

void mr_collector_close(mr_collector *c) {
    if (c->eval_envs != c->envs && !c->has_borrowed)
        mr_vec_env_close(c->eval_envs);
    if (!c->has_borrowed)
        mr_vec_env_close(c->envs);
    for (size_t i = 0; c->log && i < c->n_envs; i++)
        free(c->log[i].action);
    mr_infos_close(&c->infos);
    free(c->obs);
    free(c->next_obs);
    free(c->act);
    free(c->action);
    free(c->step);
    free(c->has_stepped);
    free(c->is_first);
    free(c->active);
    free(c->episode);
    free(c->ended);
    free(c->log);
    free(c->first_obs);
    free(c->has_first_obs);
}

const mr_env_spec *mr_collector_env(const mr_collector *c) {
    return mr_vec_env_get_spec(c->envs);
}

size_t mr_collector_n_diverged(const mr_collector *c) {
    const size_t n = mr_vec_env_n_diverged(c->envs);
    return c->eval_envs == c->envs ? n : n + mr_vec_env_n_diverged(c->eval_envs);
}

// ---- The actions of an episode

static bool has_all_actions(const mr_collector *c, size_t i) {
    return c->log[i].n == (size_t)c->episode[i].length;
}

mr_status mr_action_log_reserve(mr_action_log *log, size_t n, size_t act_dim) {
    if (n <= log->capacity)
        return MR_OK;
    const size_t capacity = larger(n, 2 * log->capacity);
    double *more = realloc(log->action, capacity * act_dim * sizeof *more);
    if (!more)
        return mr_fail_memory("the actions of an episode");
    log->action = more;
    log->capacity = capacity;
    return MR_OK;
}

// Makes room for the next action of each episode that is logged.
static mr_status reserve_next_actions(mr_collector *c) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < c->n_envs; i++)
        if (has_all_actions(c, i) && c->log[i].n < c->max_logged)
            MR_TRY(mr_action_log_reserve(&c->log[i], c->log[i].n + 1, c->act_dim));
done:
    return status;
}

// The log of an episode that has become too long is dropped.
static void log_action(mr_collector *c, size_t i) {
    mr_action_log *log = &c->log[i];
    if (!has_all_actions(c, i))
        return;
    if (log->n < c->max_logged) {
        memcpy(log->action + log->n++ * c->act_dim, c->action + i * c->act_dim,
               c->act_dim * sizeof *c->action);
    } else {
        free(log->action);
        *log = (mr_action_log){0};
    }
}

// ---- Episodes

uint64_t mr_collector_seed(const mr_collector *c, size_t i, double number) {
    mr_random seeds = mr_random_stream(c->settings->seed, MR_STREAM_SEEDS,
                                       (uint64_t)i << 40 | ((uint64_t)number - 1));
    return mr_random_u32(&seeds);
}

mr_status mr_collector_begin_episode(mr_collector *c, mr_replay *replay, size_t i) {
    double *obs = c->obs + i * c->obs_dim;
    const double number = c->episode[i].number + 1;
    const uint64_t seed = mr_collector_seed(c, i, number);
    const mr_status status = mr_vec_env_reset(c->envs, i, &seed, obs);
    if (status != MR_OK)
        return status;
    c->episode[i] = (mr_episode){.number = number};
    c->log[i].n = 0;
    mr_infos_begin_episode(&c->infos, i);
    mr_replay_begin(replay, i, obs);
    memcpy(c->first_obs + i * c->obs_dim, obs, c->obs_dim * sizeof *obs);
    c->has_first_obs[i] = true;
    return MR_OK;
}

// Within a step, a server that can't be reached must not keep the other environments from
// completing it.
static mr_status begin_next_episode(mr_collector *c, mr_replay *replay, size_t i) {
    if (c->reset_failure != MR_OK)
        return MR_OK;
    const mr_status status = mr_collector_begin_episode(c, replay, i);
    if (status != MR_ERR_IO)
        return status;
    c->reset_failure = status;
    snprintf(c->reset_message, sizeof c->reset_message, "%s", mr_error_message());
    return MR_OK;
}

void mr_collector_end_episode(mr_collector *c, size_t i) {
    c->ended[c->latest.n_ended++] = c->episode[i];
    mr_infos_end_episode(&c->infos, i);
}

// ---- Stepping

static mr_status choose_actions(mr_collector *c, mr_agent *agent, size_t step) {
    const mr_settings *s = c->settings;
    mr_status status = MR_OK;
    if (step < s->learning_starts && s->from[0] == '\0') {
        mr_random random = mr_random_stream(s->seed, MR_STREAM_EXPLORE, step);
        mr_random_fill_uniform(&random, c->n_envs * c->act_dim, -1, 1, c->act);
    } else {
        status = mr_agent_act(agent, c->n_envs, c->obs, step, c->act);
    }
    mr_policy_scale(mr_agent_policy(agent), c->n_envs, c->act, c->action);
    return status;
}

mr_status mr_collector_step(mr_collector *c, mr_agent *agent, size_t step) {
    mr_status status;
    MR_TRY(reserve_next_actions(c));
    MR_TRY(choose_actions(c, agent, step));
    MR_TRY(mr_vec_env_step(c->envs, NULL, c->action, c->next_obs, c->step));
done:
    return status;
}

static void push(mr_collector *c, mr_replay *replay, size_t i) {
    const double *next_obs = c->next_obs + i * c->obs_dim;
    const mr_transition transition = {.act = c->act + i * c->act_dim,
                                      .reward = c->step[i].reward,
                                      .next_obs = next_obs,
                                      .terminated = c->step[i].terminated};
    mr_replay_push(replay, i, &transition);
    log_action(c, i);
    memcpy(c->obs + i * c->obs_dim, next_obs, c->obs_dim * sizeof *next_obs);
    mr_infos_add_step(&c->infos, c->envs, i);
    c->episode[i].episode_return += c->step[i].reward;
    c->episode[i].length++;
}

static mr_status store_one(mr_collector *c, mr_replay *replay, size_t i) {
    const mr_step *step = &c->step[i];
    const mr_episode *episode = &c->episode[i];
    c->has_stepped[i] = !step->lost;
    c->is_first[i] = episode->length == 0;
    if (c->has_stepped[i])
        push(c, replay, i);
    const bool ends = c->has_stepped[i] && (step->terminated || step->truncated);
    if (ends && episode->length > c->longest_episode)
        c->longest_episode = episode->length;
    if (!ends && c->has_stepped[i])
        return MR_OK;
    if (episode->length > 0)
        mr_collector_end_episode(c, i);
    return begin_next_episode(c, replay, i);
}

mr_status mr_collector_store(mr_collector *c, mr_replay *replay) {
    mr_status status = MR_OK;
    c->latest.n_ended = 0;
    for (size_t i = 0; i < c->n_envs; i++)
        MR_TRY(store_one(c, replay, i));
done:
    return status;
}
