// The OpenBLAS calls.

#include "nn/gemm.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>

#ifdef MR_REAL_DOUBLE
#define GEMM cblas_dgemm
#define TRSM cblas_dtrsm
#else
#define GEMM cblas_sgemm
#define TRSM cblas_strsm
#endif

void mr_gemm(bool a_transposed, bool b_transposed, size_t m, size_t n, size_t k, const mr_real *a,
             const mr_real *b, bool accumulate, mr_real *c) {
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    GEMM(CblasRowMajor, a_transposed ? CblasTrans : CblasNoTrans,
         b_transposed ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1, a,
         (blasint)(a_transposed ? m : k), b, (blasint)(b_transposed ? k : n), accumulate ? 1 : 0, c,
         (blasint)n);
}

void mr_triangular_solve(bool upper, bool transposed, size_t m, size_t n, const mr_real *t,
                         mr_real *x) {
    assert(m <= INT_MAX && n <= INT_MAX);
    TRSM(CblasRowMajor, CblasRight, upper ? CblasUpper : CblasLower,
         transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, (blasint)m, (blasint)n, 1, t,
         (blasint)n, x, (blasint)n);
}

void mr_gemm_init(void) {
    openblas_set_num_threads(1);
}
