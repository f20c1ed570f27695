/// Cells far out in tables of data, by deviations that a few of them cannot spoil.
#pragma once

#include "base/status.h"

#include <stddef.h>

/// The middle and the robust deviation of each column of x [n x dim]: its median, and 1.4826 times
/// the median distance from it, which of normal data is the standard deviation. Where more than
/// half of a column is one number, the second is 1.2533 times the mean distance (Iglewicz and
/// Hoaglin 1993); 0 for a constant column. Fails with MR_ERR_MEMORY alone.
mr_status mr_robust_scale(size_t n, size_t dim, const double *x, double *middle, double *deviation);

/// The cells that lie more than `max` robust deviations from their column's middle.
typedef struct {
    size_t n_cells;
    size_t row, column; // of the one farthest out, from 0
    double value;       // its own
    double distance;    // of it, in robust deviations
} mr_outliers;

mr_outliers mr_find_outliers(size_t n, size_t dim, const double *x, const double *middle,
                             const double *deviation, double max);

/// Clips these cells to `max` deviations from the middle. Returns how many there were.
size_t mr_clip_outliers(size_t n, size_t dim, double *x, const double *middle,
                        const double *deviation, double max);
