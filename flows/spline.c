// The monotone rational-quadratic spline of a feature (Durkan et al. 2019, arXiv:1906.04032).

#include "flows/conditioner.h"

#include <math.h>

typedef struct {
    size_t bins;
    double bound;
} spline_options;

static size_t spline_n_params(const mr_transform *t) {
    return mr_spline_n_params(((const spline_options *)t->options)->bins);
}

// The logits of widths and heights are divided by the root of the last hidden width, as in the
// paper's code, so that they start small.
static mr_spline spline_of(const mr_transform *t) {
    const spline_options *o = t->options;
    return (mr_spline){
        .n_bins = o->bins, .bound = o->bound, .logit_factor = 1 / sqrt((double)t->fan_in)};
}

// Takes the op's result [rows x (d + 1)] apart.
static mr_node *take_apart(mr_node *moved, mr_node **log_det) {
    if (!moved)
        return NULL;
    const size_t dim = mr_node_cols(moved) - 1;
    *log_det = mr_slice(moved, dim, 1);
    return mr_slice(moved, 0, dim);
}

static mr_node *spline_forward(const mr_transform *t, mr_node *x, mr_node *raw, mr_node **log_det) {
    return take_apart(mr_spline_forward(x, raw, spline_of(t)), log_det);
}

static mr_node *spline_inverse(const mr_transform *t, mr_node *y, mr_node *raw, mr_node **log_det) {
    return take_apart(mr_spline_inverse(y, raw, spline_of(t)), log_det);
}

static const mr_transform_ops transform = {
    .n_params = spline_n_params,
    .forward = spline_forward,
    .inverse = spline_inverse,
};

static const mr_flow_option rows[] = {
    {"bins", MR_OPTION_COUNT, offsetof(spline_options, bins), "8", 1, MR_MAX_BINS, NULL, "pieces"},
    {"bound", MR_OPTION_REAL, offsetof(spline_options, bound), "6", 0.001, 1e6, NULL,
     "works on [-bound, bound] and is the identity outside"},
};

const mr_part_ops mr_part_spline = {
    .name = "spline",
    .summary = "bends each feature by a rational-quadratic spline (Durkan et al. 2019)",
    .inverse_by = "closed form",
    .options = {rows, MR_COUNT(rows), sizeof(spline_options)},
    .transform = &transform,
    .state_size = sizeof(mr_linear_conditioner),
    .declare = mr_transform_part_declare,
    .forward = mr_transform_part_forward,
    .inverse = mr_transform_part_inverse,
};
