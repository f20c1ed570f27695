// Random streams: the generator's known answers, independence of streams, distributions.

#include "base/random.h"
#include "base/status.h"

#include <Random123/philox.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

Test(random, philox_gives_its_known_answers) {
    // Random123's kat_vectors for philox4x32-10: counter and key all zero.
    const philox4x32_ctr_t counter = {{0}};
    const philox4x32_key_t key = {{0}};
    const philox4x32_ctr_t zero = philox4x32(counter, key);
    const uint32_t expected[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    for (int i = 0; i < 4; i++)
        cr_expect_eq(zero.v[i], expected[i]);
}

Test(random, a_stream_is_its_triple) {
    // seed -> key, (block, purpose, index) -> counter: the documented layout, which saved runs rely
    // on.
    mr_random random = mr_random_stream(0x123456789abcdef0, MR_STREAM_TEST, 0xfedcba9876543210);
    const philox4x32_key_t key = {{0x9abcdef0, 0x12345678}};
    for (uint32_t block = 0; block < 3; block++) {
        const philox4x32_ctr_t counter = {{block, MR_STREAM_TEST, 0x76543210, 0xfedcba98}};
        const philox4x32_ctr_t expected = philox4x32(counter, key);
        for (int i = 0; i < 4; i++)
            cr_expect_eq(mr_random_u32(&random), expected.v[i]);
    }
}

Test(random, streams_of_neighbouring_indices_and_purposes_differ) {
    mr_random a = mr_random_stream(1, MR_STREAM_ENV, 0);
    mr_random b = mr_random_stream(1, MR_STREAM_ENV, 1);
    mr_random c = mr_random_stream(1, MR_STREAM_EVAL, 0);
    mr_random d = mr_random_stream(2, MR_STREAM_ENV, 0);
    const uint64_t first = mr_random_u64(&a);
    cr_expect_neq(first, mr_random_u64(&b));
    cr_expect_neq(first, mr_random_u64(&c));
    cr_expect_neq(first, mr_random_u64(&d));
}

Test(random, a_copy_goes_on_alike) {
    mr_random a = mr_random_stream(1, MR_STREAM_TEST, 0);
    mr_random_u32(&a);
    mr_random b = a;
    for (int i = 0; i < 10; i++)
        cr_expect_eq(mr_random_u32(&a), mr_random_u32(&b));
}

/// Moments of n numbers.
typedef struct {
    double mean, variance, kurtosis;
} moments;

static moments moments_of(size_t n, const mr_real *x) {
    moments m = {0};
    for (size_t i = 0; i < n; i++)
        m.mean += (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)x[i] - m.mean;
        m.variance += d * d / (double)n;
        m.kurtosis += d * d * d * d / (double)n;
    }
    m.kurtosis /= m.variance * m.variance;
    return m;
}

Test(random, normals_have_normal_moments) {
    enum { N = 1000001 };
    mr_real *x = malloc(N * sizeof *x);
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    cr_assert_not_null(x);
    mr_random_fill_normal(&random, N, x);
    const moments m = moments_of(N, x);
    // Five standard errors: 1/sqrt(n), sqrt(2/n), sqrt(24/n).
    cr_expect_float_eq(m.mean, 0, 5e-3);
    cr_expect_float_eq(m.variance, 1, 7.1e-3);
    cr_expect_float_eq(m.kurtosis, 3, 2.45e-2);
    for (size_t i = 0; i < N; i++)
        cr_assert(isfinite(x[i]));
    free(x);
}

Test(random, single_normals_have_normal_moments) {
    enum { N = 200000 };
    mr_real *x = malloc(N * sizeof *x);
    mr_random random = mr_random_stream(2, MR_STREAM_TEST, 0);
    cr_assert_not_null(x);
    for (size_t i = 0; i < N; i++)
        x[i] = (mr_real)mr_random_normal(&random);
    const moments m = moments_of(N, x);
    cr_expect_float_eq(m.mean, 0, 5 / sqrt(N));
    cr_expect_float_eq(m.variance, 1, 5 * sqrt(2.0 / N));
    cr_expect_float_eq(m.kurtosis, 3, 5 * sqrt(24.0 / N));
    free(x);
}

Test(random, below_is_uniform_and_stays_below) {
    enum { N = 70000, RANGE = 7 };
    size_t count[RANGE] = {0};
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    for (int i = 0; i < N; i++)
        count[mr_random_below(&random, RANGE)]++;
    double chi_squared = 0;
    for (int k = 0; k < RANGE; k++)
        chi_squared += pow((double)count[k] - N / RANGE, 2) / (N / RANGE);
    cr_expect_lt(chi_squared, 22.46); // the 99.9% point of 6 degrees of freedom
    for (int i = 0; i < 100; i++)
        cr_expect_eq(mr_random_below(&random, 1), 0);
}

Test(random, between_keeps_its_bounds) {
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    double low = 1e9, high = -1e9;
    for (int i = 0; i < 100000; i++) {
        const double x = mr_random_between(&random, -2, 3);
        low = fmin(low, x);
        high = fmax(high, x);
    }
    cr_expect(low >= -2 && low < -1.999);
    cr_expect(high < 3 && high > 2.999);
}
