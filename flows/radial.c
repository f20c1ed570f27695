// Radial flows (Rezende and Mohamed 2015, arXiv:1505.05770, equation 14).
//
//     y = x0 + (x - x0) (1 + beta / (alpha + r)),   r = |x - x0|,
//     log |det dy/dx| = (D - 1) log(1 + beta / (alpha + r)) + log(1 + alpha beta / (alpha + r)^2)
//
//     alpha = softplus(alpha_hat) + 1e-4,   beta = -alpha + softplus(beta_hat + softplus^-1(alpha))
//
// beta_hat = 0 is the identity, and beta > -alpha makes the map invertible. Everything is written
// in gamma = alpha + beta > 0 and the shares t = r / (alpha + r), h = alpha / (alpha + r),
// g = gamma / (alpha + r): sums of positive terms, where 1 + beta / (alpha + r) would cancel near
// beta = -alpha, and nothing overflows far away.
//
//     1 + beta / (alpha + r) = t + g,   1 + alpha beta / (alpha + r)^2 = t^2 + 2 h t + h g

#include "flows/conditioner.h"

static const double alpha_min = 1e-4;

// The centres are drawn near the base's mean, so that layers differ from the start.
static mr_status radial_declare(mr_part *part, mr_params *params, const char *prefix) {
    return mr_linear_conditioner_declare(part->state, part, params, prefix, part->dim + 2,
                                         part->dim, 1);
}

/// The parameters of each row.
typedef struct {
    mr_node *centre; // [rows x dim] x0
    mr_node *alpha;  // [rows x 1]
    mr_node *gamma;  // [rows x 1]
} ball;

static ball find_ball(const mr_part *part, mr_params *params, mr_node *x, mr_node *context) {
    mr_node *raw = mr_linear_conditioner_build(part->state, params, x, context);
    mr_node *alpha_hat = mr_slice(raw, part->dim, 1);
    mr_node *beta_hat = mr_slice(raw, part->dim + 1, 1);
    ball b = {.centre = mr_slice(raw, 0, part->dim)};
    b.alpha = mr_affine(mr_softplus(alpha_hat), 1, alpha_min);
    b.gamma = mr_softplus(mr_add(beta_hat, mr_softplus_inverse(b.alpha)));
    return b;
}

// |y - x0| / |x - x0| [rows x 1], and log |det dy/dx|, at radius r of x.
static mr_node *find_stretch(const ball *b, size_t dim, mr_node *r, mr_node **log_det) {
    mr_node *sum = mr_add(b->alpha, r);
    mr_node *t = mr_div(r, sum), *h = mr_div(b->alpha, sum), *g = mr_div(b->gamma, sum);
    mr_node *stretch = mr_add(t, g);
    mr_node *along = mr_add(mr_mul(t, mr_add(t, mr_affine(h, 2, 0))), mr_mul(h, g));
    *log_det = mr_log(along);
    if (dim > 1)
        *log_det = mr_add(*log_det, mr_affine(mr_log(stretch), (double)(dim - 1), 0));
    return stretch;
}

static mr_node *radial_forward(const mr_part *part, mr_params *params, mr_node *z, mr_node *context,
                               mr_node **log_det) {
    const ball b = find_ball(part, params, z, context);
    mr_node *from_centre = mr_sub(z, b.centre);
    mr_node *stretch = find_stretch(&b, part->dim, mr_row_norm(from_centre), log_det);
    return mr_add(b.centre, mr_mul(from_centre, stretch));
}

static mr_node *radial_inverse(const mr_part *part, mr_params *params, mr_node *x, mr_node *context,
                               mr_node **log_det) {
    const ball b = find_ball(part, params, x, context);
    mr_node *from_centre = mr_sub(x, b.centre);
    mr_node *r = mr_radial_root(mr_row_norm(from_centre), mr_concat(b.alpha, b.gamma));
    mr_node *stretch = find_stretch(&b, part->dim, r, log_det);
    *log_det = mr_affine(*log_det, -1, 0);
    return mr_add(b.centre, mr_div(from_centre, stretch));
}

const mr_part_ops mr_part_radial = {
    .name = "radial",
    .summary = "contracts or expands around a point (Rezende and Mohamed 2015)",
    .inverse_by = "closed form",
    .state_size = sizeof(mr_linear_conditioner),
    .declare = radial_declare,
    .forward = radial_forward,
    .inverse = radial_inverse,
};
