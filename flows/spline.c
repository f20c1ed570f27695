// The monotone rational-quadratic spline of a feature (Durkan et al. 2019, arXiv:1906.04032), and
// of an angle (Rezende et al. 2020, arXiv:2002.02428):
//
//     y = S(x) + phi, by whole periods into [-pi, pi]
//
// S maps [-pi, pi] onto itself with slope 1 at both ends, so that the density is continuous on the
// circle; phi moves these ends elsewhere before the next part.

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

static double spline_bound(const mr_transform *t) {
    return ((const spline_options *)t->options)->bound;
}

// ---- Angles: the parameters of S, then phi

static const double pi = 3.14159265358979323846;

static size_t circular_n_params(const mr_transform *t) {
    return spline_n_params(t) + 1;
}

static mr_spline circular_spline_of(const mr_transform *t) {
    mr_spline spline = spline_of(t);
    spline.bound = pi;
    return spline;
}

static mr_node *params_of_s(const mr_transform *t, mr_node *x, mr_node *raw) {
    return mr_slice(raw, 0, spline_n_params(t) * mr_node_cols(x));
}

static mr_node *phi_of(const mr_transform *t, mr_node *x, mr_node *raw) {
    const size_t dim = mr_node_cols(x);
    return mr_slice(raw, spline_n_params(t) * dim, dim);
}

static mr_node *circular_forward(const mr_transform *t, mr_node *x, mr_node *raw,
                                 mr_node **log_det) {
    if (!x || !raw)
        return NULL;
    mr_node *s =
        take_apart(mr_spline_forward(x, params_of_s(t, x, raw), circular_spline_of(t)), log_det);
    return mr_wrap(mr_add(s, phi_of(t, x, raw)), 2 * pi);
}

static mr_node *circular_inverse(const mr_transform *t, mr_node *y, mr_node *raw,
                                 mr_node **log_det) {
    if (!y || !raw)
        return NULL;
    mr_node *s = mr_wrap(mr_sub(y, phi_of(t, y, raw)), 2 * pi);
    return take_apart(mr_spline_inverse(s, params_of_s(t, y, raw), circular_spline_of(t)), log_det);
}

static const mr_transform_ops transform = {
    .n_params = spline_n_params,
    .bound = spline_bound,
    .n_circular_params = circular_n_params,
    .circular_forward = circular_forward,
    .circular_inverse = circular_inverse,
    .forward = spline_forward,
    .inverse = spline_inverse,
};

static const mr_flow_option rows[] = {
    {"bins", MR_FLOW_OPTION_COUNT, offsetof(spline_options, bins), "8", 1, MR_MAX_BINS, NULL,
     "pieces"},
    {"bound", MR_FLOW_OPTION_REAL, offsetof(spline_options, bound), "6", 0.001, 1e6, NULL,
     "works on [-bound, bound] and is the identity outside"},
};

const mr_part_ops mr_part_spline = {
    .name = "spline",
    .summary = "bends each feature by a rational-quadratic spline (Durkan et al. 2019)",
    .inverse_by = "closed form",
    .options = {rows, MR_COUNT(rows), sizeof(spline_options)},
    .transform = &transform,
    .state_size = sizeof(mr_transform_part),
    .takes_circular = true,
    .declare = mr_transform_part_declare,
    .forward = mr_transform_part_forward,
    .inverse = mr_transform_part_inverse,
};
