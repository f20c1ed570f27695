/// The threads of OpenMP.
#pragma once

#include "base/status.h"

/// Fails with MR_ERR_USAGE if `n_threads`, which a caller of the library chose, is below 1.
mr_status mr_threads_check(int n_threads);

/// Starts the threads that a parallel region of `n_threads` needs; they then wait for such regions.
/// Fails with MR_ERR_MEMORY if there is no memory for their stacks: OpenMP, which would otherwise
/// start them in the middle of the work, ends the process then.
mr_status mr_threads_start(int n_threads);
