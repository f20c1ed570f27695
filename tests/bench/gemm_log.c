// Recording and replaying matrix products.

#include "gemm_log.h"

#include <cblas.h>
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_CALLS = 4096, MAX_THREADS = 64 };

typedef struct {
    CBLAS_TRANSPOSE a_transposed, b_transposed;
    blasint m, n, k, lda, ldb, ldc;
    const float *a, *b;
    float beta;
} call;

/// The calls of one thread.
typedef struct {
    size_t n;
    call calls[MAX_CALLS];
    float *result;
    size_t result_size;
} list;

static list lists[MAX_THREADS];
static bool recording;

void __real_cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m,
                        blasint n, blasint k, float alpha, const float *a, blasint lda,
                        const float *b, blasint ldb, float beta, float *c, blasint ldc);
void __wrap_cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m,
                        blasint n, blasint k, float alpha, const float *a, blasint lda,
                        const float *b, blasint ldb, float beta, float *c, blasint ldc);

static void record(call c) {
    list *l = &lists[omp_get_thread_num()];
    const size_t size = (size_t)c.m * (size_t)c.ldc;
    if (l->n == MAX_CALLS) {
        fprintf(stderr, "gemm_log: more than %d calls; raise MAX_CALLS\n", MAX_CALLS);
        exit(1);
    }
    l->calls[l->n++] = c;
    if (size > l->result_size) {
        free(l->result);
        l->result = calloc(size, sizeof(float));
        l->result_size = size;
    }
}

void __wrap_cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m,
                        blasint n, blasint k, float alpha, const float *a, blasint lda,
                        const float *b, blasint ldb, float beta, float *c, blasint ldc) {
    if (recording)
        record((call){ta, tb, m, n, k, lda, ldb, ldc, a, b, beta});
    __real_cblas_sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void gemm_log_start(void) {
    for (int t = 0; t < MAX_THREADS; t++)
        lists[t].n = 0;
    recording = true;
}

void gemm_log_stop(void) {
    recording = false;
}

double gemm_log_flops(void) {
    double flops = 0;
    for (int t = 0; t < MAX_THREADS; t++)
        for (size_t i = 0; i < lists[t].n; i++) {
            const call *c = &lists[t].calls[i];
            flops += 2.0 * c->m * c->n * c->k;
        }
    return flops;
}

static void play_thread(const list *l) {
    for (size_t i = 0; i < l->n; i++) {
        const call *c = &l->calls[i];
        __real_cblas_sgemm(CblasRowMajor, c->a_transposed, c->b_transposed, c->m, c->n, c->k, 1,
                           c->a, c->lda, c->b, c->ldb, c->beta, l->result, c->ldc);
    }
}

void gemm_log_play(int n_threads) {
#pragma omp parallel num_threads(n_threads)
    {
        omp_set_num_threads(1); // this thread's, within the region: each product is one thread's
        play_thread(&lists[omp_get_thread_num()]);
    }
}
