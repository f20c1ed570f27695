// The mixture of logistics of Flow++ (Ho et al. 2019, arXiv:1902.00275, section 3.2) as a transform
// of a feature: the logit of a mixture's distribution function. It stretches where the mixture has
// mass, so that modes which are apart become one.
//
//     y = logit sum_k pi_k sigmoid((x - mu_k) exp(-s_k)),   s_k = c tanh(s_hat_k / c),   c = 4
//
// The means start evenly on [-1/2, 1/2]: components that start equal have equal gradients and would
// stay so. At the start y is x but for 3% of its slope near 0 and 0.08 far out.
//
// An angle is turned, as by `affine`.

#include "flows/conditioner.h"

typedef struct {
    size_t components;
} mixture_options;

static const double scale_bound = 4; // c
static const double spread = 0.5;

static mr_logistics logistics_of(const mr_transform *t) {
    return (mr_logistics){.n = ((const mixture_options *)t->options)->components, .spread = spread};
}

static size_t mixture_n_params(const mr_transform *t) {
    return 3 * logistics_of(t).n;
}

static mr_node *bound_scales(const mr_transform *t, mr_node *x, mr_node *raw) {
    const size_t n = logistics_of(t).n * mr_node_cols(x);
    return mr_concat(mr_slice(raw, 0, 2 * n),
                     mr_smooth_clamp(mr_slice(raw, 2 * n, n), scale_bound));
}

// Takes the op's result [rows x (d + 1)] apart.
static mr_node *take_apart(mr_node *moved, mr_node **log_det) {
    if (!moved)
        return NULL;
    const size_t dim = mr_node_cols(moved) - 1;
    *log_det = mr_slice(moved, dim, 1);
    return mr_slice(moved, 0, dim);
}

static mr_node *mixture_forward(const mr_transform *t, mr_node *x, mr_node *raw,
                                mr_node **log_det) {
    if (!x || !raw)
        return NULL;
    return take_apart(mr_logistic_mixture_forward(x, bound_scales(t, x, raw), logistics_of(t)),
                      log_det);
}

static mr_node *mixture_inverse(const mr_transform *t, mr_node *y, mr_node *raw,
                                mr_node **log_det) {
    if (!y || !raw)
        return NULL;
    return take_apart(mr_logistic_mixture_inverse(y, bound_scales(t, y, raw), logistics_of(t)),
                      log_det);
}

// ---- Angles

static size_t turn_n_params(const mr_transform *t) {
    (void)t;
    return 1;
}

static const mr_transform_ops transform = {
    .n_params = mixture_n_params,
    .n_circular_params = turn_n_params,
    .circular_forward = mr_turn_forward,
    .circular_inverse = mr_turn_inverse,
    .forward = mixture_forward,
    .inverse = mixture_inverse,
};

static const mr_flow_option rows[] = {
    {"components", MR_FLOW_OPTION_COUNT, offsetof(mixture_options, components), "4", 1,
     MR_MAX_LOGISTICS, NULL, "logistics"},
};

const mr_part_ops mr_part_logistic_mixture = {
    .name = "logistic_mixture",
    .summary = "maps each feature by the distribution function of a mixture of logistics, and a "
               "logit (Ho et al. 2019)",
    .inverse_by = "a one-dimensional root",
    .options = {rows, MR_COUNT(rows), sizeof(mixture_options)},
    .transform = &transform,
    .state_size = sizeof(mr_transform_part),
    .takes_circular = true,
    .declare = mr_transform_part_declare,
    .forward = mr_transform_part_forward,
    .inverse = mr_transform_part_inverse,
};
