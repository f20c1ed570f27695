// The replay: rings of slots, one for each environment.

#include "agents/replay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/// What a slot holds beside its observation.
enum {
    EMPTY = 0, // nothing that can be drawn: never used, or the present observation, or an episode's
               // last
    STEP = 1,  // a transition to the next slot
    TERMINATED = 2, // a transition after which nothing follows
};

/// The slots of one environment.
typedef struct {
    size_t first; // its first slot in the arrays
    size_t head;  // where its present observation is, from `first`
    bool begun;
} ring;

struct mr_replay {
    size_t obs_dim, act_dim;
    size_t n_rings;
    size_t ring_size;
    size_t n_used; // slots of each ring that have been used at least once: the largest of all rings
    size_t n_transitions;
    ring *ring;          // [n_rings]
    float *obs;          // [n_rings * ring_size x obs_dim]
    float *act;          // [n_rings * ring_size x act_dim]
    float *reward;       // [n_rings * ring_size]
    unsigned char *kind; // [n_rings * ring_size]
};

enum { MIN_RING = 3 }; // a transition, the present observation, and room between them

mr_status mr_replay_new(size_t capacity, size_t n_envs, size_t obs_dim, size_t act_dim,
                        mr_replay **out) {
    size_t ring_size = capacity / n_envs;
    if (ring_size < MIN_RING)
        ring_size = MIN_RING;
    const size_t n = ring_size * n_envs;
    mr_replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return mr_fail_memory("the replay");
    *replay = (mr_replay){.obs_dim = obs_dim,
                          .act_dim = act_dim,
                          .n_rings = n_envs,
                          .ring_size = ring_size,
                          .ring = calloc(n_envs, sizeof(ring)),
                          .obs = calloc(n * obs_dim, sizeof(float)),
                          .act = calloc(n * act_dim, sizeof(float)),
                          .reward = calloc(n, sizeof(float)),
                          .kind = calloc(n, 1)};
    if (!replay->ring || !replay->obs || !replay->act || !replay->reward || !replay->kind) {
        mr_replay_free(replay);
        return mr_fail(
            MR_ERR_MEMORY,
            "out of memory for a replay of %zu transitions; ask for a smaller buffer_size",
            capacity);
    }
    for (size_t i = 0; i < n_envs; i++)
        replay->ring[i].first = i * ring_size;
    *out = replay;
    return MR_OK;
}

void mr_replay_free(mr_replay *replay) {
    if (!replay)
        return;
    free(replay->ring);
    free(replay->obs);
    free(replay->act);
    free(replay->reward);
    free(replay->kind);
    free(replay);
}

static bool can_be_drawn(const mr_replay *replay, size_t slot) {
    return replay->kind[slot] != EMPTY;
}

// Makes the head's next slot the head; what it held is gone.
static void advance(mr_replay *replay, ring *r) {
    r->head = (r->head + 1) % replay->ring_size;
    const size_t slot = r->first + r->head;
    if (can_be_drawn(replay, slot))
        replay->n_transitions--;
    replay->kind[slot] = EMPTY;
    if (r->head >= replay->n_used)
        replay->n_used = r->head + 1;
}

static void write_obs(mr_replay *replay, const ring *r, const double *obs) {
    float *to = replay->obs + (r->first + r->head) * replay->obs_dim;
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
    ring *r = &replay->ring[env];
    assert(r->begun);
    const size_t slot = r->first + r->head;
    for (size_t j = 0; j < replay->act_dim; j++)
        replay->act[slot * replay->act_dim + j] = (float)t->act[j];
    replay->reward[slot] = (float)t->reward;
    replay->kind[slot] = t->terminated ? TERMINATED : STEP;
    replay->n_transitions++;
    advance(replay, r);
    write_obs(replay, r, t->next_obs);
}

size_t mr_replay_size(const mr_replay *replay) {
    return replay->n_transitions;
}

// By rejection: few slots hold no transition (one an episode, and the present ones).
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

void mr_replay_sample(const mr_replay *replay, mr_random *random, size_t n, double gamma,
                      mr_batch *batch) {
    assert(replay->n_transitions > 0);
    const size_t obs_dim = replay->obs_dim, act_dim = replay->act_dim;
    for (size_t i = 0; i < n; i++) {
        const size_t slot = draw_slot(replay, random);
        copy_row(obs_dim, replay->obs + slot * obs_dim, batch->obs + i * obs_dim);
        copy_row(obs_dim, replay->obs + next_slot(replay, slot) * obs_dim,
                 batch->next_obs + i * obs_dim);
        copy_row(act_dim, replay->act + slot * act_dim, batch->act + i * act_dim);
        batch->reward[i] = (mr_real)replay->reward[slot];
        batch->discount[i] = replay->kind[slot] == TERMINATED ? 0 : (mr_real)gamma;
    }
}
