// The replay buffer: a ring of slots for each environment.

#include "agents/replay.h"

#include <assert.h>
#include <stdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/sum_tree.h"

/// What follows the observation of a slot. Checkpoints hold these numbers.
enum {
    EMPTY = 0,      // no step: an unused slot, the present observation, or the last of an episode
    STEP = 1,       // a step to the observation of the next slot
    TERMINATED = 2, // the same, and a termination
};

/// The slots of one environment.
typedef struct {
    size_t first; // its first slot in the arrays
    bool begun;
} ring;

struct mr_replay {
    size_t obs_dim, act_dim;
    size_t n_rings;
    size_t ring_size;
    size_t n_used; // slots of each ring that have been used at least once: the largest of all rings
    size_t n_transitions;
    ring *ring;            // [n_rings]
    int64_t *head;         // [n_rings] where each one's present observation is, from its `first`
    float *obs;            // [n_rings * ring_size x obs_dim]
    float *act;            // [n_rings * ring_size x act_dim]
    float *reward;         // [n_rings * ring_size]
    unsigned char *kind;   // [n_rings * ring_size]
    mr_sum_tree *priority; // [n_rings * ring_size] 0 where there is no step; NULL: all are equal
    double largest;        // priority set so far
};

enum { MIN_RING = 3 }; // a step, the observation after it, and the present one of the next episode

mr_status mr_replay_new(size_t capacity, size_t n_envs, size_t obs_dim, size_t act_dim,
                        mr_replay **out) {
    size_t ring_size = capacity / n_envs;
    if (ring_size < MIN_RING)
        ring_size = MIN_RING;
    const size_t n = ring_size * n_envs;
    mr_replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return mr_fail_memory("the replay buffer");
    *replay = (mr_replay){.obs_dim = obs_dim,
                          .act_dim = act_dim,
                          .n_rings = n_envs,
                          .ring_size = ring_size,
                          .ring = calloc(n_envs, sizeof(ring)),
                          .head = calloc(n_envs, sizeof(int64_t)),
                          .obs = calloc(n * obs_dim, sizeof(float)),
                          .act = calloc(n * act_dim, sizeof(float)),
                          .reward = calloc(n, sizeof(float)),
                          .kind = calloc(n, 1)};
    if (!replay->ring || !replay->head || !replay->obs || !replay->act || !replay->reward ||
        !replay->kind) {
        mr_replay_free(replay);
        return mr_fail(
            MR_ERR_MEMORY,
            "out of memory for a replay buffer of %zu transitions; ask for a smaller buffer_size",
            capacity);
    }
    for (size_t i = 0; i < n_envs; i++)
        replay->ring[i].first = i * ring_size;
    *out = replay;
    return MR_OK;
}

mr_status mr_replay_prioritise(mr_replay *replay) {
    replay->largest = 1;
    return mr_sum_tree_new(replay->n_rings * replay->ring_size, &replay->priority);
}

void mr_replay_set_priority(mr_replay *replay, size_t slot, double priority) {
    mr_sum_tree_set(replay->priority, slot, priority);
    replay->largest = fmax(replay->largest, priority);
}

void mr_replay_free(mr_replay *replay) {
    if (!replay)
        return;
    free(replay->ring);
    free(replay->head);
    free(replay->obs);
    free(replay->act);
    free(replay->reward);
    free(replay->kind);
    mr_sum_tree_free(replay->priority);
    free(replay);
}

static bool can_be_drawn(const mr_replay *replay, size_t slot) {
    return replay->kind[slot] != EMPTY;
}

static size_t head_slot(const mr_replay *replay, const ring *r) {
    return r->first + (size_t)replay->head[r - replay->ring];
}

// Makes the slot after the head the head, and drops the oldest step, which it may hold.
static void advance(mr_replay *replay, const ring *r) {
    const size_t head = (head_slot(replay, r) - r->first + 1) % replay->ring_size;
    const size_t slot = r->first + head;
    replay->head[r - replay->ring] = (int64_t)head;
    if (can_be_drawn(replay, slot)) {
        replay->n_transitions--;
        if (replay->priority)
            mr_sum_tree_set(replay->priority, slot, 0);
    }
    replay->kind[slot] = EMPTY;
    if (head >= replay->n_used)
        replay->n_used = head + 1;
}

static void write_obs(mr_replay *replay, const ring *r, const double *obs) {
    float *to = replay->obs + head_slot(replay, r) * replay->obs_dim;
    for (size_t j = 0; j < replay->obs_dim; j++)
        to[j] = (float)obs[j];
}

void mr_replay_begin(mr_replay *replay, size_t env, const double *obs) {
    ring *r = &replay->ring[env];
    if (r->begun)
        advance(replay, r); // the head holds the last observation of the episode before
    else
        replay->n_used = replay->n_used > 0 ? replay->n_used : 1;
    r->begun = true;
    write_obs(replay, r, obs);
}

void mr_replay_push(mr_replay *replay, size_t env, const mr_transition *t) {
    const ring *r = &replay->ring[env];
    assert(r->begun);
    const size_t slot = head_slot(replay, r);
    for (size_t j = 0; j < replay->act_dim; j++)
        replay->act[slot * replay->act_dim + j] = (float)t->act[j];
    replay->reward[slot] = (float)t->reward;
    replay->kind[slot] = t->terminated ? TERMINATED : STEP;
    replay->n_transitions++;
    if (replay->priority)
        mr_sum_tree_set(replay->priority, slot, replay->largest);
    advance(replay, r);
    write_obs(replay, r, t->next_obs);
}

size_t mr_replay_size(const mr_replay *replay) {
    return replay->n_transitions;
}

static size_t draw_by_priority(const mr_replay *replay, mr_random *random) {
    return mr_sum_tree_find(replay->priority,
                            mr_random_uniform(random) * mr_sum_tree_total(replay->priority));
}

static double probability_of(const mr_replay *replay, size_t slot) {
    if (!replay->priority)
        return 1 / (double)replay->n_transitions;
    return mr_sum_tree_values(replay->priority)[slot] / mr_sum_tree_total(replay->priority);
}

// Draws slots until one holds a step: few do not (one for each episode, and the present ones).
static size_t draw_slot(const mr_replay *replay, mr_random *random) {
    for (;;) {
        const size_t i = mr_random_below(random, replay->n_used * replay->n_rings);
        const size_t slot = i / replay->n_used * replay->ring_size + i % replay->n_used;
        if (can_be_drawn(replay, slot))
            return slot;
    }
}

static size_t next_slot(const mr_replay *replay, size_t slot) {
    return (slot + 1) % replay->ring_size == 0 ? slot + 1 - replay->ring_size : slot + 1;
}

static void copy_row(size_t n, const float *from, mr_real *to) {
    for (size_t j = 0; j < n; j++)
        to[j] = (mr_real)from[j];
}

static bool is_followed_by_step(const mr_replay *replay, size_t slot) {
    return replay->kind[slot] == STEP && can_be_drawn(replay, next_slot(replay, slot));
}

// Row `i`, from the step in `slot` on. A ring has at least one slot that can't be drawn, so
// that no path runs into itself.
static void copy_path(const mr_replay *replay, size_t slot, size_t n_step, double gamma, size_t i,
                      mr_transitions *out) {
    const size_t obs_dim = replay->obs_dim, act_dim = replay->act_dim;
    double reward = 0, discount = 1;
    size_t m = 0;
    copy_row(obs_dim, replay->obs + slot * obs_dim, out->obs + i * obs_dim);
    copy_row(act_dim, replay->act + slot * act_dim, out->act + i * act_dim);
    for (bool goes_on = true; goes_on && m < n_step; m++) {
        reward += discount * (double)replay->reward[slot];
        discount *= replay->kind[slot] == TERMINATED ? 0 : gamma;
        goes_on = is_followed_by_step(replay, slot);
        slot = next_slot(replay, slot);
        for (size_t k = m; out->path && k < (goes_on ? m + 1 : n_step); k++)
            copy_row(obs_dim, replay->obs + slot * obs_dim,
                     out->path + (k * out->n_rows + i) * obs_dim);
    }
    out->reward[i] = (mr_real)reward;
    out->discount[i] = (mr_real)discount;
    copy_row(obs_dim, replay->obs + slot * obs_dim, out->next_obs + i * obs_dim);
    if (out->n_steps)
        out->n_steps[i] = m;
}

void mr_replay_sample(const mr_replay *replay, mr_random *random, size_t first, size_t n,
                      size_t n_step, double gamma, mr_transitions *out) {
    assert(replay->n_transitions > 0);
    for (size_t i = first; i < first + n; i++) {
        const size_t slot =
            replay->priority ? draw_by_priority(replay, random) : draw_slot(replay, random);
        copy_path(replay, slot, n_step, gamma, i, out);
        if (out->slot)
            out->slot[i] = slot;
        if (out->probability)
            out->probability[i] = probability_of(replay, slot);
    }
}

// ---- Files

/// An array of a ring, as a checkpoint holds it.
typedef struct {
    const char *name;
    mr_dtype dtype;
    size_t n_dims;
    size_t n_cols;
    size_t size; // of a row, in bytes
    char *data;  // of the ring's first slot
} column;

enum { MAX_COLUMNS = 5, NAME_SIZE = 64 };

// Returns how many there are.
static size_t list_columns(const mr_replay *replay, const ring *r, column columns[MAX_COLUMNS]) {
    const size_t obs_dim = replay->obs_dim, act_dim = replay->act_dim;
    columns[0] = (column){"obs",
                          MR_F32,
                          2,
                          obs_dim,
                          obs_dim * sizeof(float),
                          (char *)(replay->obs + r->first * obs_dim)};
    columns[1] = (column){"act",
                          MR_F32,
                          2,
                          act_dim,
                          act_dim * sizeof(float),
                          (char *)(replay->act + r->first * act_dim)};
    columns[2] =
        (column){"reward", MR_F32, 1, 1, sizeof(float), (char *)(replay->reward + r->first)};
    columns[3] = (column){"kind", MR_U8, 1, 1, 1, (char *)(replay->kind + r->first)};
    if (!replay->priority)
        return 4;
    double *priority = mr_sum_tree_values(replay->priority) + r->first;
    columns[4] = (column){"priority", MR_F64, 1, 1, sizeof(double), (char *)priority};
    return 5;
}

static void name_column(size_t env, const column *c, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "replay.%zu.%s", env, c->name);
}

static const size_t one = 1;

mr_status mr_replay_write(const mr_replay *replay, mr_tensors_writer *writer) {
    mr_status status;
    column columns[MAX_COLUMNS];
    const size_t n_columns = list_columns(replay, &replay->ring[0], columns);
    MR_TRY(mr_tensors_writer_add(writer, "replay.head", MR_I64, 1, &replay->n_rings, replay->head));
    if (replay->priority)
        MR_TRY(mr_tensors_writer_add(writer, "replay.largest_priority", MR_F64, 1, &one,
                                     &replay->largest));
    for (size_t i = 0; i < replay->n_rings * n_columns; i++) {
        const size_t env = i / n_columns;
        char name[NAME_SIZE];
        list_columns(replay, &replay->ring[env], columns);
        const column *c = &columns[i % n_columns];
        const size_t shape[] = {replay->n_used, c->n_cols};
        name_column(env, c, name);
        MR_TRY(mr_tensors_writer_add(writer, name, c->dtype, c->n_dims, shape, c->data));
    }
done:
    return status;
}

static mr_status read_ring(mr_replay *replay, size_t env, const mr_tensors *file) {
    mr_status status = MR_OK;
    column columns[MAX_COLUMNS];
    const size_t n_columns = list_columns(replay, &replay->ring[env], columns);
    for (size_t k = 0; k < n_columns; k++) {
        char name[NAME_SIZE];
        const void *data;
        const column *c = &columns[k];
        const size_t shape[] = {replay->n_used, c->n_cols};
        name_column(env, c, name);
        MR_TRY(mr_tensors_get(file, name, c->dtype, c->n_dims, shape, &data));
        memcpy(c->data, data, replay->n_used * c->size);
    }
done:
    return status;
}

static bool is_priority(double x, bool has_step) {
    return has_step ? x > 0 && isfinite(x) : x == 0;
}

static bool is_valid(const mr_replay *replay, const ring *r) {
    const int64_t head = replay->head[r - replay->ring];
    bool valid = head >= 0 && (size_t)head < replay->n_used;
    valid = valid && replay->kind[head_slot(replay, r)] == EMPTY;
    for (size_t i = 0; i < replay->n_used; i++) {
        const size_t slot = r->first + i;
        const bool has_step = can_be_drawn(replay, slot);
        valid = valid && replay->kind[slot] <= TERMINATED;
        if (replay->priority)
            valid = valid && is_priority(mr_sum_tree_values(replay->priority)[slot], has_step);
    }
    return valid;
}

// The number of slots of each ring in a file.
static size_t find_n_used(const mr_tensors *file) {
    mr_tensor found;
    return mr_tensors_find(file, "replay.0.kind", &found) && found.n_dims == 1 ? found.shape[0] : 0;
}

static mr_status fail_damaged(const mr_tensors *file) {
    return mr_fail(MR_ERR_INPUT,
                   "%s: invalid replay buffer; the file is damaged, take another copy",
                   mr_tensors_path(file));
}

static mr_status read_largest(mr_replay *replay, const mr_tensors *file) {
    const void *largest;
    const mr_status status =
        mr_tensors_get(file, "replay.largest_priority", MR_F64, 1, &one, &largest);
    if (status != MR_OK)
        return status;
    replay->largest = *(const double *)largest;
    mr_sum_tree_add_up(replay->priority);
    return isfinite(replay->largest) ? MR_OK : fail_damaged(file);
}

mr_status mr_replay_read(mr_replay *replay, const mr_tensors *file) {
    mr_status status;
    const void *head;
    replay->n_used = find_n_used(file);
    if (replay->n_used == 0 || replay->n_used > replay->ring_size)
        return fail_damaged(file);
    MR_TRY(mr_tensors_get(file, "replay.head", MR_I64, 1, &replay->n_rings, &head));
    memcpy(replay->head, head, replay->n_rings * sizeof *replay->head);
    replay->n_transitions = 0;
    for (size_t env = 0; env < replay->n_rings; env++) {
        ring *r = &replay->ring[env];
        MR_TRY(read_ring(replay, env, file));
        if (!is_valid(replay, r))
            return fail_damaged(file);
        r->begun = true;
        for (size_t i = 0; i < replay->n_used; i++)
            replay->n_transitions += can_be_drawn(replay, r->first + i);
    }
    if (replay->priority)
        MR_TRY(read_largest(replay, file));
done:
    return status;
}
