/// What benchmarks share: clocks, a median.
#pragma once

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

/// Seconds that this thread has had a processor: what others do on the machine hardly changes them.
static inline double bench_busy(void) {
    struct timespec busy;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &busy);
    return (double)busy.tv_sec + 1e-9 * (double)busy.tv_nsec;
}

static inline int bench_ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/// Sorts values[n] and returns the middle one.
static inline double bench_median(size_t n, double *values) {
    qsort(values, n, sizeof *values, bench_ascending);
    return values[n / 2];
}
