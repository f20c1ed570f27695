/// The threads of OpenMP.
#pragma once

#include "base/status.h"

/// Starts those that a parallel region of `n_threads` needs, which wait for it from then on. Where
/// one cannot be started in the middle of the work, OpenMP ends the process; here, where their
/// stacks find no room, it fails with MR_ERR_MEMORY.
mr_status mr_threads_start(int n_threads);
