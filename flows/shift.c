// The shift of a feature (additive couplings: Dinh, Krueger and Bengio 2014, arXiv:1410.8516).
//
//     y = x + t,   log |det| = 0
//
// An angle is turned: y = x + t, by whole periods into [-pi, pi].

#include "flows/conditioner.h"

static const double two_pi = 6.28318530717958647693;

static size_t n_params(const mr_transform *t) {
    (void)t;
    return 1;
}

static mr_node *shift_forward(const mr_transform *t, mr_node *x, mr_node *raw, mr_node **log_det) {
    (void)t, (void)log_det;
    return mr_add(x, raw);
}

static mr_node *shift_inverse(const mr_transform *t, mr_node *y, mr_node *raw, mr_node **log_det) {
    (void)t, (void)log_det;
    return mr_sub(y, raw);
}

mr_node *mr_turn_forward(const mr_transform *t, mr_node *x, mr_node *raw, mr_node **log_det) {
    (void)t, (void)log_det;
    return mr_wrap(mr_add(x, raw), two_pi);
}

mr_node *mr_turn_inverse(const mr_transform *t, mr_node *y, mr_node *raw, mr_node **log_det) {
    (void)t, (void)log_det;
    return mr_wrap(mr_sub(y, raw), two_pi);
}

static const mr_transform_ops transform = {
    .n_params = n_params,
    .is_affine = true,
    .keeps_volume = true,
    .forward = shift_forward,
    .inverse = shift_inverse,
    .n_circular_params = n_params,
    .circular_forward = mr_turn_forward,
    .circular_inverse = mr_turn_inverse,
};

const mr_part_ops mr_part_shift = {
    .name = "shift",
    .summary = "shifts each feature, and so keeps volumes (Dinh et al. 2014)",
    .inverse_by = "closed form",
    .transform = &transform,
    .state_size = sizeof(mr_transform_part),
    .takes_circular = true,
    .declare = mr_transform_part_declare,
    .forward = mr_transform_part_forward,
    .inverse = mr_transform_part_inverse,
};
