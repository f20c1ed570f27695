// Matrix products by OpenBLAS, and those with a vector by loops.

#include "nn/gemm.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <omp.h>
#include <string.h>

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

// c += a b. OpenBLAS 0.3.21 overwrites c by clearing it and adding to it, and its kernels of
// Haswell and Zen clear slowly: a product of 256 x 256 x 23 takes 60 us, and 39 if it adds. So
// memset clears c before.
static void add_gemm(bool a_transposed, bool b_transposed, size_t m, size_t n, size_t k,
                     const mr_real *a, const mr_real *b, mr_real *c) {
    const int n_threads = begin_single_threaded();
    GEMM(CblasRowMajor, a_transposed ? CblasTrans : CblasNoTrans,
         b_transposed ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1, a,
         (blasint)(a_transposed ? m : k), b, (blasint)(b_transposed ? k : n), 1, c, (blasint)n);
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
static void add_by_transpose(size_t m, size_t n, size_t k, const mr_real *a, const mr_real *b,
                             mr_real *c) {
    mr_real transposed[MAX_TRANSPOSED];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++)
            transposed[i * k + j] = b[j * n + i];
    add_gemm(false, true, m, n, k, a, transposed, c);
}

// ---- The products of a layer with a single output, which the kernels for matrices compute at a
// tenth of their rate. The result for a row does not depend on the number of rows.

// c[m x n] += a[m] b[n]
static void add_outer(size_t m, size_t n, const mr_real *restrict a, const mr_real *restrict b,
                      mr_real *restrict c) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            c[i * n + j] += a[i] * b[j];
}

// y[m] += a x, a [m x k]
static void add_dots(size_t m, size_t k, const mr_real *restrict a, const mr_real *restrict x,
                     mr_real *restrict y) {
    for (size_t i = 0; i < m; i++) {
        mr_real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < k; j++)
            sum += a[i * k + j] * x[j];
        y[i] += sum;
    }
}

// y[n] += a^T x, a [k x n]
static void add_combination(size_t n, size_t k, const mr_real *restrict a,
                            const mr_real *restrict x, mr_real *restrict y) {
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < n; j++)
            y[j] += a[i * n + j] * x[i];
}

void mr_gemm(bool a_transposed, bool b_transposed, size_t m, size_t n, size_t k, const mr_real *a,
             const mr_real *b, bool accumulate, mr_real *c) {
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    if (!accumulate)
        memset(c, 0, m * n * sizeof *c);
    if (k == 1)
        add_outer(m, n, a, b, c);
    else if (n == 1 && !a_transposed)
        add_dots(m, k, a, b, c);
    else if (m == 1 && !b_transposed)
        add_combination(n, k, b, a, c);
    else if (!a_transposed && !b_transposed && allocates(m, n, k))
        add_by_transpose(m, n, k, a, b, c);
    else
        add_gemm(a_transposed, b_transposed, m, n, k, a, b, c);
}

void mr_gemv(size_t m, size_t k, const mr_real *a, const mr_real *x, bool accumulate, mr_real *y) {
    assert(m <= INT_MAX && k <= INT_MAX);
    const int n_threads = begin_single_threaded();
    GEMV(CblasRowMajor, CblasNoTrans, (blasint)m, (blasint)k, 1, a, (blasint)k, x, 1,
         accumulate ? 1 : 0, y, 1);
    end_single_threaded(n_threads);
}

static void solve(enum CBLAS_SIDE side, bool upper, bool transposed, size_t m, size_t n,
                  size_t size, const mr_real *t, mr_real *x) {
    assert(m <= INT_MAX && n <= INT_MAX);
    const int n_threads = begin_single_threaded();
    TRSM(CblasRowMajor, side, upper ? CblasUpper : CblasLower,
         transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, (blasint)m, (blasint)n, 1, t,
         (blasint)size, x, (blasint)n);
    end_single_threaded(n_threads);
}

void mr_triangular_solve(bool upper, bool transposed, size_t m, size_t n, const mr_real *t,
                         mr_real *x) {
    solve(CblasRight, upper, transposed, m, n, n, t, x);
}

void mr_triangular_solve_columns(bool upper, bool transposed, size_t n, size_t m, const mr_real *t,
                                 mr_real *x) {
    solve(CblasLeft, upper, transposed, n, m, n, t, x);
}
