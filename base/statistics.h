/// Statistics of few scores, as Agarwal et al. 2021 (arXiv:2108.13264) recommend for runs.
#pragma once

#include "base/status.h"

#include <stddef.h>

/// Compares doubles for qsort.
int mr_ascending(const void *a, const void *b);

/// A statistic of scores [n], whose order it may change. n > 0.
typedef double mr_statistic(size_t n, double *scores);

double mr_mean(size_t n, double *scores);

/// The mean of the middle half; a score that falls on a quartile counts by its fraction.
double mr_interquartile_mean(size_t n, double *scores);

typedef struct {
    double low, high;
} mr_confidence_interval;

/// The 95 % interval of a statistic by 10,000 bootstrap samples of the scores [n] (percentile
/// method). The same scores give the same interval.
mr_status mr_bootstrap_interval(mr_statistic *statistic, size_t n, const double *scores,
                                mr_confidence_interval *out);
