// The affine transform of a feature.
//
//     y = x exp(s) + t,   log |det| = s,   s = c tanh(s_hat / c),   c = 2
//
// An angle is turned: y = x + t, by whole periods into [-pi, pi].
//
// s is close to s_hat where small, and never beyond c, so that exp(s) stays within [e^-2, e^2]. A
// conditioner gives s_hat of all features, then t.

#include "flows/conditioner.h"

enum { N_PARAMS = 2 };

static const double scale_bound = 2; // c

static size_t affine_n_params(const mr_transform *t) {
    (void)t;
    return N_PARAMS;
}

static mr_node *scale_of(mr_node *raw, size_t dim) {
    return mr_smooth_clamp(mr_slice(raw, 0, dim), scale_bound);
}

static mr_node *affine_forward(const mr_transform *t, mr_node *x, mr_node *raw, mr_node **log_det) {
    (void)t;
    if (!x || !raw)
        return NULL;
    const size_t dim = mr_node_cols(x);
    mr_node *s = scale_of(raw, dim), *shift = mr_slice(raw, dim, dim);
    *log_det = mr_row_sum(s);
    return mr_add(mr_mul(x, mr_exp(s)), shift);
}

static mr_node *affine_inverse(const mr_transform *t, mr_node *y, mr_node *raw, mr_node **log_det) {
    (void)t;
    if (!y || !raw)
        return NULL;
    const size_t dim = mr_node_cols(y);
    mr_node *s = scale_of(raw, dim), *shift = mr_slice(raw, dim, dim);
    mr_node *minus_s = mr_affine(s, -1, 0);
    *log_det = mr_row_sum(minus_s);
    return mr_mul(mr_sub(y, shift), mr_exp(minus_s));
}

// ---- Angles

static size_t turn_n_params(const mr_transform *t) {
    (void)t;
    return 1;
}

static const mr_transform_ops transform = {
    .n_params = affine_n_params,
    .n_circular_params = turn_n_params,
    .circular_forward = mr_turn_forward,
    .circular_inverse = mr_turn_inverse,
    .is_affine = true,
    .forward = affine_forward,
    .inverse = affine_inverse,
};

const mr_part_ops mr_part_affine = {
    .name = "affine",
    .summary = "scales by e^-2 to e^2 and shifts each feature",
    .inverse_by = "closed form",
    .transform = &transform,
    .state_size = sizeof(mr_transform_part),
    .takes_circular = true,
    .declare = mr_transform_part_declare,
    .forward = mr_transform_part_forward,
    .inverse = mr_transform_part_inverse,
};
