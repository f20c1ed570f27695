// OpenBLAS's threads, kernels and memory.

#include "nn/openblas.h"

#include <cblas.h>
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// ---- Kernels

static const char variable[] = "OPENBLAS_CORETYPE";

// OpenBLAS's own choice of kernels, which it makes when it is loaded. cblas.h does not declare
// them, and a library that is built for one processor does not have them.
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

// The best kernels of 0.3.21 for this processor; NULL if its own choice may be right.
static const char *best_core(void) {
#ifdef __x86_64__
    const bool has_avx512 = __builtin_cpu_supports("avx512vl") &&
                            __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512dq");
    if (has_avx512)
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}

void mr_openblas_choose_kernels(void) {
    const char *core = best_core();
    const bool is_fallback = strcmp(openblas_get_corename(), "Prescott") == 0;
    if (!core || !is_fallback || getenv(variable) || !gotoblas_dynamic_init)
        return;
    if (setenv(variable, core, 1) != 0)
        return;
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
    unsetenv(variable);
}

// ---- Memory

// BUFFER_SIZE on x86-64; other processors have no larger ones.
static const size_t buffer_size = (size_t)128 << 20;

// OpenBLAS takes a buffer from its pool before a product and returns it afterwards. cblas.h does
// not declare them.
extern void *blas_memory_alloc(int purpose) __attribute__((weak));
extern void blas_memory_free(void *buffer) __attribute__((weak));

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int n_reserved; // buffers that the pool has at least
static atomic_bool is_allowed;

// An OpenBLAS that is built for OpenMP takes a buffer for each of its threads when it is loaded,
// and returns all but the first to the pool when it becomes single-threaded.
static void make_single_threaded(void) {
    pthread_mutex_lock(&mutex);
    if (openblas_get_parallel() == OPENBLAS_OPENMP)
        n_reserved = openblas_get_num_threads() - 1;
    openblas_set_num_threads(1);
    pthread_mutex_unlock(&mutex);
}

static bool is_available(size_t n_bytes) {
    void *memory = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED && munmap(memory, n_bytes) == 0;
}

// Takes n buffers at once and returns them, so that the pool then has n.
static mr_status fill_pool(size_t n) {
    mr_status status = MR_OK;
    size_t n_taken = 0;
    void **buffer = calloc(n, sizeof *buffer);
    if (buffer == NULL)
        return mr_fail_memory("OpenBLAS");
    for (; n_taken < n && (n_taken < (size_t)n_reserved || is_available(buffer_size)); n_taken++)
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

mr_status mr_openblas_reserve(int n_threads) {
    mr_status status = MR_OK;
    if (!is_allowed)
        return mr_fail(MR_ERR_USAGE, "the library is not initialised; call mr_init first");
    pthread_mutex_lock(&mutex);
    if (n_threads > n_reserved && blas_memory_alloc != NULL && blas_memory_free != NULL)
        status = fill_pool((size_t)n_threads);
    if (status == MR_OK && n_threads > n_reserved)
        n_reserved = n_threads;
    pthread_mutex_unlock(&mutex);
    return status;
}

// ---- For mr_init

void mr_openblas_take(void) {
    const int n_kept = omp_get_max_threads();
    mr_openblas_choose_kernels();
    make_single_threaded();
    omp_set_num_threads(n_kept); // OpenBLAS 0.3.21 sets OpenMP's number with its own
}

void mr_openblas_allow(void) {
    is_allowed = true;
}
