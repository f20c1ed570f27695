/// Matrix products: the only door to BLAS. Row-major, single-threaded inside (the caller's threads
/// share out the work).
#pragma once

#include "base/real.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/// c[m x n] = a b (+ c where `accumulate`), a stored as [m x k] or, where `a_transposed`, [k x m];
/// b likewise.
void mr_gemm(bool a_transposed, bool b_transposed, size_t m, size_t n, size_t k, const mr_real *a,
             const mr_real *b, bool accumulate, mr_real *c);

/// y[m] = a x, a [m x k]: the product of one row, by a kernel that doesn't pack a first.
void mr_gemv(size_t m, size_t k, const mr_real *a, const mr_real *x, mr_real *y);

/// x[m x n] = x t^-T, or x t^-1 where not `transposed`, in place: every row is solved for. t[n x n]
/// is triangular; what lies on its other side is not looked at.
void mr_triangular_solve(bool upper, bool transposed, size_t m, size_t n, const mr_real *t,
                         mr_real *x);

/// Makes OpenBLAS single-threaded, with the kernels that the processor deserves
/// (nn/blas_kernels.h) and a buffer for each of `n_threads` callers at once (nn/blas_buffers.h).
/// Called when a graph is begun; costs nothing to repeat.
mr_status mr_gemm_init(int n_threads);
