// Adam and Polyak averaging against their papers' formulas in double.

#include "nn/optim.h"

#include <criterion/criterion.h>
#include <math.h>

enum { SIZE = 16 }; // one aligned run of the block

static mr_params *params_of(size_t n) {
    mr_params *params;
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_params_new(&params), MR_OK);
    mr_params_add(params, "theta", 1, n, MR_INIT_FAN_IN, 1, NULL);
    cr_assert_eq(mr_params_alloc(params, &random), MR_OK);
    return params;
}

// Kingma and Ba 2015, algorithm 1, one number.
typedef struct {
    double theta, m, v;
} reference;

static void reference_step(reference *r, double g, double lr, int t) {
    r->m = 0.9 * r->m + 0.1 * g;
    r->v = 0.999 * r->v + 0.001 * g * g;
    r->theta -= lr * (r->m / (1 - pow(0.9, t))) / (sqrt(r->v / (1 - pow(0.999, t))) + 1e-8);
}

Test(optim, adam_steps_by_the_rate_of_its_schedule) {
    mr_params *a = params_of(SIZE), *b = params_of(SIZE);
    mr_adam full = mr_adam_new(0.5e-2), scheduled = mr_adam_new(1e-2);
    scheduled.lr_factor = 0.5;
    for (size_t i = 0; i < SIZE; i++)
        mr_params_grad(a)[i] = mr_params_grad(b)[i] = (mr_real)i;
    mr_adam_step(&full, a, 1);
    mr_adam_step(&scheduled, b, 1);
    cr_expect_arr_eq(mr_params_read(a), mr_params_read(b), SIZE * sizeof(mr_real));
    mr_params_free(a);
    mr_params_free(b);
}

Test(optim, adam_follows_its_paper) {
    mr_params *params = params_of(SIZE);
    mr_adam adam = mr_adam_new(1e-2);
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, 1);
    reference expected[SIZE] = {0};
    for (size_t i = 0; i < SIZE; i++)
        expected[i].theta = (double)mr_params_value(params)[i];
    for (int t = 1; t <= 100; t++) {
        mr_random_fill_normal(&random, SIZE, mr_params_grad(params));
        for (size_t i = 0; i < SIZE; i++)
            reference_step(&expected[i], (double)mr_params_grad(params)[i], 1e-2, t);
        mr_adam_step(&adam, params, 1 + t % 3);
    }
    // 100 steps of at most lr, each with a few relative roundings of 2^-24, and as many of theta:
    // below 100 * 2^-22.
    for (size_t i = 0; i < SIZE; i++)
        cr_expect_float_eq(mr_params_value(params)[i], expected[i].theta, 2.5e-5);
    cr_expect_eq(adam.n_steps, 100);
    mr_params_free(params);
}

Test(optim, gradients_that_vanish_leave_no_denormal_moments) {
    mr_params *params = params_of(SIZE);
    mr_adam adam = mr_adam_new(1e-3);
    for (size_t i = 0; i < SIZE; i++)
        mr_params_grad(params)[i] = 1e-18f; // whose square is below the smallest normal float
    for (int t = 0; t < 2000; t++)
        mr_adam_step(&adam, params, 2);
    for (size_t i = 0; i < SIZE; i++) {
        cr_expect_neq(fpclassify(mr_params_moment(params, 1)[i]), FP_SUBNORMAL);
        cr_expect_neq(fpclassify(mr_params_moment(params, 2)[i]), FP_SUBNORMAL);
        cr_expect(isfinite(mr_params_value(params)[i]));
    }
    mr_params_free(params);
}

Test(optim, the_callers_arithmetic_keeps_its_denormals) {
    mr_params *params = params_of(SIZE);
    mr_adam adam = mr_adam_new(1e-3);
    mr_adam_step(&adam, params, 2);
    volatile float tiny = 1e-39f;
    cr_expect(tiny * 0.5f > 0);
    mr_params_free(params);
}

Test(optim, polyak_moves_the_target_by_its_share) {
    mr_params *source = params_of(SIZE), *target;
    cr_assert_eq(mr_params_copy(source, &target), MR_OK);
    for (size_t i = 0; i < SIZE; i++) {
        mr_params_value(source)[i] = (float)i;
        mr_params_value(target)[i] = 1;
    }
    mr_polyak(target, source, 0.25, 2);
    for (size_t i = 0; i < SIZE; i++)
        cr_expect_eq(mr_params_value(target)[i], 1 + 0.25f * ((float)i - 1)); // exact in binary
    mr_params_free(source);
    mr_params_free(target);
}

Test(optim, a_gradient_with_one_bad_component_is_not_finite) {
    mr_params *params = params_of(SIZE);
    cr_expect(mr_grad_is_finite(params));
    const float bad[] = {NAN, INFINITY, -INFINITY, 1e20f, -1e20f}; // the last: when squared
    for (size_t k = 0; k < MR_COUNT(bad); k++)
        for (size_t i = 0; i < SIZE; i++) {
            mr_params_grad(params)[i] = bad[k];
            cr_expect_not(mr_grad_is_finite(params));
            mr_params_grad(params)[i] = 1e19f; // squared, 1e38: still a float32 number
            cr_expect(mr_grad_is_finite(params));
        }
    mr_params_free(params);
}

Test(optim, clipping_shortens_a_long_gradient_only) {
    mr_params *params = params_of(SIZE);
    mr_real *g = mr_params_grad(params);
    g[0] = 3;
    g[5] = -4;
    cr_expect_eq(mr_grad_clip(params, 5), 5); // 3-4-5: exact
    cr_expect_eq(g[0], 3);
    cr_expect_eq(mr_grad_clip(params, 1.25), 5);
    cr_expect_eq(g[0], 0.75f);
    cr_expect_eq(g[5], -1);
    cr_expect_eq(g[1], 0);
    mr_params *both[] = {params, params_of(SIZE)};
    mr_params_grad(both[1])[3] = 3;
    g[0] = 0;
    g[5] = -4;
    cr_expect_eq(mr_grad_clip_all(2, both, 2.5), 5);
    cr_expect_eq(g[5], -2);
    cr_expect_eq(mr_params_grad(both[1])[3], 1.5f);
    mr_params_free(both[1]);
    g[2] = NAN;
    cr_expect(isnan(mr_grad_clip(params, 1)));
    g[2] = INFINITY;
    cr_expect(isinf(mr_grad_clip(params, 1)));
    mr_params_free(params);
}
