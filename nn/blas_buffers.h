/// The memory that OpenBLAS computes in.
#pragma once

#include "base/status.h"

/// Makes OpenBLAS single-threaded (the caller's threads share out the work) and lets it take a
/// buffer of 128 MB for each of `n_threads` callers, which it keeps. Where it gets none in the
/// middle of a product, OpenBLAS up to 0.3.29 asks again for ever; here it fails with
/// MR_ERR_MEMORY. Costs nothing to repeat.
mr_status mr_blas_reserve(int n_threads);
