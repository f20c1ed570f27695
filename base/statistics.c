// Means and their bootstrap intervals.

#include "base/statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/random.h"

enum { N_SAMPLES = 10000 };

static const double tail = 0.025; // on either side of the interval

int mr_ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double mr_mean(size_t n, double *scores) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += scores[i];
    return sum / (double)n;
}

double mr_interquartile_mean(size_t n, double *scores) {
    const double first = 0.25 * (double)n, last = 0.75 * (double)n;
    double sum = 0;
    qsort(scores, n, sizeof *scores, mr_ascending);
    for (size_t i = 0; i < n; i++)
        sum += scores[i] * fmax(0, fmin((double)i + 1, last) - fmax((double)i, first));
    return sum / (last - first);
}

// Between the two nearest of the sorted values, as numpy.percentile does.
static double percentile(size_t n, const double *sorted, double fraction) {
    const double at = fraction * (double)(n - 1);
    const size_t i = (size_t)at;
    const double next = i + 1 < n ? sorted[i + 1] : sorted[i];
    return sorted[i] + (at - (double)i) * (next - sorted[i]);
}

mr_status mr_bootstrap_interval(mr_statistic *statistic, size_t n, const double *scores,
                                mr_confidence_interval *out) {
    double *drawn = calloc(n, sizeof *drawn), *values = calloc(N_SAMPLES, sizeof *values);
    const bool is_there = drawn != NULL && values != NULL;
    mr_random random = mr_random_stream(0, MR_STREAM_BOOTSTRAP, n);
    for (size_t k = 0; k < N_SAMPLES && is_there; k++) {
        for (size_t i = 0; i < n; i++)
            drawn[i] = scores[mr_random_below(&random, n)];
        values[k] = statistic(n, drawn);
    }
    if (is_there) {
        qsort(values, N_SAMPLES, sizeof *values, mr_ascending);
        *out = (mr_confidence_interval){percentile(N_SAMPLES, values, tail),
                                        percentile(N_SAMPLES, values, 1 - tail)};
    }
    free(drawn);
    free(values);
    return is_there ? MR_OK : mr_fail_memory("a bootstrap interval");
}
