// Actnorm (Kingma and Dhariwal 2018, arXiv:1807.03039, section 3.1).
//
//     y = x exp(l) + b,   log |det dy/dx| = sum l
//
// Of an image, l and b are those of a channel.
//
// It starts as the identity, and standardises the first batch of data that reaches it, if there is
// one (mr_flow_start).

#include "flows/part.h"

#include <math.h>
#include <stdio.h>

static const double deviation_floor = 1e-6;

typedef struct {
    mr_param log_scale, shift; // [1 x channels] l and b
    mr_param started;          // [1 x 1] 1 once it has had its start; has no gradient
} actnorm;

static mr_status actnorm_declare(mr_part *part, mr_params *params, const char *prefix) {
    actnorm *a = part->state;
    char name[256];
    snprintf(name, sizeof name, "%s.log_scale", prefix);
    a->log_scale = mr_params_add(params, name, 1, part->shape.channels, MR_INIT_ZERO, 1, NULL);
    snprintf(name, sizeof name, "%s.shift", prefix);
    a->shift = mr_params_add(params, name, 1, part->shape.channels, MR_INIT_ZERO, 1, NULL);
    snprintf(name, sizeof name, "%s.started", prefix);
    a->started = mr_params_add(params, name, 1, 1, MR_INIT_ZERO, 1, NULL);
    return MR_OK;
}

// sum l over all features, times `sign`.
static mr_node *log_det_of(const mr_part *part, mr_params *params, mr_node *x, double sign) {
    const actnorm *a = part->state;
    const double factor = sign * (double)mr_shape_places(part->shape);
    mr_node *sum = mr_row_sum(mr_param_rows(mr_node_graph(x), params, a->log_scale));
    return factor == 1 ? sum : mr_affine(sum, factor, 0);
}

static mr_node *actnorm_forward(const mr_part *part, mr_params *params, mr_node *x,
                                mr_node *context, mr_node **log_det) {
    const actnorm *a = part->state;
    (void)context;
    *log_det = log_det_of(part, params, x, 1);
    return mr_scale(x, params, a->log_scale, a->shift);
}

static mr_node *actnorm_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                mr_node *context, mr_node **log_det) {
    const actnorm *a = part->state;
    (void)context;
    *log_det = log_det_of(part, params, y, -1);
    return mr_unscale(y, params, a->log_scale, a->shift);
}

// ---- The start: zero mean and unit deviation of what leaves it

// Channel j of x [n x dim], which begins at column j n_places.
static void start_channel(const mr_part *part, mr_real *value, size_t j, size_t n,
                          const mr_real *x) {
    const actnorm *a = part->state;
    const size_t n_places = mr_shape_places(part->shape), count = n * n_places;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_places; k++)
            mean += (double)x[i * part->dim + j * n_places + k] / (double)count;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_places; k++) {
            const double d = (double)x[i * part->dim + j * n_places + k] - mean;
            variance += d * d / (double)count;
        }
    const double deviation = sqrt(variance);
    // A channel that does not vary keeps its scale: 1e6 would only blow up what comes later.
    const double log_scale = deviation > deviation_floor ? -log(deviation + deviation_floor) : 0;
    value[a->log_scale.offset + j] = (mr_real)log_scale;
    value[a->shift.offset + j] = (mr_real)(-mean * exp(log_scale));
}

static void actnorm_start(const mr_part *part, mr_params *params, size_t n, const mr_real *x) {
    const actnorm *a = part->state;
    mr_real *value = mr_params_value(params);
    if (value[a->started.offset] != 0)
        return;
    for (size_t j = 0; j < part->shape.channels; j++)
        start_channel(part, value, j, n, x);
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
