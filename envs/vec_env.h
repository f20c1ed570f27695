/// Several environments (millrace/vec_env.h), as the rest of the library sees them.
#pragma once

#include "millrace/vec_env.h"
#include "envs/env.h"

/// Copy `i`, owned by `vec`; to look at, not to step. NULL if it is remote.
mr_env *mr_vec_env_at(const mr_vec_env *vec, size_t i);
