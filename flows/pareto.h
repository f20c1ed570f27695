/// How heavy the tail of importance ratios is.
#pragma once

#include "base/status.h"

/// The shape k of the generalised Pareto distribution that fits the largest of n ratios, given by
/// their logarithms [n] (-infinity for a ratio of 0). Ratios have a finite mean below k = 1 and a
/// finite variance below 1/2; beyond 0.7 a mean of a practicable number of them, and its standard
/// error, cannot be trusted. -INFINITY where the largest ratios are all the same: there is no tail.
/// Fails with MR_ERR_MEMORY alone.
///
/// Source: Vehtari, Simpson, Gelman, Yao and Gabry 2024 (arXiv:1507.02646), sections 3.1 and 3.2.
mr_status mr_pareto_k(size_t n, const double *log_ratios, double *k);
