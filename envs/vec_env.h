/// Several environments of one kind, stepped together: copies opened here, stepped over the
/// threads, or those of servers elsewhere, stepped by one message to each.
///
/// What a trainer drives. All arrays are row-major with one row for each environment.
#pragma once

#include "envs/env.h"

typedef struct mr_vec_env mr_vec_env;

/// Opens `n` environments of the name `name`, as mr_env_open does: copies, stepped by `n_threads`
/// threads, or, where mr_env_is_remote, all that are there, which must then be `n`; 0: however many
/// there are. The caller closes it.
mr_status mr_vec_env_open(const char *name, const mr_env_options *options, size_t n, int n_threads,
                          mr_vec_env **out);
void mr_vec_env_close(mr_vec_env *vec);

const mr_env_spec *mr_vec_env_get_spec(const mr_vec_env *vec);
size_t mr_vec_env_n(const mr_vec_env *vec);

/// mr_env_n_diverged of all copies together.
size_t mr_vec_env_n_diverged(const mr_vec_env *vec);

/// How many steps came with a warning (mr_step.warning), of all together, and the first of these
/// warnings; NULL: none yet.
size_t mr_vec_env_n_warned(const mr_vec_env *vec);
const char *mr_vec_env_warning(const mr_vec_env *vec);

/// Copy `i`, owned by `vec`; to look at, not to step. NULL where it is elsewhere.
mr_env *mr_vec_env_at(const mr_vec_env *vec, size_t i);

/// Begins an episode in environment `i`. `obs` [obs_dim] out.
mr_status mr_vec_env_reset(mr_vec_env *vec, size_t i, const uint64_t *seed, double *obs);

/// Steps environments once, all or those that are active.
///
///   active   [n] which; NULL: all. The rows of the others are neither read nor written
///   actions  [n x act_dim] in, the task's own units
///   obs      [n x obs_dim] out; where an episode ended, its last observation (nothing is reset
///   here), as it was where mr_step.lost
///   results  [n] out
///
/// Gives the same numbers whatever the number of threads. Fails with the message of the first
/// environment that failed, its index named.
mr_status mr_vec_env_step(mr_vec_env *vec, const bool *active, const double *actions, double *obs,
                          mr_step *results);
