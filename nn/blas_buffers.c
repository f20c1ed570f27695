// Asks the system for what OpenBLAS is about to ask it for.

#include "nn/blas_buffers.h"

#include <cblas.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

// BUFFER_SIZE on x86-64; other processors have no larger ones.
static const size_t buffer_size = (size_t)128 << 20;

// How OpenBLAS takes a buffer before a product and hands it back afterwards, to the pool that it
// takes the next from. cblas.h does not have them.
extern void *blas_memory_alloc(int purpose) __attribute__((weak));
extern void blas_memory_free(void *buffer) __attribute__((weak));

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int n_reserved; // buffers that the pool has for certain

// Built for OpenMP, it takes a buffer for each of its threads as it is loaded. All but the first
// are handed back when it becomes single-threaded.
static int make_single_threaded(void) {
    const int n_pooled =
        openblas_get_parallel() == OPENBLAS_OPENMP ? openblas_get_num_threads() - 1 : 0;
    openblas_set_num_threads(1);
    return n_pooled;
}

static bool has_room(size_t n_bytes) {
    void *memory = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED && munmap(memory, n_bytes) == 0;
}

// Holds all of them at once, so that the pool has as many in the end.
static mr_status fill_pool(size_t n, size_t n_pooled) {
    mr_status status = MR_OK;
    size_t n_taken = 0;
    void **buffer = calloc(n, sizeof *buffer);
    if (buffer == NULL)
        return mr_fail_memory("OpenBLAS");
    for (; n_taken < n && (n_taken < n_pooled || has_room(buffer_size)); n_taken++)
        buffer[n_taken] = blas_memory_alloc(0);
    if (n_taken < n)
        status = mr_fail(MR_ERR_MEMORY,
                         "out of memory for OpenBLAS, which takes 128 MB of address space for each "
                         "thread; raise the limit (ulimit -v, ulimit -d), free some memory, or use "
                         "fewer threads");
    while (n_taken > 0)
        blas_memory_free(buffer[--n_taken]);
    free(buffer);
    return status;
}

mr_status mr_blas_reserve(int n_threads) {
    mr_status status = MR_OK;
    pthread_mutex_lock(&mutex);
    const int n_pooled = make_single_threaded();
    if (n_threads > n_reserved && blas_memory_alloc != NULL && blas_memory_free != NULL)
        status =
            fill_pool((size_t)n_threads, (size_t)(n_pooled > n_reserved ? n_pooled : n_reserved));
    if (status == MR_OK && n_threads > n_reserved)
        n_reserved = n_threads;
    pthread_mutex_unlock(&mutex);
    return status;
}
