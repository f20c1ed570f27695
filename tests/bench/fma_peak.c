// A bare loop of fused multiply-adds.

#include "fma_peak.h"

#include "base/clock.h"
#include "base/threads.h"

#include <stddef.h>

#if defined __AVX512F__
enum { WIDTH = 16 };
#elif defined __AVX__
enum { WIDTH = 8 };
#else
enum { WIDTH = 4 };
#endif

// Enough that none waits for another: two a cycle, each of which takes four to five.
enum { N_CHAINS = 12, N_STEPS = 100000 };

typedef float lanes __attribute__((vector_size(WIDTH * sizeof(float))));

static volatile float factor = 0.5F; // a compiler can't foresee it

// The chains' sum. They start apart, so that one can't be computed for all.
static lanes spin(void) {
    lanes x[N_CHAINS] = {0}, sum = {0};
    const float a = factor;
    for (size_t c = 0; c < N_CHAINS; c++)
        x[c] += (float)c;
    for (size_t i = 0; i < N_STEPS; i++)
        for (size_t c = 0; c < N_CHAINS; c++)
            x[c] = x[c] * a + 1.0F;
    for (size_t c = 0; c < N_CHAINS; c++)
        sum += x[c];
    return sum;
}

static void spin_once(void *self, size_t i) {
    const volatile lanes kept = spin();
    (void)kept, (void)self, (void)i;
}

double fma_peak(int n_threads) {
    const double begun = mr_clock_s();
    mr_threads_run(n_threads, (size_t)n_threads, spin_once, NULL);
    return 2.0 * N_STEPS * N_CHAINS * WIDTH * n_threads / (mr_clock_s() - begun);
}
