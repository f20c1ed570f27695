// Fixed element-wise maps: increasing functions without parameters, from all numbers onto an
// interval or back.
//
//     sigmoid    y = low + (high - low) / (1 + exp(-x))
//     exp        y = low + exp(x)
//     tanh       y = c tanh(x / c)
//     softplus   y = log(1 + exp(beta x)) / beta
//
// logit is the inverse of sigmoid, log that of exp.

#include "flows/part.h"

#include <math.h>

/// Each map has some of them.
typedef struct {
    double low, high, bound, beta;
} map_options;

static mr_interval all_numbers(const void *options) {
    (void)options;
    return (mr_interval){-INFINITY, INFINITY};
}

static mr_interval box_of(const void *options) {
    const map_options *o = options;
    return (mr_interval){o->low, o->high};
}

static mr_interval above_low(const void *options) {
    const map_options *o = options;
    return (mr_interval){o->low, INFINITY};
}

// ---- Sigmoid

static double sigmoid_at(const void *options, double x) {
    const map_options *o = options;
    const double width = o->high - o->low, e = exp(-fabs(x));
    return x < 0 ? o->low + width * e / (1 + e) : o->high - width * e / (1 + e);
}

static double sigmoid_back(const void *options, double y) {
    const map_options *o = options;
    return log(y - o->low) - log(o->high - y);
}

// log(dy/dx) = log(high - low) + x - 2 softplus(x).
static mr_node *sigmoid_forward(const void *options, mr_node *x, mr_node **log_det) {
    const map_options *o = options;
    mr_node *slope = mr_sub(x, mr_affine(mr_softplus(x), 2, -log(o->high - o->low)));
    *log_det = mr_row_sum(slope);
    return mr_affine(mr_sigmoid(x), o->high - o->low, o->low);
}

// log(dx/dy) = log(high - low) - log(y - low) - log(high - y).
static mr_node *sigmoid_inverse(const void *options, mr_node *y, mr_node **log_det) {
    const map_options *o = options;
    mr_node *above = mr_log(mr_affine(y, 1, -o->low)), *below = mr_log(mr_affine(y, -1, o->high));
    *log_det = mr_row_sum(mr_affine(mr_add(above, below), -1, log(o->high - o->low)));
    return mr_sub(above, below);
}

static const mr_fixed_map sigmoid = {.domain = all_numbers,
                                     .range = box_of,
                                     .at = sigmoid_at,
                                     .back = sigmoid_back,
                                     .forward = sigmoid_forward,
                                     .inverse = sigmoid_inverse};

static const mr_fixed_map logit = {.domain = box_of,
                                   .range = all_numbers,
                                   .at = sigmoid_back,
                                   .back = sigmoid_at,
                                   .forward = sigmoid_inverse,
                                   .inverse = sigmoid_forward};

// ---- Exponential function

static double exp_at(const void *options, double x) {
    return ((const map_options *)options)->low + exp(x);
}

static double exp_back(const void *options, double y) {
    return log(y - ((const map_options *)options)->low);
}

// log(dy/dx) = x.
static mr_node *exp_forward(const void *options, mr_node *x, mr_node **log_det) {
    *log_det = mr_row_sum(x);
    return mr_affine(mr_exp(x), 1, ((const map_options *)options)->low);
}

static mr_node *exp_inverse(const void *options, mr_node *y, mr_node **log_det) {
    mr_node *x = mr_log(mr_affine(y, 1, -((const map_options *)options)->low));
    *log_det = mr_affine(mr_row_sum(x), -1, 0);
    return x;
}

static const mr_fixed_map exponential = {.domain = all_numbers,
                                         .range = above_low,
                                         .at = exp_at,
                                         .back = exp_back,
                                         .forward = exp_forward,
                                         .inverse = exp_inverse};

static const mr_fixed_map logarithm = {.domain = above_low,
                                       .range = all_numbers,
                                       .at = exp_back,
                                       .back = exp_at,
                                       .forward = exp_inverse,
                                       .inverse = exp_forward};

// ---- Hyperbolic tangent

static mr_interval within_bound(const void *options) {
    const map_options *o = options;
    return (mr_interval){-o->bound, o->bound};
}

static double tanh_at(const void *options, double x) {
    const map_options *o = options;
    return o->bound * tanh(x / o->bound);
}

static double tanh_back(const void *options, double y) {
    const map_options *o = options;
    return o->bound * atanh(y / o->bound);
}

static mr_node *tanh_forward(const void *options, mr_node *x, mr_node **log_det) {
    const map_options *o = options;
    mr_node *a = mr_affine(x, 1 / o->bound, 0);
    *log_det = mr_tanh_log_det(a);
    return mr_affine(mr_tanh(a), o->bound, 0);
}

// With t = y / c: x = c/2 (log(1 + t) - log(1 - t)), log(dx/dy) = -log(1 + t) - log(1 - t).
static mr_node *tanh_inverse(const void *options, mr_node *y, mr_node **log_det) {
    const map_options *o = options;
    mr_node *plus = mr_log1p(mr_affine(y, 1 / o->bound, 0));
    mr_node *minus = mr_log1p(mr_affine(y, -1 / o->bound, 0));
    *log_det = mr_affine(mr_row_sum(mr_add(plus, minus)), -1, 0);
    return mr_affine(mr_sub(plus, minus), o->bound / 2, 0);
}

static const mr_fixed_map hyperbolic_tangent = {.domain = all_numbers,
                                                .range = within_bound,
                                                .at = tanh_at,
                                                .back = tanh_back,
                                                .forward = tanh_forward,
                                                .inverse = tanh_inverse};

// ---- Softplus

static mr_interval above_zero(const void *options) {
    (void)options;
    return (mr_interval){0, INFINITY};
}

static double softplus_at(const void *options, double x) {
    const double beta = ((const map_options *)options)->beta;
    return fmax(x, 0) + log1p(exp(-fabs(beta * x))) / beta;
}

static double softplus_back(const void *options, double y) {
    const double beta = ((const map_options *)options)->beta;
    return y + log(-expm1(-beta * y)) / beta;
}

// log(dy/dx) = -softplus(-beta x).
static mr_node *softplus_forward(const void *options, mr_node *x, mr_node **log_det) {
    const double beta = ((const map_options *)options)->beta;
    *log_det = mr_affine(mr_row_sum(mr_softplus(mr_affine(x, -beta, 0))), -1, 0);
    return mr_affine(mr_softplus(mr_affine(x, beta, 0)), 1 / beta, 0);
}

static mr_node *softplus_inverse(const void *options, mr_node *y, mr_node **log_det) {
    const double beta = ((const map_options *)options)->beta;
    mr_node *beta_x = mr_softplus_inverse(mr_affine(y, beta, 0));
    *log_det = mr_row_sum(mr_softplus(mr_affine(beta_x, -1, 0)));
    return mr_affine(beta_x, 1 / beta, 0);
}

static const mr_fixed_map softplus = {.domain = all_numbers,
                                      .range = above_zero,
                                      .at = softplus_at,
                                      .back = softplus_back,
                                      .forward = softplus_forward,
                                      .inverse = softplus_inverse};

// ---- The parts

static mr_status fixed_declare(mr_part *part, mr_params *params, const char *prefix) {
    (void)params, (void)prefix;
    const mr_fixed_map *map = part->ops->fixed;
    const mr_interval between[] = {map->domain(part->options), map->range(part->options)};
    for (size_t i = 0; i < MR_COUNT(between); i++)
        if (between[i].low >= between[i].high)
            return mr_fail(MR_ERR_USAGE, "%s has low=%g and high=%g; give a low that is below high",
                           part->ops->name, between[i].low, between[i].high);
    return MR_OK;
}

static mr_node *fixed_forward(const mr_part *part, mr_params *params, mr_node *x, mr_node *context,
                              mr_node **log_det) {
    (void)params, (void)context;
    return part->ops->fixed->forward(part->options, x, log_det);
}

static mr_node *fixed_inverse(const mr_part *part, mr_params *params, mr_node *y, mr_node *context,
                              mr_node **log_det) {
    (void)params, (void)context;
    return part->ops->fixed->inverse(part->options, y, log_det);
}

static const mr_flow_option box_rows[] = {
    {"low", MR_FLOW_OPTION_REAL, offsetof(map_options, low), "0", -1e6, 1e6, NULL, "lower bound"},
    {"high", MR_FLOW_OPTION_REAL, offsetof(map_options, high), "1", -1e6, 1e6, NULL, "upper bound"},
};

static const mr_flow_option low_rows[] = {
    {"low", MR_FLOW_OPTION_REAL, offsetof(map_options, low), "0", -1e6, 1e6, NULL, "lower bound"},
};

static const mr_flow_option bound_rows[] = {
    {"bound", MR_FLOW_OPTION_REAL, offsetof(map_options, bound), "1", 0.001, 1e6, NULL,
     "y = bound tanh(x / bound)"},
};

static const mr_flow_option beta_rows[] = {
    {"beta", MR_FLOW_OPTION_REAL, offsetof(map_options, beta), "1", 0.001, 1000, NULL,
     "y = log(1 + exp(beta x)) / beta"},
};

#define OPTIONS(rows)                                                                              \
    { rows, MR_COUNT(rows), sizeof(map_options) }

const mr_part_ops mr_part_logit = {
    .name = "logit",
    .summary = "log((x - low) / (high - x)): from the numbers between low and high to all",
    .inverse_by = "sigmoid",
    .options = OPTIONS(box_rows),
    .fixed = &logit,
    .declare = fixed_declare,
    .forward = fixed_forward,
    .inverse = fixed_inverse,
};

const mr_part_ops mr_part_sigmoid = {
    .name = "sigmoid",
    .summary = "low + (high - low) / (1 + exp(-x)): from all numbers to those between low and high",
    .inverse_by = "logit",
    .options = OPTIONS(box_rows),
    .fixed = &sigmoid,
    .declare = fixed_declare,
    .forward = fixed_forward,
    .inverse = fixed_inverse,
};

const mr_part_ops mr_part_log = {
    .name = "log",
    .summary = "log(x - low): from the numbers above low to all",
    .inverse_by = "exp",
    .options = OPTIONS(low_rows),
    .fixed = &logarithm,
    .declare = fixed_declare,
    .forward = fixed_forward,
    .inverse = fixed_inverse,
};

const mr_part_ops mr_part_exp = {
    .name = "exp",
    .summary = "low + exp(x): from all numbers to those above low",
    .inverse_by = "log",
    .options = OPTIONS(low_rows),
    .fixed = &exponential,
    .declare = fixed_declare,
    .forward = fixed_forward,
    .inverse = fixed_inverse,
};

const mr_part_ops mr_part_tanh = {
    .name = "tanh",
    .summary = "from all numbers to those between -bound and bound; slope 1 at 0",
    .inverse_by = "closed form",
    .options = OPTIONS(bound_rows),
    .fixed = &hyperbolic_tangent,
    .declare = fixed_declare,
    .forward = fixed_forward,
    .inverse = fixed_inverse,
};

const mr_part_ops mr_part_softplus = {
    .name = "softplus",
    .summary = "from all numbers to those above 0; nearly x for large x",
    .inverse_by = "closed form",
    .options = OPTIONS(beta_rows),
    .fixed = &softplus,
    .declare = fixed_declare,
    .forward = fixed_forward,
    .inverse = fixed_inverse,
};
