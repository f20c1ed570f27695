// What products are, and who computes them.

#include "nn/gemm.h"
#include "nn/openblas.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <float.h>
#include <math.h>
#include <omp.h>

enum { N = 256, N_THREADS = 2 };

static int count_threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    cr_assert_not_null(tasks);
    int n = 0;
    for (const struct dirent *entry; (entry = readdir(tasks));)
        n += entry->d_name[0] != '.';
    closedir(tasks);
    return n;
}

// Large enough for OpenBLAS to share them out, if it may.
static mr_real a[N * N], b[N * N], c[N * N];

Test(gemm, products_are_computed_by_the_calling_thread_alone) {
    omp_set_num_threads(N_THREADS);
    cr_assert_eq(mr_openblas_reserve(N_THREADS), MR_OK);
    const int before = count_threads();
    for (int i = 0; i < N * N; i++)
        a[i] = b[i] = i % (N + 1) == 0; // the identity
    mr_gemm(false, false, N, N, N, a, b, false, c);
    mr_gemm(false, true, N, N, N, a, b, false, c);
    mr_gemm(true, false, N, N, N, a, b, false, c);
    mr_gemv(N, N, a, b, false, c);
    mr_triangular_solve(false, true, N, N, a, b);
    cr_expect_eq(count_threads(), before);
    cr_expect_eq(omp_get_max_threads(), N_THREADS, "the caller's number of threads has changed");
}

static mr_real element(bool transposed, size_t rows, size_t cols, const mr_real *matrix, size_t i,
                       size_t j) {
    return matrix[transposed ? j * rows + i : i * cols + j];
}

// Whether c is start + a b, up to the rounding of k + 1 sums, each at most k + 3.
static void expect_product(bool a_transposed, bool b_transposed, size_t m, size_t n, size_t k,
                           mr_real start) {
    const double tolerance = (double)(k + 1) * (double)(k + 3) * (double)FLT_EPSILON;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = (double)start;
            for (size_t l = 0; l < k; l++)
                sum += (double)element(a_transposed, m, k, a, i, l) *
                       (double)element(b_transposed, k, n, b, l, j);
            cr_assert_float_eq(c[i * n + j], sum, tolerance, "%zu x %zu x %zu%s%s: (%zu, %zu)", m,
                               n, k, a_transposed ? ", a transposed" : "",
                               b_transposed ? ", b transposed" : "", i, j);
        }
}

Test(gemm, products_of_every_shape_are_sums_of_products) {
    static const size_t sizes[] = {1, 2, 7, 40};
    const size_t n_sizes = MR_COUNT(sizes);
    cr_assert_eq(mr_openblas_reserve(1), MR_OK);
    for (int i = 0; i < N * N; i++) {
        a[i] = (mr_real)sin(i);
        b[i] = (mr_real)cos(2 * i);
    }
    for (size_t s = 0; s < n_sizes * n_sizes * n_sizes; s++)
        for (int form = 0; form < 8; form++) {
            const bool a_transposed = form & 1, b_transposed = form & 2, accumulate = form & 4;
            const size_t m = sizes[s % n_sizes], n = sizes[s / n_sizes % n_sizes];
            const size_t k = sizes[s / n_sizes / n_sizes];
            for (size_t i = 0; i < m * n; i++)
                c[i] = 3; // what a product that does not accumulate must overwrite
            mr_gemm(a_transposed, b_transposed, m, n, k, a, b, accumulate, c);
            expect_product(a_transposed, b_transposed, m, n, k, accumulate ? 3 : 0);
        }
}
