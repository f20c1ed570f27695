/// What a task tells beside observations and rewards (mr_env_info), as means over episodes: the
/// terms of its reward, positions, velocities.
///
/// A part of the reward, whose name begins with "reward", is added up over an episode, so that the
/// parts add up to the return; anything else is averaged over the steps of the episode that gave
/// it. A row of progress.csv has the means over the episodes that ended since the row before.
#pragma once

#include "base/events.h"
#include "base/tensors.h"
#include "envs/vec_env.h"

enum { MR_MAX_INFOS = 128, MR_INFO_NAME_SIZE = 128 };

/// Infos in the order in which they became known: those of remote environments come with steps.
typedef struct {
    size_t n, n_envs;
    char (*name)[MR_INFO_NAME_SIZE]; // [MR_MAX_INFOS] "rollout/reward_ctrl"
    double *sum;                     // [MR_MAX_INFOS x n_envs] over the present episodes
    double *n_given;                 // [MR_MAX_INFOS x n_envs] steps of them that gave it
    double *is_whole;   // [n_envs] 1, or 0: the first steps of the present episode are not known
    double *total;      // [MR_MAX_INFOS] over the episodes since the last row
    double *n_episodes; // [MR_MAX_INFOS] that gave it
    size_t n_mapped;    // infos of the environments that have been looked up
    size_t *index;      // [MR_MAX_INFOS] of them here
} mr_infos;

/// mr_infos_close releases it, also after a failure.
mr_status mr_infos_open(mr_infos *infos, size_t n_envs);
void mr_infos_close(mr_infos *infos);

/// The present episode of environment `i` begins; takes a step; ended, and counts for the next row.
void mr_infos_begin_episode(mr_infos *infos, size_t i);
void mr_infos_add_step(mr_infos *infos, const mr_vec_env *envs, size_t i);
void mr_infos_end_episode(mr_infos *infos, size_t i);

/// Takes the means [n] for a row; NaN: no episode that ended gave it. The next row begins anew.
///
///   out  [MR_MAX_INFOS] tags are valid as long as `infos`
size_t mr_infos_take(mr_infos *infos, mr_scalar *out);

/// Adds its state to a checkpoint; the data is borrowed until the file is written.
mr_status mr_infos_write(const mr_infos *infos, mr_tensors_writer *writer);

/// Reads it back. A checkpoint of an earlier version has none: episodes that are under way then
/// don't count.
///
///   is_under_way  [n_envs]
mr_status mr_infos_read(mr_infos *infos, const bool *is_under_way, const mr_tensors *file);
