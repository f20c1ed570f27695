// Entropies by nearest neighbours against those that are known.

#include "agents/entropy.h"
#include "base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { N = 4000, K = 3 };

static double estimate(size_t n, size_t dim, const double *x, int n_threads) {
    double entropy = NAN;
    cr_assert_eq(mr_entropy_of_points(n, dim, x, K, n_threads, &entropy), MR_OK);
    return entropy;
}

// Each point's share has the deviation of log e_i, some sqrt(1/K) d, plus that of log p: over 4,000
// points 0.02 to 0.05. The bias at this n is smaller in few dimensions.
static const double tolerance = 0.1;

// log std differs by column, so that a mistaken scale shows: d/2 log(2 pi e) + sum log std.
Test(entropy, a_gaussian_has_its_own) {
    static double x[N * 3];
    static const double std[] = {0.01, 1, 50};
    for (size_t dim = 1; dim <= 3; dim++) {
        mr_random random = mr_random_stream(21, MR_STREAM_TEST, dim);
        double expected = (double)dim / 2 * log(2 * M_PI * M_E);
        for (size_t i = 0; i < N * dim; i++)
            x[i] = 5 + std[i % dim] * mr_random_normal(&random);
        for (size_t j = 0; j < dim; j++)
            expected += log(std[j]);
        const double found = estimate(N, dim, x, 1);
        cr_expect_float_eq(found, expected, tolerance, "%zu dimensions: %g, expected %g", dim,
                           found, expected);
    }
}

Test(entropy, a_uniform_has_the_log_of_its_volume) {
    static double x[N * 2];
    mr_random random = mr_random_stream(22, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < N; i++) {
        x[2 * i] = mr_random_between(&random, -1.5, 1.5);
        x[2 * i + 1] = mr_random_between(&random, 0, 0.1);
    }
    cr_expect_float_eq(estimate(N, 2, x, 1), log(3 * 0.1), tolerance);
}

Test(entropy, is_the_same_for_one_thread_and_for_two) {
    static double x[N];
    mr_random random = mr_random_stream(23, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < N; i++)
        x[i] = mr_random_normal(&random);
    cr_expect_eq(estimate(N, 1, x, 1), estimate(N, 1, x, 2));
}

// Two places that are visited over and over: the least distance, 1e-6, from each to its neighbours.
Test(entropy, points_that_coincide_have_a_finite_one) {
    static double x[100];
    for (size_t i = 0; i < 100; i++)
        x[i] = i % 2 == 0 ? -1 : 1;
    const double psi = log(100.0) - 1.0 / 200 - (1.5 - 0.57721566490153286);
    cr_expect_float_eq(estimate(100, 1, x, 1), psi + log(2) + log(1e-6), 1e-4);
}
