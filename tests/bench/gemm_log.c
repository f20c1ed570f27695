// Recording and replaying matrix products.

#include "gemm_log.h"

#include <cblas.h>
#include <omp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/threads.h"

enum { MAX_CALLS = 4096 };

typedef struct {
    CBLAS_TRANSPOSE a_transposed, b_transposed;
    blasint m, n, k, lda, ldb, ldc;
    const float *a, *b;
    float beta;
    float *result; // of the log's own
} call;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static size_t n_calls;
static call calls[MAX_CALLS];
static bool recording;

void __real_cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m,
                        blasint n, blasint k, float alpha, const float *a, blasint lda,
                        const float *b, blasint ldb, float beta, float *c, blasint ldc);
void __wrap_cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m,
                        blasint n, blasint k, float alpha, const float *a, blasint lda,
                        const float *b, blasint ldb, float beta, float *c, blasint ldc);

static void record(call c) {
    c.result = calloc((size_t)c.m * (size_t)c.ldc, sizeof *c.result);
    pthread_mutex_lock(&mutex);
    if (n_calls == MAX_CALLS || c.result == NULL) {
        fprintf(stderr, "gemm_log: more than %d calls; raise MAX_CALLS\n", MAX_CALLS);
        exit(1);
    }
    calls[n_calls++] = c;
    pthread_mutex_unlock(&mutex);
}

void __wrap_cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m,
                        blasint n, blasint k, float alpha, const float *a, blasint lda,
                        const float *b, blasint ldb, float beta, float *c, blasint ldc) {
    if (recording)
        record((call){ta, tb, m, n, k, lda, ldb, ldc, a, b, beta, NULL});
    __real_cblas_sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void gemm_log_start(void) {
    for (; n_calls > 0; n_calls--)
        free(calls[n_calls - 1].result);
    recording = true;
}

void gemm_log_stop(void) {
    recording = false;
}

double gemm_log_flops(void) {
    double flops = 0;
    for (size_t i = 0; i < n_calls; i++)
        flops += 2.0 * calls[i].m * calls[i].n * calls[i].k;
    return flops;
}

// An OpenBLAS that is built for OpenMP would otherwise share out the product itself.
static void play(void *self, size_t i) {
    (void)self;
    const call *c = &calls[i];
    omp_set_num_threads(1);
    __real_cblas_sgemm(CblasRowMajor, c->a_transposed, c->b_transposed, c->m, c->n, c->k, 1, c->a,
                       c->lda, c->b, c->ldb, c->beta, c->result, c->ldc);
}

void gemm_log_play(int n_threads) {
    mr_threads_run(n_threads, n_calls, play, NULL);
}
