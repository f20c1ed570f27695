/// The replay buffer: the transitions that an agent has seen, each observation stored once.
///
/// Every environment has a ring of slots of its own, in the order of its steps. A slot holds an
/// observation and the action and reward that followed it; the next observation is that of the next
/// slot. An episode takes one slot more than it has steps, for its last observation. 1,000,000
/// slots of HalfCheetah-v5 (17 observations, 6 actions) take 97 MB.
///
/// Values are bootstrapped from the last observation of a truncated episode, and not from that of a
/// terminated one.
#pragma once

#include "base/random.h"
#include "base/status.h"
#include "base/tensors.h"

#include <stdbool.h>

typedef struct mr_replay mr_replay;

/// A replay buffer of `capacity` slots, the same number for each of `n_envs` environments (at least
/// 3). The caller frees it. The system provides the memory as the slots fill.
mr_status mr_replay_new(size_t capacity, size_t n_envs, size_t obs_dim, size_t act_dim,
                        mr_replay **out);
void mr_replay_free(mr_replay *replay);

/// Lets transitions be drawn in proportion to their priorities. Called before the first episode
/// begins. A new transition has the largest priority that was set so far, at first 1.
mr_status mr_replay_prioritise(mr_replay *replay);

/// Sets the priority, positive, of a transition that was drawn (mr_transitions.slot) and has not
/// been replaced since.
void mr_replay_set_priority(mr_replay *replay, size_t slot, double priority);

/// Begins an episode of environment `env` with its first observation [obs_dim].
void mr_replay_begin(mr_replay *replay, size_t env, const double *obs);

/// A step of an environment, from its present observation.
typedef struct {
    const mr_real *act; // [act_dim] the action in (-1, 1)
    double reward;
    const double *next_obs; // [obs_dim]
    bool terminated;        // a truncation is known by the mr_replay_begin that follows
} mr_transition;

/// Adds a step of environment `env`. mr_replay_begin comes next if the step ended the episode.
void mr_replay_push(mr_replay *replay, size_t env, const mr_transition *transition);

/// Transitions that can be drawn.
size_t mr_replay_size(const mr_replay *replay);

/// Drawn transitions over m steps each, a row each of n_rows. m is n_step, or less if the episode
/// ended before or has not gone on for so long.
typedef struct {
    mr_real *obs;        // [n x obs_dim] before the steps
    mr_real *act;        // [n x act_dim] of the first step
    mr_real *reward;     // [n] sum_{k<m} gamma^k r_k
    mr_real *discount;   // [n] gamma^m, or 0 after a termination
    mr_real *next_obs;   // [n x obs_dim] after the steps
    size_t *n_steps;     // [n] m; may be NULL
    size_t *slot;        // [n] where each transition is; may be NULL
    double *probability; // [n] that it was drawn with; may be NULL
    mr_real *path; // [n_step x n x obs_dim] after each step, the last one repeated after the mth;
                   // may be NULL
    size_t n_rows; // of path for each of its n_step steps
} mr_transitions;

/// Draws `n` transitions into the rows from `first` on, each uniformly from all, or in proportion
/// to its priority, with replacement, and goes on from each for up to `n_step` steps of its
/// episode. The replay buffer is not empty.
void mr_replay_sample(const mr_replay *replay, mr_random *random, size_t first, size_t n,
                      size_t n_step, double gamma, mr_transitions *out);

/// Adds the filled slots to a checkpoint, as "replay.ENV.obs" [n x obs_dim] and so on. Every
/// environment has begun an episode. The data is borrowed until the file is written.
mr_status mr_replay_write(const mr_replay *replay, mr_tensors_writer *writer);

/// Reads them back into a replay buffer of the same sizes. Fails with MR_ERR_INPUT if they are
/// missing or invalid; the replay buffer is then partly overwritten.
mr_status mr_replay_read(mr_replay *replay, const mr_tensors *file);
