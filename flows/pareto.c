// The tail of importance ratios: a generalised Pareto distribution by the method of Zhang and
// Stephens 2009 (Technometrics 51, 316-325): a posterior mean of theta = -k/sigma over a grid, k
// profiled out.

#include "flows/vi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MIN_GRID = 30,
    MIN_TAIL = 5,    // fewer say nothing
    PRIOR_DRAWS = 10 // k is drawn towards prior_k as by so many: Vehtari et al., appendix C
};

static const double prior_k = 0.5, prior_scale = 3;

static int descending(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return a < b ? 1 : a > b ? -1 : 0;
}

static size_t tail_length(size_t n) {
    return (size_t)ceil(fmin(0.2 * (double)n, 3 * sqrt((double)n)));
}

// k that is likeliest for theta: the mean of log(1 - theta x).
static double profile_k(double theta, size_t n, const double *x) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += log1p(-theta * x[i]);
    return sum / (double)n;
}

static double profile_log_likelihood(double theta, size_t n, const double *x) {
    const double k = profile_k(theta, n, x);
    return (double)n * (log(-theta / k) - k - 1);
}

// x [n] are excesses over the threshold, descending, above 0.
static double fit_k(size_t n, const double *x) {
    const size_t n_grid = MIN_GRID + (size_t)sqrt((double)n);
    const double quartile = x[n - (size_t)((double)n / 4 + 0.5)];
    double sum = 0, weights = 0, highest = -INFINITY;
    // The weights are relative to the highest so far, so that none overflows.
    for (size_t j = 1; j <= n_grid; j++) {
        const double theta =
            1 / x[0] + (1 - sqrt((double)n_grid / ((double)j - 0.5))) / (prior_scale * quartile);
        const double l = profile_log_likelihood(theta, n, x);
        if (!isfinite(l)) // theta = 0, by chance: its neighbours stand for it
            continue;
        const double fall = exp(highest - fmax(highest, l));
        highest = fmax(highest, l);
        weights = weights * fall + exp(l - highest);
        sum = sum * fall + theta * exp(l - highest);
    }
    const double k = profile_k(sum / weights, n, x);
    return (k * (double)n + prior_k * PRIOR_DRAWS) / ((double)n + PRIOR_DRAWS);
}

mr_status mr_pareto_k(size_t n, const double *log_ratios, double *k) {
    const size_t n_tail = tail_length(n);
    size_t n_above = 0;
    double *x = malloc((n + 1) * sizeof *x);
    if (!x)
        return mr_fail_memory("the importance ratios");
    memcpy(x, log_ratios, n * sizeof *x);
    qsort(x, n, sizeof *x, descending);
    const double largest = n > 0 ? x[0] : 0, threshold = n_tail < n ? x[n_tail] : -INFINITY;
    // What rounds to the threshold is no part of the tail.
    for (; n_above < n_tail; n_above++) {
        x[n_above] = exp(x[n_above] - largest) - exp(threshold - largest);
        if (!(x[n_above] > 0))
            break;
    }
    *k = n_above < MIN_TAIL ? -INFINITY : fit_k(n_above, x);
    free(x);
    return MR_OK;
}
