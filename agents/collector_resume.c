// Going on with the episodes that were under way: they are played again from their logged actions.
// And what a checkpoint holds of the collector.

#include "agents/collector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/numbers.h"

// ---- Playing again

typedef enum {
    SAME,      // the episode is where it was
    OVER,      // the last of its actions ended it
    DIFFERENT, // the environment did not repeat itself
    TOO_LONG,  // its actions were not logged
} outcome;

static bool is_stopped(const mr_collector *c) {
    return c->stop && *c->stop;
}

static bool is_same_obs(const mr_collector *c, size_t i, const double *all) {
    const size_t at = i * c->obs_dim;
    return memcmp(c->next_obs + at, all + at, c->obs_dim * sizeof *all) == 0;
}

static mr_status step_again(mr_collector *c, size_t i, const double *action, bool *has_ended) {
    memset(c->active, 0, c->n_envs * sizeof *c->active);
    c->active[i] = true;
    memcpy(c->action + i * c->act_dim, action, c->act_dim * sizeof *action);
    const mr_status status = mr_vec_env_step(c->envs, c->active, c->action, c->next_obs, c->step);
    *has_ended = status == MR_OK && (c->step[i].terminated || c->step[i].truncated);
    return status;
}

// An environment that begins with another observation (a robot, for example) is not moved.
static mr_status play_again(mr_collector *c, size_t i, outcome *out) {
    const mr_episode *episode = &c->episode[i];
    const size_t n = (size_t)episode->length;
    const uint64_t seed = mr_collector_seed(c, i, episode->number);
    *out = TOO_LONG;
    if (c->log[i].n != n)
        return MR_OK;
    mr_status status = mr_vec_env_reset(c->envs, i, &seed, c->next_obs + i * c->obs_dim);
    const bool begins_same = !c->has_first_obs[i] || is_same_obs(c, i, c->first_obs);
    bool has_ended = false;
    size_t k = 0;
    for (; k < n && status == MR_OK && begins_same && !has_ended; k++)
        status = is_stopped(c) ? MR_STOPPED
                               : step_again(c, i, c->log[i].action + k * c->act_dim, &has_ended);
    const bool is_same = begins_same && k == n && is_same_obs(c, i, c->obs);
    *out = !is_same ? DIFFERENT : has_ended ? OVER : SAME;
    return status;
}

static void note_too_long(mr_collector *c, double n_steps) {
    snprintf(
        c->note, sizeof c->note,
        "an episode of %.100s has gone on for %.0f steps, more than the %zu that can be played "
        "again, and ended here as truncated",
        c->settings->env, n_steps, c->max_logged);
}

mr_status mr_collector_resume(mr_collector *c, mr_replay *replay, size_t *n_lost) {
    mr_status status = MR_OK;
    c->latest.n_ended = 0;
    for (size_t i = 0; i < c->n_envs; i++) {
        outcome played;
        if (is_stopped(c)) // a reset may take long
            return MR_STOPPED;
        MR_TRY(play_again(c, i, &played));
        if (played == SAME)
            continue;
        if (played == TOO_LONG)
            note_too_long(c, c->episode[i].length);
        if (played != OVER && c->episode[i].length > 0)
            mr_collector_end_episode(c, i);
        *n_lost += played == DIFFERENT;
        MR_TRY(mr_collector_begin_episode(c, replay, i));
    }
done:
    return status;
}

// ---- Checkpoints

enum { N_EPISODE = sizeof(mr_episode) / sizeof(double), NAME_SIZE = 64 };

static mr_number longest_episode(mr_collector *c) {
    return (mr_number){.name = "loop.longest_episode",
                       .value = &c->longest_episode,
                       .n = 1,
                       .is_optional = true,
                       .is_count = true};
}

static void name_actions(size_t env, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "episode.%zu.actions", env);
}

mr_status mr_collector_write(mr_collector *c, mr_tensors_writer *writer) {
    mr_status status;
    const size_t episodes[] = {c->n_envs, N_EPISODE}, obs[] = {c->n_envs, c->obs_dim};
    const mr_number longest = longest_episode(c);
    MR_TRY(mr_numbers_write(1, &longest, writer));
    MR_TRY(mr_infos_write(&c->infos, writer));
    MR_TRY(mr_tensors_writer_add(writer, "rollouts", MR_F64, 2, episodes, c->episode));
    MR_TRY(mr_tensors_writer_add(writer, "obs", MR_F64, 2, obs, c->obs));
    for (size_t i = 0; i < c->n_envs; i++) {
        char name[NAME_SIZE];
        const size_t actions[] = {c->log[i].n, c->act_dim};
        name_actions(i, name);
        MR_TRY(mr_tensors_writer_add(writer, name, MR_F64, 2, actions, c->log[i].action));
    }
done:
    return status;
}

static mr_status read_table(const mr_tensors *file, const char *name, size_t n_rows, size_t n_cols,
                            void *out) {
    const void *data;
    const size_t shape[] = {n_rows, n_cols};
    const mr_status status = mr_tensors_get(file, name, MR_F64, 2, shape, &data);
    if (status == MR_OK && n_rows > 0)
        memcpy(out, data, n_rows * n_cols * sizeof(double));
    return status;
}

static mr_status check_episodes(const mr_collector *c, const mr_tensors *file) {
    for (size_t i = 0; i < c->n_envs; i++)
        if (!mr_number_is_count(c->episode[i].number) || c->episode[i].number < 1 ||
            !mr_number_is_count(c->episode[i].length))
            return mr_numbers_fail_damaged(file, "rollouts");
    return MR_OK;
}

// All actions of the episode, or none.
static mr_status read_actions(mr_collector *c, size_t i, const mr_tensors *file) {
    mr_status status;
    char name[NAME_SIZE];
    mr_tensor found;
    name_actions(i, name);
    const bool has_none =
        mr_tensors_find(file, name, &found) && found.n_dims == 2 && found.shape[0] == 0;
    const size_t n = has_none ? 0 : (size_t)c->episode[i].length;
    const size_t shape[] = {n, c->act_dim};
    const void *actions;
    MR_TRY(
        mr_tensors_get(file, name, MR_F64, 2, shape, &actions)); // before so much memory is taken
    MR_TRY(mr_action_log_reserve(&c->log[i], n, c->act_dim));
    if (n > 0)
        memcpy(c->log[i].action, actions, n * c->act_dim * sizeof(double));
    c->log[i].n = n;
done:
    return status;
}

mr_status mr_collector_read(mr_collector *c, const mr_tensors *file) {
    mr_status status;
    const mr_number longest = longest_episode(c);
    MR_TRY(mr_numbers_read(1, &longest, file));
    MR_TRY(read_table(file, "rollouts", c->n_envs, N_EPISODE, c->episode));
    MR_TRY(read_table(file, "obs", c->n_envs, c->obs_dim, c->obs));
    MR_TRY(check_episodes(c, file));
    for (size_t i = 0; i < c->n_envs; i++) {
        MR_TRY(read_actions(c, i, file));
        c->active[i] = c->episode[i].length > 0;
    }
    status = mr_infos_read(&c->infos, c->active, file);
done:
    return status;
}
