// Matrix products by OpenBLAS.

#include "nn/gemm.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <omp.h>

enum { MAX_TRANSPOSED = 16384 }; // numbers on the stack

#ifdef MR_REAL_DOUBLE
#define GEMM cblas_dgemm
#define GEMV cblas_dgemv
#define TRSM cblas_dtrsm
#else
#define GEMM cblas_sgemm
#define GEMV cblas_sgemv
#define TRSM cblas_strsm
#endif

// OpenBLAS 0.3.29 with OpenMP computes with as many threads as a parallel region would have here,
// whatever openblas_set_num_threads said. That number belongs to the calling thread and is
// restored.
static int begin_single_threaded(void) {
    const int n_threads = omp_get_max_threads();
    omp_set_num_threads(1);
    return n_threads;
}

static void end_single_threaded(int n_threads) {
    omp_set_num_threads(n_threads);
}

static void gemm(bool a_transposed, bool b_transposed, size_t m, size_t n, size_t k,
                 const mr_real *a, const mr_real *b, bool accumulate, mr_real *c) {
    const int n_threads = begin_single_threaded();
    GEMM(CblasRowMajor, a_transposed ? CblasTrans : CblasNoTrans,
         b_transposed ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1, a,
         (blasint)(a_transposed ? m : k), b, (blasint)(b_transposed ? k : n), accumulate ? 1 : 0, c,
         (blasint)n);
    end_single_threaded(n_threads);
}

// OpenBLAS 0.3.21 has a kernel for small products that calls malloc: on AVX-512, where neither
// matrix is transposed, n is up to 8 above a multiple of 16, k is 32 or more and m n k at most a
// million. Training must not allocate.
static bool allocates(size_t m, size_t n, size_t k) {
    return n % 16 >= 1 && n % 16 <= 8 && k >= 32 && m * n * k <= 1000000 && n * k <= MAX_TRANSPOSED;
}

// The same product through b's transpose, whose kernel does not. The copy takes a hundredth of the
// product's time.
static void gemm_by_transpose(size_t m, size_t n, size_t k, const mr_real *a, const mr_real *b,
                              bool accumulate, mr_real *c) {
    mr_real transposed[MAX_TRANSPOSED];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++)
            transposed[i * k + j] = b[j * n + i];
    gemm(false, true, m, n, k, a, transposed, accumulate, c);
}

void mr_gemm(bool a_transposed, bool b_transposed, size_t m, size_t n, size_t k, const mr_real *a,
             const mr_real *b, bool accumulate, mr_real *c) {
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    if (!a_transposed && !b_transposed && allocates(m, n, k))
        gemm_by_transpose(m, n, k, a, b, accumulate, c);
    else
        gemm(a_transposed, b_transposed, m, n, k, a, b, accumulate, c);
}

void mr_gemv(size_t m, size_t k, const mr_real *a, const mr_real *x, mr_real *y) {
    assert(m <= INT_MAX && k <= INT_MAX);
    const int n_threads = begin_single_threaded();
    GEMV(CblasRowMajor, CblasNoTrans, (blasint)m, (blasint)k, 1, a, (blasint)k, x, 1, 0, y, 1);
    end_single_threaded(n_threads);
}

void mr_triangular_solve(bool upper, bool transposed, size_t m, size_t n, const mr_real *t,
                         mr_real *x) {
    assert(m <= INT_MAX && n <= INT_MAX);
    const int n_threads = begin_single_threaded();
    TRSM(CblasRowMajor, CblasRight, upper ? CblasUpper : CblasLower,
         transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, (blasint)m, (blasint)n, 1, t,
         (blasint)n, x, (blasint)n);
    end_single_threaded(n_threads);
}
