// Entropy by nearest neighbours.

#include "agents/entropy.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

enum { MAX_K = 16 };

static const double least_distance = 1e-6; // in standard deviations
static const double euler_gamma = 0.57721566490153286061;

// psi(n) for whole n.
static double digamma(size_t n) {
    double sum = -euler_gamma;
    for (size_t i = 1; i < n; i++)
        sum += 1 / (double)i;
    return sum;
}

// pi^(d/2) / Gamma(d/2 + 1).
static double log_unit_ball(size_t dim) {
    const double half = (double)dim / 2;
    return half * log(M_PI) - lgamma(half + 1);
}

// Standardises x into u; returns sum log std.
static double standardise(size_t n, size_t dim, const double *x, double *u) {
    double log_scale = 0;
    for (size_t j = 0; j < dim; j++) {
        double mean = 0, squares = 0;
        for (size_t i = 0; i < n; i++)
            mean += x[i * dim + j] / (double)n;
        for (size_t i = 0; i < n; i++)
            squares += (x[i * dim + j] - mean) * (x[i * dim + j] - mean);
        const double std = sqrt(squares / (double)n);
        for (size_t i = 0; i < n; i++)
            u[i * dim + j] = (x[i * dim + j] - mean) / std;
        log_scale += log(std);
    }
    return log_scale;
}

static double squared_distance(size_t dim, const double *a, const double *b) {
    double sum = 0;
    for (size_t j = 0; j < dim; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
}

// log of the distance of point i to its k-th nearest neighbour.
static double log_distance(size_t n, size_t dim, const double *u, size_t i, size_t k) {
    double nearest[MAX_K]; // squared, ascending
    assert(k > 0 && k <= MAX_K);
    for (size_t m = 0; m < k; m++)
        nearest[m] = INFINITY;
    for (size_t other = 0; other < n; other++) {
        const double d = squared_distance(dim, u + i * dim, u + other * dim);
        if (other == i || d >= nearest[k - 1])
            continue;
        size_t m = k - 1;
        for (; m > 0 && nearest[m - 1] > d; m--)
            nearest[m] = nearest[m - 1];
        nearest[m] = d;
    }
    return log(fmax(least_distance, sqrt(nearest[k - 1])));
}

/// The distances [n] of points u [n x dim].
typedef struct {
    size_t n, dim, k;
    const double *u;
    double *distance;
} neighbours;

static void find_neighbour(void *self, size_t i) {
    const neighbours *of = self;
    of->distance[i] = log_distance(of->n, of->dim, of->u, i, of->k);
}

mr_status mr_entropy_of_points(size_t n, size_t dim, const double *x, size_t k, int n_threads,
                               double *entropy) {
    assert(n > k && k >= 1 && k <= MAX_K);
    const mr_status status = mr_threads_start(n_threads);
    if (status != MR_OK)
        return status;
    double *u = malloc(n * dim * sizeof *u), *distance = malloc(n * sizeof *distance);
    if (!u || !distance) {
        free(u);
        free(distance);
        return mr_fail_memory("the entropy of states");
    }
    const double log_scale = standardise(n, dim, x, u);
    mr_threads_run(n_threads, n, find_neighbour, &(neighbours){n, dim, k, u, distance});
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += distance[i];
    *entropy =
        digamma(n) - digamma(k) + log_unit_ball(dim) + (double)dim * sum / (double)n + log_scale;
    free(u);
    free(distance);
    return MR_OK;
}
