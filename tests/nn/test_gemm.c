// Who computes the products.

#include "nn/gemm.h"
#include "nn/openblas.h"

#include <criterion/criterion.h>
#include <dirent.h>
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
    mr_gemv(N, N, a, b, c);
    mr_triangular_solve(false, true, N, N, a, b);
    cr_expect_eq(count_threads(), before);
    cr_expect_eq(omp_get_max_threads(), N_THREADS, "the caller's number of threads has changed");
}
