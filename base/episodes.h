/// Data sets of episodes in the layout of Minari (https://minari.farama.org), version 0.5: an HDF5
/// file with a group for each episode.
///
///     episode_0/                    attributes: id, seed, total_steps
///         observations  [T+1 x obs_dim] float64
///         actions       [T x act_dim]   float32, the task's own units
///         rewards       [T]             float64
///         terminations  [T]             boolean
///         truncations   [T]             boolean
///         infos/NAME    [T+1]           float64
///     episode_1/ ...
///
/// What concerns the whole set is in attributes of the file. A directory is a data set that Minari
/// opens: the file in it is called main_data.hdf5, and metadata.json has the same values.
#pragma once

#include "base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// An episode of T steps. Borrowed from whoever made it.
typedef struct {
    size_t n_steps;                   // T
    const double *obs;                // [T+1 x obs_dim]
    const double *action;             // [T x act_dim] the task's own units
    const double *reward;             // [T]
    const signed char *is_terminated; // [T] 1: the step ended the episode by a termination
    const signed char *is_truncated;  // [T]
} mr_episode_data;

/// ---- Writing

typedef struct {
    size_t obs_dim, act_dim;
    const double *act_low, *act_high; // [act_dim]
    size_t n_info;
    const char *const *info_names; // [n_info] "reward_ctrl"
} mr_episodes_shape;

typedef struct mr_episodes_writer mr_episodes_writer;

/// Begins a data set. It is written to temporary files, which get their names when it is kept: a
/// data set is never incomplete.
///
///   path   NAME.h5 or NAME.hdf5: one file; any other name: a directory, which must be new or empty
///   shape  borrowed
///
/// The caller closes the writer. Without mr_episodes_writer_keep, that leaves nothing behind.
mr_status mr_episodes_writer_new(const char *path, const mr_episodes_shape *shape,
                                 mr_episodes_writer **out);

/// Writes an episode to the disk, in any order.
///
///   number  its number, from 0; all up to the largest must come
///   infos   [(T+1) x n_info] after the reset and after each step
mr_status mr_episodes_writer_add(mr_episodes_writer *writer, size_t number, uint64_t seed,
                                 const mr_episode_data *episode, const double *infos);

/// Adds metadata to those of Minari, and gives the data set its name. Once.
///
///   metadata  an object of texts and numbers; borrowed
mr_status mr_episodes_writer_keep(mr_episodes_writer *writer, const json_t *metadata);
void mr_episodes_writer_close(mr_episodes_writer *writer);

/// ---- Reading

typedef struct mr_episodes_reader mr_episodes_reader;

/// Opens a data set: a file, or the directory of one of Minari's. The caller closes it. Fails with
/// MR_ERR_IO if it can't be read, and with MR_ERR_INPUT if it has no episodes.
mr_status mr_episodes_reader_open(const char *path, mr_episodes_reader **out);
void mr_episodes_reader_close(mr_episodes_reader *reader);

size_t mr_episodes_reader_n(const mr_episodes_reader *reader);

/// The task that the episodes are of; "": the data set does not say.
const char *mr_episodes_reader_task(const mr_episodes_reader *reader);

/// Checks the shapes of an episode's arrays and returns its number of steps. Fails with
/// MR_ERR_INPUT, naming the array, if they do not fit a task of such sizes.
mr_status mr_episodes_reader_check(const mr_episodes_reader *reader, size_t number, size_t obs_dim,
                                   size_t act_dim, size_t *n_steps);

/// Reads an episode that mr_episodes_reader_check has passed. Fails with MR_ERR_INPUT if a number
/// is not finite. The arrays are valid until the next call.
mr_status mr_episodes_reader_get(mr_episodes_reader *reader, size_t number, size_t obs_dim,
                                 size_t act_dim, mr_episode_data *out);

/// Fails with MR_ERR_INPUT, naming an array of an episode: "data.h5: episode_3/actions FAULT".
mr_status mr_episodes_fail(const mr_episodes_reader *reader, size_t number, const char *array,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));
