// Actnorm (Kingma and Dhariwal 2018, arXiv:1807.03039, section 3.1).
//
//     y = x exp(l) + b,   log |det dy/dx| = sum l
//
// It starts as the identity, and standardises the first batch of data that reaches it, if there is
// one (mr_flow_start).

#include "flows/part.h"

#include <math.h>
#include <stdio.h>

static const double deviation_floor = 1e-6;

typedef struct {
    mr_param log_scale, shift; // [1 x dim] l and b
    mr_param started;          // [1 x 1] 1 once it has had its start; has no gradient
} actnorm;

static mr_status actnorm_declare(mr_part *part, mr_params *params, const char *prefix) {
    actnorm *a = part->state;
    char name[256];
    snprintf(name, sizeof name, "%s.log_scale", prefix);
    a->log_scale = mr_params_add(params, name, 1, part->dim, MR_INIT_ZERO, 1, NULL);
    snprintf(name, sizeof name, "%s.shift", prefix);
    a->shift = mr_params_add(params, name, 1, part->dim, MR_INIT_ZERO, 1, NULL);
    snprintf(name, sizeof name, "%s.started", prefix);
    a->started = mr_params_add(params, name, 1, 1, MR_INIT_ZERO, 1, NULL);
    return MR_OK;
}

static mr_node *sum_of_scales(const actnorm *a, mr_params *params, mr_node *x) {
    return mr_row_sum(mr_param_rows(mr_node_graph(x), params, a->log_scale));
}

static mr_node *actnorm_forward(const mr_part *part, mr_params *params, mr_node *x,
                                mr_node *context, mr_node **log_det) {
    const actnorm *a = part->state;
    (void)context;
    *log_det = sum_of_scales(a, params, x);
    return mr_scale(x, params, a->log_scale, a->shift);
}

static mr_node *actnorm_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                mr_node *context, mr_node **log_det) {
    const actnorm *a = part->state;
    (void)context;
    *log_det = mr_affine(sum_of_scales(a, params, y), -1, 0);
    return mr_unscale(y, params, a->log_scale, a->shift);
}

// ---- The start: zero mean and unit deviation of what leaves it

static void start_feature(const actnorm *a, mr_real *value, size_t dim, size_t j, size_t n,
                          const mr_real *x) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i * dim + j] / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)x[i * dim + j] - mean;
        variance += d * d / (double)n;
    }
    const double deviation = sqrt(variance);
    // A feature that does not vary keeps its scale: 1e6 would only blow up what comes later.
    const double log_scale = deviation > deviation_floor ? -log(deviation + deviation_floor) : 0;
    value[a->log_scale.offset + j] = (mr_real)log_scale;
    value[a->shift.offset + j] = (mr_real)(-mean * exp(log_scale));
}

static void actnorm_start(const mr_part *part, mr_params *params, size_t n, const mr_real *x) {
    const actnorm *a = part->state;
    mr_real *value = mr_params_value(params);
    if (value[a->started.offset] != 0)
        return;
    for (size_t j = 0; j < part->dim; j++)
        start_feature(a, value, part->dim, j, n, x);
    value[a->started.offset] = 1;
}

const mr_part_ops mr_part_actnorm = {
    .name = "actnorm",
    .summary = "scales and shifts; starts by standardising the data (Kingma and Dhariwal 2018)",
    .inverse_by = "closed form",
    .state_size = sizeof(actnorm),
    .is_affine = true,
    .step_name = "actnorm",
    .declare = actnorm_declare,
    .forward = actnorm_forward,
    .inverse = actnorm_inverse,
    .start = actnorm_start,
};
