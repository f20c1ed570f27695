/// Demonstrations (`--demonstrations`): the episodes of a data set in a replay buffer of their own,
/// which a part of each batch is drawn from (RLPD, Ball et al. 2023, arXiv:2302.02948).
///
/// The buffer is as large as the data set and never changes. A checkpoint does not hold it: the
/// data set is read again, and its hash shows that it is the same.
#pragma once

#include "agents/batch.h"
#include "agents/obs_norm.h"
#include "agents/replay.h"
#include "envs/env.h"

enum { MR_DEMONSTRATIONS_HASH_SIZE = 65 }; // hexadecimal digits of a SHA-256, and the final zero

typedef struct {
    mr_replay *replay; // NULL: none
    size_t n_episodes, n_transitions;
    double mean_return;
    char hash[MR_DEMONSTRATIONS_HASH_SIZE]; // of the numbers in it; "": none
} mr_demonstrations;

/// Reads a data set (base/episodes.h), of millrace or of Minari. mr_demonstrations_free releases
/// it, also after a failure.
///
///   env       the task
///   batches   takes the returns into std(G), so that normalised rewards of demonstrations are
///             bounded too
///   obs_norm  takes the observations in; NULL: they stay as they are
///
/// Fails with MR_ERR_INPUT, naming the array, if the data set is of another task, if shapes do not
/// fit, if a number is not finite, and if an action is out of bounds.
mr_status mr_demonstrations_read(const char *path, const mr_env_spec *env, mr_batch_maker *batches,
                                 mr_obs_norm *obs_norm, mr_demonstrations *out);
void mr_demonstrations_free(mr_demonstrations *demonstrations);

/// Adds the hash to a checkpoint, if there are some. Checks it against that of a checkpoint: fails
/// with MR_ERR_USAGE unless the run began with the same ones.
///
///   path  of the data set, for messages
mr_status mr_demonstrations_note(const mr_demonstrations *demonstrations,
                                 mr_tensors_writer *writer);
mr_status mr_demonstrations_check(const mr_demonstrations *demonstrations, const char *path,
                                  const mr_tensors *file);
