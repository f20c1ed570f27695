// Robust deviations, where they are known.

#include "flows/outliers.h"

#include <math.h>

#include "base/random.h"
#include "tests/scratch.h"

TestSuite(outliers);

enum { N = 3001 };

static void draw(double x[N]) {
    mr_random random = mr_random_stream(51, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < N; i++)
        x[i] = 3 + 2 * mr_random_normal(&random);
}

// The median's error is 1.25 sigma / sqrt(n); that of 1.4826 times the median distance 1.17 sigma /
// sqrt(n) (37 % efficiency).
Test(outliers, one_wild_cell_does_not_move_the_scale_of_normal_data) {
    static double x[N];
    double middle, deviation;
    draw(x);
    x[1500] = 1e6;
    cr_assert_eq(mr_robust_scale(N, 1, x, &middle, &deviation), MR_OK);
    cr_expect_float_eq(middle, 3, 4 * 1.25 * 2 / sqrt(N));
    cr_expect_float_eq(deviation, 2, 4 * 1.17 * 2 / sqrt(N));
    const mr_outliers found = mr_find_outliers(N, 1, x, &middle, &deviation, 1000);
    cr_expect_eq(found.n_cells, 1);
    cr_expect_eq(found.row, 1500);
    cr_expect_float_eq(found.distance, (1e6 - middle) / deviation, 1e-6);
}

Test(outliers, clipping_moves_what_is_beyond_and_nothing_else) {
    static double x[N], before[N];
    double middle, deviation;
    draw(x);
    x[7] = 1e6;
    x[8] = -INFINITY;
    memcpy(before, x, sizeof x);
    cr_assert_eq(mr_robust_scale(N, 1, x, &middle, &deviation), MR_OK);
    x[8] = -1e300;
    cr_expect_eq(mr_clip_outliers(N, 1, x, &middle, &deviation, 20), 2);
    cr_expect_float_eq(x[7], middle + 20 * deviation, 1e-12);
    cr_expect_float_eq(x[8], middle - 20 * deviation, 1e-12);
    for (size_t i = 0; i < N; i++)
        cr_expect(i == 7 || i == 8 || x[i] == before[i]);
}

// 1.4826 times a median distance of 0 would be no scale: 1.2533 times the mean distance is.
Test(outliers, columns_that_are_mostly_one_number_have_a_scale) {
    double x[2 * 10], middle[2], deviation[2];
    for (size_t i = 0; i < 10; i++) {
        x[2 * i] = i < 2 ? 5 : 1;
        x[2 * i + 1] = 4;
    }
    cr_assert_eq(mr_robust_scale(10, 2, x, middle, deviation), MR_OK);
    cr_expect_eq(middle[0], 1);
    cr_expect_float_eq(deviation[0], 1.2533 * 0.8, 1e-12);
    cr_expect_eq(deviation[1], 0);
    cr_expect_eq(mr_find_outliers(10, 2, x, middle, deviation, 1000).n_cells, 0);
}
