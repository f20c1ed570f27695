/// Several environments (millrace/vec_env.h), as the rest of the library sees them.
#pragma once

#include "millrace/vec_env.h"
#include "envs/env.h"

/// Opens `n` more environments like those of `of`, which are copies in this process, without
/// reading or compiling anything again. `of` may be closed before them. The caller closes the
/// result.
mr_status mr_vec_env_open_more(const mr_vec_env *of, size_t n, int n_threads, mr_vec_env **out);

/// Copy `i`, owned by `vec`; to look at, not to step. NULL if it is remote.
mr_env *mr_vec_env_at(const mr_vec_env *vec, size_t i);

/// mr_env_info of environment `i` after its last step or reset [n_info of the spec]; NaN:
/// a remote environment did not give that value. Of remote environments, the spec has the names
/// that have come so far.
const double *mr_vec_env_info(const mr_vec_env *vec, size_t i);
