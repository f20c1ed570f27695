/// OpenBLAS's set-up: its threads, kernels and memory.
#pragma once

#include "base/status.h"

/// Makes OpenBLAS single-threaded for the whole process (the library's threads share out the work)
/// and chooses its kernels (mr_openblas_choose_kernels): what mr_init does for MR_INIT_BLAS. No
/// product may be running in another thread.
void mr_openblas_take(void);

/// Lets mr_openblas_reserve succeed: called by mr_init, which decides about OpenBLAS before the
/// first product.
void mr_openblas_allow(void);

/// Lets OpenBLAS allocate its work memory for `n_threads` callers at once. A graph calls it when it
/// is made; repeating it costs nothing. Fails with MR_ERR_USAGE before mr_openblas_allow.
///
/// The work memory is 128 MB of address space for each thread. OpenBLAS up to 0.3.29 allocates it
/// in its first product and retries for ever if it gets none; this call fails with MR_ERR_MEMORY
/// instead.
mr_status mr_openblas_reserve(int n_threads);

/// Lets OpenBLAS choose its kernels again, by what the processor can do, if its own choice is a
/// fallback. It chooses when it is loaded, by the processor's model number, and up to 0.3.24 it
/// takes a model newer than itself for a Prescott of 2004, whose kernels are three to five times
/// slower (OpenBLAS issue 4267). Does nothing if the user has chosen with OPENBLAS_CORETYPE. No
/// product may be running in another thread.
void mr_openblas_choose_kernels(void);
