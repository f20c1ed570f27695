/// Matrix products, by BLAS. Row-major, each computed by the calling thread alone (the graph's
/// threads share out the rows).
#pragma once

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

/// c[m x n] = a b (+ c if `accumulate`), a stored as [m x k] or, if `a_transposed`, [k x m];
/// b likewise.
void mr_gemm(bool a_transposed, bool b_transposed, size_t m, size_t n, size_t k, const mr_real *a,
             const mr_real *b, bool accumulate, mr_real *c);

/// y[m] = a x (+ y if `accumulate`), a [m x k].
void mr_gemv(size_t m, size_t k, const mr_real *a, const mr_real *x, bool accumulate, mr_real *y);

/// x[m x n] = x t^-T, or x t^-1 if not `transposed`, in place. t[n x n] is triangular; the entries
/// on its other side are not read.
void mr_triangular_solve(bool upper, bool transposed, size_t m, size_t n, const mr_real *t,
                         mr_real *x);

/// x[n x m] = t^-T x, or t^-1 x if not `transposed`, in place.
void mr_triangular_solve_columns(bool upper, bool transposed, size_t n, size_t m, const mr_real *t,
                                 mr_real *x);
