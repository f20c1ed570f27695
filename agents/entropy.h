/// The entropy of a distribution, estimated from points that were drawn from it.
#pragma once

#include "base/status.h"

#include <stddef.h>

/// The differential entropy, in nats and in the points' own units, by the distance of each point to
/// its k-th nearest neighbour:
///
///     H = psi(n) - psi(k) + log c_d + d/n sum log e_i
///
/// c_d the volume of the unit ball in d dimensions (Kozachenko and Leonenko 1987; the form is that
/// of Kraskov et al. 2004, arXiv:cond-mat/0305641, with Euclidean distances). Each feature is
/// standardised first, which no entropy changes but by sum log std. Distances count as 1e-6 at
/// least, so that points that coincide have a finite entropy.
///
///   x        [n x dim], n > k; every column varies
///   entropy  out
///
/// Takes time in proportion to n^2. Fails with MR_ERR_MEMORY alone.
mr_status mr_entropy_of_points(size_t n, size_t dim, const double *x, size_t k, int n_threads,
                               double *entropy);
