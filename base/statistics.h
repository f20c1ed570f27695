/// Statistics of few scores, as Agarwal et al. 2021 (arXiv:2108.13264) recommend for runs.
#pragma once

#include "base/status.h"

#include <stddef.h>

/// The mean of the middle half of the scores [n], which are sorted by it; a score that falls on a
/// quartile counts by its fraction. n > 0.
double mr_interquartile_mean(size_t n, double *scores);

typedef struct {
    double low, high;
} mr_interval;

/// The 95 % interval of the interquartile mean by 10,000 bootstrap samples of the scores [n]
/// (percentile method). The same scores give the same interval.
mr_status mr_bootstrap_interval(size_t n, const double *scores, mr_interval *out);
