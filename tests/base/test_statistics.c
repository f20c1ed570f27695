#include "base/statistics.h"

#include <criterion/criterion.h>

// By hand: of four scores the middle two; of five, 0.75 of the second and fourth and all of the
// third, by 2.5; of one, itself.
Test(statistics, interquartile_means_count_scores_on_a_quartile_by_their_fraction) {
    double four[] = {100, 2, 4, -50}, five[] = {9, 1, 2, 100, 4}, one[] = {3};
    cr_expect_eq(mr_interquartile_mean(4, four), 3);
    cr_expect_eq(mr_interquartile_mean(5, five), (0.75 * 2 + 4 + 0.75 * 9) / 2.5);
    cr_expect_eq(mr_interquartile_mean(1, one), 3);
}

// Of two scores the interquartile mean is the mean: 0, 1/2 or 1 with probabilities 1/4, 1/2, 1/4,
// so that the interval goes from 0 to 1. It is the same every time.
Test(statistics, intervals_are_percentiles_of_bootstrap_samples) {
    const double two[] = {0, 1}, same[] = {5, 5, 5};
    mr_confidence_interval a, b;
    cr_assert_eq(mr_bootstrap_interval(mr_interquartile_mean, 2, two, &a), MR_OK);
    cr_expect(a.low == 0 && a.high == 1, "%g to %g", a.low, a.high);
    cr_assert_eq(mr_bootstrap_interval(mr_interquartile_mean, 3, same, &a), MR_OK);
    cr_expect(a.low == 5 && a.high == 5);
    const double several[] = {1, 5, 2, 8, 3, 9, 4};
    cr_assert_eq(mr_bootstrap_interval(mr_interquartile_mean, 7, several, &a), MR_OK);
    cr_assert_eq(mr_bootstrap_interval(mr_interquartile_mean, 7, several, &b), MR_OK);
    cr_expect(a.low == b.low && a.high == b.high);
}

// The number of hundreds among ten draws from 0, 0, 0, 0 and six hundreds is binomial with p = 0.6:
// P(<= 2) = 0.012, P(<= 3) = 0.055, P(<= 8) = 0.954, P(<= 9) = 0.994.
Test(statistics, intervals_of_a_mean_are_those_of_its_distribution) {
    double scores[] = {0, 100, 100, 0, 100, 0, 100, 100, 100, 0};
    mr_confidence_interval a;
    cr_expect_eq(mr_mean(10, scores), 60);
    cr_assert_eq(mr_bootstrap_interval(mr_mean, 10, scores, &a), MR_OK);
    cr_expect(a.low == 30 && a.high == 90, "%g to %g", a.low, a.high);
}
