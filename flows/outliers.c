// Robust deviations, and what lies beyond so many of them.

#include "flows/outliers.h"

#include <math.h>
#include <stdlib.h>

static const double mad_factor = 1.4826;  // 1 / the third quartile of a standard normal
static const double mean_factor = 1.2533; // sqrt(pi / 2)

// The k-th smallest of values[n], from 0, which is moved to place k; those behind it are not
// smaller. Source: Hoare 1961, "Algorithm 65: find". Sorting would take ten times as long for a
// million.
static double find_nth(size_t n, double *values, size_t k) {
    size_t low = 0, high = n - 1;
    while (low < high) {
        const double pivot = values[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;; i++, j--) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i >= j)
                break;
            const double value = values[i];
            values[i] = values[j];
            values[j] = value;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return values[k];
}

static double median_of(size_t n, double *values) {
    const double lower = find_nth(n, values, (n - 1) / 2);
    return lower / 2 + find_nth(n, values, n / 2) / 2;
}

mr_status mr_robust_scale(size_t n, size_t dim, const double *x, double *middle,
                          double *deviation) {
    double *values = malloc((n + 1) * sizeof *values);
    if (!values)
        return mr_fail_memory("the data");
    for (size_t j = 0; j < dim && n > 0; j++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++)
            values[i] = x[i * dim + j];
        middle[j] = median_of(n, values);
        for (size_t i = 0; i < n; i++) {
            values[i] = fabs(x[i * dim + j] - middle[j]);
            mean += values[i] / (double)n;
        }
        deviation[j] = mad_factor * median_of(n, values);
        if (deviation[j] == 0)
            deviation[j] = mean_factor * mean;
    }
    free(values);
    return MR_OK;
}

mr_outliers mr_find_outliers(size_t n, size_t dim, const double *x, const double *middle,
                             const double *deviation, double max) {
    mr_outliers found = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < dim; j++) {
            const double distance = fabs(x[i * dim + j] - middle[j]) / deviation[j];
            if (!(distance > max)) // nor where a constant column makes it 0 / 0
                continue;
            found.n_cells++;
            if (distance > found.distance) {
                found.distance = distance;
                found.value = x[i * dim + j];
                found.row = i;
                found.column = j;
            }
        }
    return found;
}

size_t mr_clip_outliers(size_t n, size_t dim, double *x, const double *middle,
                        const double *deviation, double max) {
    size_t n_clipped = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < dim; j++) {
            const double low = middle[j] - max * deviation[j],
                         high = middle[j] + max * deviation[j];
            const double clipped = fmin(fmax(x[i * dim + j], low), high);
            n_clipped += clipped != x[i * dim + j];
            x[i * dim + j] = clipped;
        }
    return n_clipped;
}
