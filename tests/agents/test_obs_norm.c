#include "agents/obs_norm.h"

#include "base/random.h"
#include "tests/scratch.h"

#include <math.h>

TestSuite(obs_norm, .init = scratch_enter, .fini = scratch_leave);

enum { DIM = 3, N = 1000 };

// The last component is constant, and far from 0.
static void draw(double obs[N][DIM]) {
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < N; i++) {
        obs[i][0] = 1e3 + mr_random_normal(&random);
        obs[i][1] = 50 * mr_random_normal(&random);
        obs[i][2] = 7;
    }
}

static mr_obs_norm *norm_of(size_t n, double obs[N][DIM]) {
    mr_obs_norm *norm;
    cr_assert_eq(mr_obs_norm_new(DIM, &norm), MR_OK);
    for (size_t i = 0; i < n; i++)
        mr_obs_norm_add(norm, obs[i]);
    return norm;
}

// Against sums over all of them at once: 1e3 * 2^-53 * sqrt(N) = 4e-12.
Test(obs_norm, has_the_mean_and_deviation_of_all_that_was_seen) {
    double obs[N][DIM];
    draw(obs);
    mr_obs_norm *norm = norm_of(N, obs);
    for (size_t j = 0; j < DIM; j++) {
        double mean = 0, squares = 0;
        for (size_t i = 0; i < N; i++)
            mean += obs[i][j] / N;
        for (size_t i = 0; i < N; i++)
            squares += (obs[i][j] - mean) * (obs[i][j] - mean) / N;
        cr_expect_float_eq(mr_obs_norm_mean(norm)[j], mean, 1e-11);
        cr_expect_float_eq(mr_obs_norm_std(norm)[j], sqrt(squares + 1e-8), 1e-11);
    }
    mr_obs_norm_free(norm);
}

Test(obs_norm, leaves_observations_alone_before_the_first) {
    const mr_real obs[DIM] = {1, -2, 3};
    mr_real out[DIM];
    double unused[N][DIM];
    mr_obs_norm *norm = norm_of(0, unused);
    mr_obs_norm_apply(norm, 1, obs, out);
    cr_expect_arr_eq(out, obs, sizeof obs);
    mr_obs_norm_free(norm);
}

Test(obs_norm, clips_what_is_far_away_and_keeps_what_is_not_finite) {
    cr_expect_eq(mr_obs_standardise(5, 1, 2), 2);
    cr_expect_eq(mr_obs_standardise(100, 1, 2), 10);
    cr_expect_eq(mr_obs_standardise(-100, 1, 2), -10);
    cr_expect(isnan(mr_obs_standardise(NAN, 1, 2)));
    cr_expect(isinf(mr_obs_standardise(INFINITY, 1, 2)));
}

Test(obs_norm, goes_on_from_a_file_with_the_same_bits) {
    double obs[N][DIM];
    draw(obs);
    mr_tensors_writer *writer;
    mr_tensors *file;
    mr_obs_norm *whole = norm_of(N / 2, obs), *resumed = norm_of(0, obs);
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_obs_norm_write(whole, writer), MR_OK);
    cr_assert_eq(mr_tensors_writer_write(writer, "a.safetensors"), MR_OK);
    mr_tensors_writer_free(writer);
    cr_assert_eq(mr_tensors_open("a.safetensors", &file), MR_OK);
    cr_assert_eq(mr_obs_norm_read(resumed, file), MR_OK, "%s", mr_error_message());
    mr_tensors_close(file);
    for (size_t i = N / 2; i < N; i++) {
        cr_expect_arr_eq(mr_obs_norm_std(whole), mr_obs_norm_std(resumed), DIM * sizeof(double));
        mr_obs_norm_add(whole, obs[i]);
        mr_obs_norm_add(resumed, obs[i]);
    }
    cr_expect_arr_eq(mr_obs_norm_mean(whole), mr_obs_norm_mean(resumed), DIM * sizeof(double));
    mr_obs_norm_free(whole);
    mr_obs_norm_free(resumed);
}
