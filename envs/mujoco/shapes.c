// Shapes of rewards: the exponential, and the tolerance of dm_control (Tassa et al. 2018, DeepMind
// Control Suite, arXiv:1801.00690; rewards.py).

#include "envs/mujoco/terms.h"

#include <math.h>
#include <stdio.h>

static double exponential_of(const mr_shape *shape, double x) {
    return exp(-x / shape->scale);
}

// exp(-(w d)^2 / 2), of which w makes at_1 at d = 1.
static double gaussian_of(double distance, double at_1) {
    const double w = sqrt(-2.0 * log(at_1));
    return exp(-0.5 * (distance * w) * (distance * w));
}

// Down to 0, which it stays.
static double linear_of(double distance, double at_1) {
    return fmax(1.0 - distance * (1.0 - at_1), 0.0);
}

static double quadratic_of(double distance, double at_1) {
    return fmax(1.0 - distance * distance * (1.0 - at_1), 0.0);
}

// 1 / (1 + (w d)^2)
static double long_tail_of(double distance, double at_1) {
    return 1.0 / (1.0 + distance * distance * (1.0 / at_1 - 1.0));
}

static double tolerance_of(const mr_shape *shape, double x) {
    const double beyond =
        x < shape->bounds.low ? shape->bounds.low - x : x - shape->bounds.high; // <= 0: within
    if (beyond <= 0.0 || isnan(beyond))
        return isnan(beyond) ? beyond : 1.0;
    return shape->margin > 0.0 ? shape->sigmoid->of(beyond / shape->margin, shape->value_at_margin)
                               : 0.0;
}

static void describe_exponential(const mr_shape *shape, char *text, size_t size) {
    snprintf(text, size, "exp(-x / %g)", shape->scale);
}

static void describe_tolerance(const mr_shape *shape, char *text, size_t size) {
    const int length =
        snprintf(text, size, "1 if x in [%g, %g], else ", shape->bounds.low, shape->bounds.high);
    if (shape->margin > 0.0)
        snprintf(text + length, size - (size_t)length, "%s down to %g at %g beyond",
                 shape->sigmoid->name, shape->value_at_margin, shape->margin);
    else
        snprintf(text + length, size - (size_t)length, "0");
}

const mr_shape_kind mr_shape_exp = {
    .name = "exp", .of = exponential_of, .describe = describe_exponential};
const mr_shape_kind mr_shape_tolerance = {
    .name = "tolerance", .of = tolerance_of, .describe = describe_tolerance};

const mr_sigmoid mr_sigmoid_gaussian = {.name = "gaussian", .of = gaussian_of};
const mr_sigmoid mr_sigmoid_linear = {.name = "linear", .of = linear_of, .reaches_0 = true};
const mr_sigmoid mr_sigmoid_quadratic = {
    .name = "quadratic", .of = quadratic_of, .reaches_0 = true};
const mr_sigmoid mr_sigmoid_long_tail = {.name = "long_tail", .of = long_tail_of};

const mr_shape_kind *const mr_shape_kinds[] = {&mr_shape_exp, &mr_shape_tolerance, NULL};
const mr_sigmoid *const mr_sigmoids[] = {&mr_sigmoid_gaussian, &mr_sigmoid_linear,
                                         &mr_sigmoid_quadratic, &mr_sigmoid_long_tail, NULL};
