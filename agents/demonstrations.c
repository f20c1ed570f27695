// Reading demonstrations into a replay buffer.

#include "agents/demonstrations.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agents/policy.h"
#include "base/episodes.h"
#include "envs/env.h"

static const char note_name[] = "demonstrations.sha256";

typedef struct {
    const mr_env_spec *env;
    mr_episodes_reader *file;
    mr_batch_maker *batches;
    mr_obs_norm *obs_norm;
    mr_real *act; // [act_dim] of a step, in [-1, 1]
    crypto_hash_sha256_state hash;
    double sum; // of rewards
    mr_demonstrations *out;
} reader;

static mr_status check_task(const reader *r, const char *path) {
    const char *task = mr_episodes_reader_task(r->file);
    if (task[0] == '\0' || strcmp(task, mr_env_task_name(r->env->name)) == 0)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT,
                   "%s has episodes of %.200s, and this run's task is %s; give a data set of that "
                   "task",
                   path, task, r->env->name);
}

// An episode takes a slot more than it has steps, for its last observation.
static mr_status make_replay(reader *r, const char *path) {
    mr_status status = MR_OK;
    mr_demonstrations *d = r->out;
    d->n_episodes = mr_episodes_reader_n(r->file);
    for (size_t i = 0; i < d->n_episodes; i++) {
        size_t n_steps;
        MR_TRY(mr_episodes_reader_check(r->file, i, r->env->obs_dim, r->env->act_dim, &n_steps));
        d->n_transitions += n_steps;
    }
    status = mr_replay_new(d->n_transitions + d->n_episodes, 1, r->env->obs_dim, r->env->act_dim,
                           &d->replay);
    if (status == MR_ERR_MEMORY)
        status = mr_fail(MR_ERR_MEMORY,
                         "out of memory for the %zu transitions of %s; give a smaller data set",
                         d->n_transitions, path);
done:
    return status;
}

static mr_status scale_action(const reader *r, size_t number, size_t t, const double *action) {
    for (size_t j = 0; j < r->env->act_dim; j++) {
        const double low = r->env->act_low[j], high = r->env->act_high[j];
        if (!mr_policy_unscale(low, high, action[j], &r->act[j]))
            return mr_episodes_fail(r->file, number, "actions",
                                    "is %g in row %zu, column %zu, from 0, and the task's bounds "
                                    "are %g and %g; clip the actions of the data set",
                                    action[j], t, j, low, high);
    }
    return MR_OK;
}

static void add_to_hash(reader *r, const void *data, size_t n_bytes) {
    crypto_hash_sha256_update(&r->hash, data, n_bytes);
}

static void hash_episode(reader *r, const mr_episode_data *e) {
    const uint64_t n = e->n_steps;
    add_to_hash(r, &n, sizeof n);
    add_to_hash(r, e->obs, (e->n_steps + 1) * r->env->obs_dim * sizeof *e->obs);
    add_to_hash(r, e->action, e->n_steps * r->env->act_dim * sizeof *e->action);
    add_to_hash(r, e->reward, e->n_steps * sizeof *e->reward);
    add_to_hash(r, e->is_terminated, e->n_steps);
}

static mr_status read_episode(reader *r, size_t number) {
    mr_status status;
    mr_episode_data e;
    mr_replay *replay = r->out->replay;
    const size_t obs_dim = r->env->obs_dim, act_dim = r->env->act_dim;
    MR_TRY(mr_episodes_reader_get(r->file, number, obs_dim, act_dim, &e));
    hash_episode(r, &e);
    mr_batch_observe_episode(r->batches, e.n_steps, e.reward);
    mr_replay_begin(replay, 0, e.obs);
    for (size_t t = 0; t < e.n_steps; t++) {
        const double *next_obs = e.obs + (t + 1) * obs_dim;
        MR_TRY(scale_action(r, number, t, e.action + t * act_dim));
        mr_replay_push(replay, 0,
                       &(mr_transition){.act = r->act,
                                        .reward = e.reward[t],
                                        .next_obs = next_obs,
                                        .terminated = e.is_terminated[t] != 0});
        if (r->obs_norm)
            mr_obs_norm_add(r->obs_norm, next_obs);
        r->sum += e.reward[t];
    }
done:
    return status;
}

static void finish(reader *r) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    mr_demonstrations *d = r->out;
    crypto_hash_sha256_final(&r->hash, hash);
    sodium_bin2hex(d->hash, sizeof d->hash, hash, sizeof hash);
    d->mean_return = r->sum / (double)d->n_episodes;
}

mr_status mr_demonstrations_read(const char *path, const mr_env_spec *env, mr_batch_maker *batches,
                                 mr_obs_norm *obs_norm, mr_demonstrations *out) {
    mr_status status;
    reader r = {.env = env, .batches = batches, .obs_norm = obs_norm, .out = out};
    *out = (mr_demonstrations){0};
    crypto_hash_sha256_init(&r.hash);
    r.act = calloc(env->act_dim, sizeof *r.act);
    if (!r.act)
        return mr_fail_memory("the demonstrations");
    MR_TRY(mr_episodes_reader_open(path, &r.file));
    MR_TRY(check_task(&r, path));
    MR_TRY(make_replay(&r, path));
    for (size_t i = 0; i < out->n_episodes; i++)
        MR_TRY(read_episode(&r, i));
    finish(&r);
done:
    mr_episodes_reader_close(r.file);
    free(r.act);
    return status;
}

void mr_demonstrations_free(mr_demonstrations *demonstrations) {
    mr_replay_free(demonstrations->replay);
}

// ---- Checkpoints

mr_status mr_demonstrations_note(const mr_demonstrations *demonstrations,
                                 mr_tensors_writer *writer) {
    return demonstrations->replay ? mr_tensors_writer_note(writer, note_name, demonstrations->hash)
                                  : MR_OK;
}

mr_status mr_demonstrations_check(const mr_demonstrations *demonstrations, const char *path,
                                  const mr_tensors *file) {
    const char *noted = mr_tensors_note(file, note_name), *before = noted ? noted : "";
    if (strcmp(before, demonstrations->hash) == 0)
        return MR_OK;
    if (before[0] == '\0')
        return mr_fail(MR_ERR_USAGE, "the run began without demonstrations; leave them out, or "
                                     "begin a new run with them");
    if (!demonstrations->replay)
        return mr_fail(MR_ERR_USAGE, "the run began with demonstrations, which it can't go on "
                                     "without; name the same data set by --demonstrations");
    return mr_fail(MR_ERR_USAGE,
                   "%s is not the data set that the run began with, or has changed; bring that "
                   "back, or begin a new run",
                   path);
}
