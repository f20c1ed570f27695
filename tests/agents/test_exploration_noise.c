#include "agents/exploration_noise.h"

#include "tests/scratch.h"

#include <math.h>

TestSuite(exploration_noise, .init = scratch_enter, .fini = scratch_leave);

enum { N_ENVS = 3, DIM = 2, LONGEST = 16 };

static mr_exploration_noise *noise_new(size_t longest) {
    mr_exploration_noise *noise;
    const mr_exploration_options options = {.longest = longest, .exponent = 2};
    cr_assert_eq(mr_exploration_noise_new(&options, N_ENVS, DIM, &noise), MR_OK);
    return noise;
}

// As an agent draws it: from the step's own stream.
static const mr_real *draw(mr_exploration_noise *noise, size_t step) {
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, step);
    return mr_exploration_noise_draw(noise, N_ENVS, step, &random);
}

Test(exploration_noise, is_fresh_at_every_step_without_repetition) {
    mr_exploration_noise *noise = noise_new(1);
    for (size_t step = 0; step < 30; step += N_ENVS) {
        mr_real expected[N_ENVS * DIM];
        mr_random random = mr_random_stream(1, MR_STREAM_TEST, step);
        mr_random_fill_normal(&random, N_ENVS * DIM, expected);
        cr_expect_arr_eq(draw(noise, step), expected, sizeof expected);
    }
    mr_exploration_noise_free(noise);
}

// Counts how long environment 0's noise is kept. Of n draws, a share with probability p has the
// standard deviation sqrt(p (1 - p) / n): four of them.
Test(exploration_noise, is_kept_for_as_many_steps_as_the_zeta_law_says) {
    enum { N_STEPS = 200000 };
    size_t counts[LONGEST + 1] = {0}, n_draws = 0, length = 0;
    mr_real before = NAN;
    double sum = 0;
    mr_exploration_noise *noise = noise_new(LONGEST);
    for (size_t t = 0; t < N_STEPS; t++) {
        const mr_real now = draw(noise, t * N_ENVS)[0];
        if (now != before && length > 0) {
            cr_assert_leq(length, LONGEST);
            counts[length]++;
            n_draws++;
            length = 0;
        }
        before = now;
        length++;
    }
    for (size_t n = 1; n <= LONGEST; n++)
        sum += 1 / (double)(n * n);
    for (size_t n = 1; n <= LONGEST; n++) {
        const double p = 1 / (double)(n * n) / sum, found = (double)counts[n] / (double)n_draws;
        cr_expect_float_eq(found, p, 4 * sqrt(p * (1 - p) / (double)n_draws), "%zu steps: %g, %g",
                           n, found, p);
    }
    mr_exploration_noise_free(noise);
}

// A step that failed is taken again.
Test(exploration_noise, is_the_same_for_the_same_step) {
    mr_exploration_noise *noise = noise_new(LONGEST);
    for (size_t step = 0; step < 300; step += N_ENVS) {
        mr_real first[N_ENVS * DIM];
        memcpy(first, draw(noise, step), sizeof first);
        cr_expect_arr_eq(draw(noise, step), first, sizeof first);
    }
    mr_exploration_noise_free(noise);
}
