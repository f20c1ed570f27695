// Starting the threads of OpenMP.

#include "base/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

static atomic_int n_started = 1; // so far, with the first, which is the caller

static size_t stack_size(void) {
    pthread_attr_t attributes;
    size_t n_bytes = 0;
    if (pthread_getattr_default_np(&attributes) != 0)
        return 0;
    pthread_attr_getstacksize(&attributes, &n_bytes);
    pthread_attr_destroy(&attributes);
    return n_bytes;
}

mr_status mr_threads_check(int n_threads) {
    if (n_threads >= 1)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE, "%d threads asked for; ask for at least 1", n_threads);
}

mr_status mr_threads_start(int n_threads) {
    if (n_threads <= n_started)
        return MR_OK;
    const size_t n_bytes = (size_t)(n_threads - 1) * stack_size();
    void *stacks = n_bytes > 0
                       ? mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0)
                       : NULL;
    if (stacks == MAP_FAILED)
        return mr_fail(MR_ERR_MEMORY,
                       "out of memory for the stacks of %d threads; raise the limit (ulimit -v), "
                       "free some memory, or use fewer threads",
                       n_threads);
    if (stacks != NULL)
        munmap(stacks, n_bytes);
    int n_running = 0; // a region that does nothing would be optimised away
#pragma omp parallel num_threads(n_threads) reduction(+ : n_running)
    n_running++;
    n_started = n_running;
    return MR_OK;
}
