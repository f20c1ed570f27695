// Shapes of rewards, by their formulas and by dm_control's own numbers.

#include "envs/mujoco/terms.h"

#include "arm.h"

#include <math.h>

TestSuite(shapes, .init = scratch_enter, .fini = scratch_leave);

#define HEAD ARM_RANGE ARM_OBSERVATION

// dm_control 1.0.9: rewards.tolerance(x, bounds, margin, sigmoid, value_at_margin).
Test(shapes, tolerate_as_dm_control_does) {
    static const struct {
        double x, low, high, margin;
        const mr_sigmoid *sigmoid;
        double value_at_margin, expected;
    } cases[] = {
        {0.3, 0, 0.1, 0.5, &mr_sigmoid_gaussian, 0.1, 0.6918309709189365},
        {-0.2, 0, 0.1, 0.5, &mr_sigmoid_gaussian, 0.1, 0.6918309709189364},
        {0.05, 0, 0.1, 0.5, &mr_sigmoid_gaussian, 0.1, 1.0},
        {0.35, 0, 0.1, 0.5, &mr_sigmoid_linear, 0.1, 0.55},
        {0.9, 0, 0.1, 0.5, &mr_sigmoid_linear, 0.0, 0.0},
        {0.35, 0, 0.1, 0.5, &mr_sigmoid_quadratic, 0.0, 0.75},
        {0.7, 1, INFINITY, 0.5, &mr_sigmoid_linear, 0.25, 0.5499999999999999},
        {3.0, 0, 1, 0.5, &mr_sigmoid_long_tail, 0.1, 0.006896551724137931},
        {0.7, 0, 0, 2, &mr_sigmoid_long_tail, 0.3, 0.777705767984446},
        {1.2, 0, 1, 0, &mr_sigmoid_gaussian, 0.1, 0.0},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        const mr_shape shape = {.bounds = {cases[i].low, cases[i].high},
                                .margin = cases[i].margin,
                                .value_at_margin = cases[i].value_at_margin,
                                .sigmoid = cases[i].sigmoid};
        // a dozen roundings
        cr_expect_float_eq(mr_shape_tolerance.of(&shape, cases[i].x), cases[i].expected, 3e-15,
                           "case %zu", i);
    }
}

Test(shapes, are_1_within_the_bounds_and_the_value_at_the_margin_there) {
    for (size_t i = 0; mr_sigmoids[i] != NULL; i++) {
        const mr_shape shape = {
            .bounds = {1, 2}, .margin = 0.5, .value_at_margin = 0.3, .sigmoid = mr_sigmoids[i]};
        cr_expect_eq(mr_shape_tolerance.of(&shape, 1.0), 1.0);
        cr_expect_eq(mr_shape_tolerance.of(&shape, 2.0), 1.0);
        cr_expect_float_eq(mr_shape_tolerance.of(&shape, 2.5), 0.3, 1e-15);
        cr_expect_float_eq(mr_shape_tolerance.of(&shape, 0.5), 0.3, 1e-15);
        cr_expect(isnan(mr_shape_tolerance.of(&shape, NAN))); // a divergence is not hidden
        cr_expect(mr_shape_tolerance.of(&shape, 100.0) < 0.01);
    }
}

// The arm lies along x at its start, without forces: its tip is at (0.4, 0, 0), (0.3, 0.2, 0.3)
// from the goal.
static double reward_of(const char *entry) {
    char task[512];
    double obs[ARM_NQ];
    const double action[ARM_ACT_DIM] = {0};
    mr_step result;
    snprintf(task, sizeof task, HEAD "reward: [%s]\n", entry);
    mr_env *env = arm_open(task);
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
    mr_env_close(env);
    return result.reward;
}

Test(shapes, are_rewarded_and_not_charged) {
    const double distance = sqrt(0.09 + 0.04 + 0.09);
    cr_expect_float_eq(reward_of("{term: distance, site: tip, to: goal, shape: {exp: 0.2}}"),
                       exp(-distance / 0.2), 1e-15);
    cr_expect_float_eq(
        reward_of("{term: distance, site: tip, to: goal, weight: 3,"
                  " shape: {tolerance: [0, 0.2], margin: 1, sigmoid: linear, value_at_margin: 0}}"),
        3.0 * (1.0 - (distance - 0.2)), 1e-14);
    cr_expect_float_eq(
        reward_of("{term: distance, site: tip, to: goal, shape: {tolerance: [0, 0.2], margin: 1}}"),
        exp(log(0.1) * (distance - 0.2) * (distance - 0.2)), 1e-15); // gaussian, 0.1: the defaults
    cr_expect_eq(reward_of("{term: distance, site: tip, to: goal, shape: {tolerance: [0, 1]}}"),
                 1.0);
    cr_expect_eq(reward_of("{term: distance, site: tip, to: goal, shape: {tolerance: [0, 0]}}"),
                 0.0);
}

Test(shapes, are_refused_with_what_would_fit) {
    static const struct {
        const char *shape, *message;
    } faults[] = {
        {"{exp: 0}", "3:61: the scale of exp(-x / scale) is above 0"},
        {"{exp: 1, margin: 1}", "3:55: expected {exp: 0.1} or {tolerance: [0, 0.1], margin: 0.5}"},
        {"{}", "3:55: expected {exp: 0.1} or"},
        {"3", "3:55: expected {exp: 0.1} or"},
        {"{margin: 1}", "3:55: expected {exp: 0.1} or"},
        {"{tolerance: [1, 0]}", "3:67: the first of the two numbers must be the smaller one"},
        {"{tolerance: [0, 0], margin: -1}", "3:83: a margin is not below 0"},
        {"{tolerance: [0, 0], sigmoid: gauss}", "3:84: unknown sigmoid \"gauss\"; did you mean"},
        {"{tolerance: [0, 0], value_at_margin: 0}", "its value_at_margin is above 0"},
        {"{tolerance: [0, 0], value_at_margin: 1}", "from 0 to below 1"},
        {"{exp: 1, exp: 2}", "3:64: this key is given twice"},
        {"{expo: 1}", "3:56: unknown key \"expo\"; did you mean \"exp\"?"},
    };
    for (size_t i = 0; i < MR_COUNT(faults); i++) {
        char task[512];
        snprintf(task, sizeof task,
                 HEAD "reward: [{term: distance, site: tip, to: goal, shape: %s}]\n",
                 faults[i].shape);
        arm_expect_refused(task, NULL, MR_ERR_INPUT, faults[i].message);
        scratch_expect_message("task.yaml:3:");
    }
}
