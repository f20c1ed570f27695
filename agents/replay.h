/// The replay buffer: the transitions that an agent has seen, each observation stored once.
///
/// A transition's next observation is the observation of the slot after it. So every environment
/// has a ring of its own, in the order of its steps, and an episode takes one slot more than it has
/// steps, for its last observation. 1,000,000 slots of HalfCheetah-v5 (17 observations, 6 actions)
/// take 97 MB.
///
/// Truncated episodes are bootstrapped from their last observation; terminated ones are not.
#pragma once

#include "base/random.h"
#include "base/status.h"
#include "base/tensors.h"

#include <stdbool.h>

typedef struct mr_replay mr_replay;

/// A replay of `capacity` slots, shared out evenly over `n_envs` environments (at least 3 for
/// each). The caller frees it. The memory is taken from the system as it fills.
mr_status mr_replay_new(size_t capacity, size_t n_envs, size_t obs_dim, size_t act_dim,
                        mr_replay **out);
void mr_replay_free(mr_replay *replay);

/// Begins an episode of environment `env` with its first observation [obs_dim].
void mr_replay_begin(mr_replay *replay, size_t env, const double *obs);

/// What a step of the environment gave.
typedef struct {
    const mr_real *act; // [act_dim] the action in (-1, 1)
    double reward;
    const double *next_obs; // [obs_dim]
    bool terminated;        // truncation needs no mark: it is bootstrapped through
} mr_transition;

/// Adds a step of environment `env`. After one that ends the episode, mr_replay_begin comes next.
void mr_replay_push(mr_replay *replay, size_t env, const mr_transition *transition);

/// Transitions that can be drawn.
size_t mr_replay_size(const mr_replay *replay);

/// Drawn transitions over m steps each, a row each. m is n_step, or less if the episode ended
/// before or has not gone on for so long.
typedef struct {
    mr_real *obs;      // [n x obs_dim] before the steps
    mr_real *act;      // [n x act_dim] of the first step
    mr_real *reward;   // [n] sum_{k<m} gamma^k r_k
    mr_real *discount; // [n] gamma^m, or 0 after a termination
    mr_real *next_obs; // [n x obs_dim] after the steps
    size_t *n_steps;   // [n] m; may be NULL
    mr_real *path; // [n_step x n x obs_dim] after each step, the last one repeated after the mth;
                   // may be NULL
} mr_transitions;

/// Draws `n` transitions, each uniformly from all, with replacement, and goes on from each for up
/// to `n_step` steps of its episode. The replay buffer is not empty.
void mr_replay_sample(const mr_replay *replay, mr_random *random, size_t n, size_t n_step,
                      double gamma, mr_transitions *out);

/// Adds the filled slots to a file, as "replay.ENV.obs" [n x obs_dim] and so on. Begun in every
/// environment. The data is borrowed until the file is written.
mr_status mr_replay_write(const mr_replay *replay, mr_tensors_writer *writer);

/// Reads the same back into a new replay of the same sizes. Fails with MR_ERR_INPUT where it does
/// not fit; the replay is then partly overwritten.
mr_status mr_replay_read(mr_replay *replay, const mr_tensors *file);
