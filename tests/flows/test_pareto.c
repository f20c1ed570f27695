// The shape of a tail, of samples whose shape is known.

#include "flows/vi.h"

#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "tests/scratch.h"

TestSuite(pareto);

enum { N = 50000 };

static double k_of(size_t n, const double *log_ratios) {
    double k = NAN;
    cr_assert_eq(mr_pareto_k(n, log_ratios, &k), MR_OK, "%s", mr_error_message());
    return k;
}

// A uniform U gives the Pareto variate U^-k, whose tail above any threshold is generalised Pareto
// with shape k exactly; its logarithm is -k log U, far beyond what exp could hold.
Test(pareto, finds_the_shape_of_pareto_samples) {
    static const double shapes[] = {0.2, 0.5, 0.7, 1, 1.5};
    static double l[N];
    for (size_t i = 0; i < MR_COUNT(shapes); i++) {
        mr_random random = mr_random_stream(31, MR_STREAM_TEST, i);
        for (size_t j = 0; j < N; j++)
            l[j] = 1000 - shapes[i] * log(1 - mr_random_uniform(&random));
        // The likelihood's estimate has the variance (1 + k)^2 / n (Smith 1987) with a tail of
        // 3 sqrt(N) = 671; the prior draws it towards 1/2 as ten of them would.
        const double n_tail = ceil(3 * sqrt(N)), error = (1 + shapes[i]) / sqrt(n_tail);
        const double drawn = 10 * fabs(0.5 - shapes[i]) / (n_tail + 10);
        cr_expect_float_eq(k_of(N, l), shapes[i], 4 * error + drawn, "k %g, not %g", k_of(N, l),
                           shapes[i]);
    }
}

// An exponential tail has shape 0, a uniform one -1.
Test(pareto, finds_light_tails) {
    static double l[N];
    mr_random random = mr_random_stream(32, MR_STREAM_TEST, 0);
    const double error = 1 / sqrt(671);
    for (size_t j = 0; j < N; j++)
        l[j] = log(-log(1 - mr_random_uniform(&random)));
    cr_expect_float_eq(k_of(N, l), 0, 4 * error + 10 * 0.5 / 681);
    for (size_t j = 0; j < N; j++)
        l[j] = log(1 - mr_random_uniform(&random));
    cr_expect_lt(k_of(N, l), -0.5);
}

Test(pareto, ratios_that_are_all_the_same_have_no_tail) {
    static double l[N];
    cr_expect_eq(k_of(N, l), -INFINITY);
    cr_expect_eq(k_of(1, l), -INFINITY);
    cr_expect_eq(k_of(0, l), -INFINITY);
    for (size_t j = 0; j < N; j++)
        l[j] = -INFINITY;
    cr_expect_eq(k_of(N, l), -INFINITY);
}

// One sample that outweighs the rest is what the shape is there to tell.
Test(pareto, few_ratios_above_many_zeros_are_still_told) {
    static double l[N];
    for (size_t j = 0; j < N; j++)
        l[j] = j < 10 ? (double)(j * j) : -INFINITY;
    cr_expect_gt(k_of(N, l), 1);
}
