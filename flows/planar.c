// Planar flows (Rezende and Mohamed 2015, arXiv:1505.05770, equations 10 to 13).
//
//     y = x + u^ tanh(a),   a = w.x + b,   k = w.u^,   log |det dy/dx| = log(1 + k (1 - tanh(a)^2))
//
// The map is invertible where k > -1, which u^ = u + (m(w.u) - w.u) w / |w|^2 ensures by
//
//     m(t) = -1 + e + (1 - e) softplus(t + log(e_ - 1)),   e_ = 2.718...
//
// The m printed in the paper has m(0) = log 2 - 1; this one has m(0) = 0, so that u = 0 is the
// identity. Everything is written in q = 1 + k, which the sum 1 + k would round away near k = -1.

#include "flows/conditioner.h"

static const double q_min = 1e-4;                        // e: how near k comes to -1
static const double log_e_minus_1 = 0.54132485461291807; // softplus of it is 1
static const double norm_floor = 1e-12;                  // added to |w|^2

// u = 0 is the identity, while w, drawn of the size of a linear layer's weights, lets gradients
// through to u.
static mr_status planar_declare(mr_part *part, mr_params *params, const char *prefix) {
    return mr_linear_conditioner_declare(part->state, part, params, prefix, 2 * part->dim + 1,
                                         part->dim, part->dim);
}

// What a context gives differs from row to row; free parameters are the same in all, and their
// products with a row need no copies of them.

/// The parameters, w before u before b in `raw` or in the conditioner's `bias`.
typedef struct {
    const mr_linear_conditioner *free; // NULL: the parameters come from a context
    mr_node *w;                        // [rows x dim], of a context; else NULL
    mr_node *b;                        // [rows x 1], likewise
    mr_node *u;                        // [rows x dim], likewise
    mr_node *share;                    // [rows x 1] u_hat = u + share w
    mr_node *q;                        // [rows x 1] 1 + w.u_hat
} plane;

static mr_node *row_dot(mr_node *a, mr_node *b) {
    return mr_row_sum(mr_mul(a, b));
}

// By t = w.u and |w|^2.
static void find_share(plane *p, mr_node *t, mr_node *norm) {
    mr_node *q = mr_affine(mr_softplus(mr_affine(t, 1, log_e_minus_1)), 1 - q_min, q_min);
    mr_node *missing = mr_affine(mr_sub(q, t), 1, -1); // m(t) - t
    p->share = mr_div(missing, mr_affine(norm, 1, norm_floor));
    p->q = mr_sub(q, mr_affine(p->share, norm_floor, 0)); // w.u_hat falls short by the floor's part
}

static plane find_plane(const mr_part *part, mr_params *params, mr_node *x, mr_node *context) {
    const mr_linear_conditioner *c = part->state;
    plane p = {.free = c->conditional ? NULL : c};
    if (p.free) {
        mr_graph *graph = mr_node_graph(x);
        find_share(&p, mr_param_product(graph, params, c->bias, 0, part->dim, part->dim),
                   mr_param_product(graph, params, c->bias, 0, 0, part->dim));
        return p;
    }
    mr_node *raw = mr_linear_conditioner_build(c, params, x, context);
    p.w = mr_slice(raw, 0, part->dim);
    p.u = mr_slice(raw, part->dim, part->dim);
    p.b = mr_slice(raw, 2 * part->dim, 1);
    find_share(&p, row_dot(p.w, p.u), mr_row_sum(mr_square(p.w)));
    return p;
}

// w.x + b
static mr_node *height(const plane *p, mr_params *params, mr_node *x) {
    return p->free ? mr_param_dot(x, params, p->free->bias, 0, 2 * mr_node_cols(x))
                   : mr_add(row_dot(p->w, x), p->b);
}

// x + amount u_hat
static mr_node *move(const plane *p, mr_params *params, mr_node *x, mr_node *amount) {
    if (p->free)
        return mr_param_add(x, amount, p->share, params, p->free->bias, 0);
    return mr_add(x, mr_mul(mr_add(p->u, mr_mul(p->w, p->share)), amount));
}

// log(1 + k (1 - T^2)) = log(T^2 + q (1 - T^2)), T = tanh(a): no cancellation near k = -1. 1 - T^2
// is taken from a, where it does not cancel either.
static mr_node *log_slope(const plane *p, mr_node *a, mr_node *tanh_a) {
    mr_node *rest = mr_exp(mr_tanh_log_det(a));
    return mr_log(mr_add(mr_square(tanh_a), mr_mul(p->q, rest)));
}

static mr_node *planar_forward(const mr_part *part, mr_params *params, mr_node *z, mr_node *context,
                               mr_node **log_det) {
    const plane p = find_plane(part, params, z, context);
    mr_node *a = height(&p, params, z), *tanh_a = mr_tanh(a);
    *log_det = log_slope(&p, a, tanh_a);
    return move(&p, params, z, tanh_a);
}

// w.y + b = a + k tanh(a): one unknown, whatever the number of features.
static mr_node *planar_inverse(const mr_part *part, mr_params *params, mr_node *x, mr_node *context,
                               mr_node **log_det) {
    const plane p = find_plane(part, params, x, context);
    mr_node *a = mr_planar_root(height(&p, params, x), p.q), *tanh_a = mr_tanh(a);
    *log_det = mr_affine(log_slope(&p, a, tanh_a), -1, 0);
    return move(&p, params, x, mr_affine(tanh_a, -1, 0));
}

const mr_part_ops mr_part_planar = {
    .name = "planar",
    .summary = "contracts or expands across a plane (Rezende and Mohamed 2015)",
    .inverse_by = "a one-dimensional root",
    .state_size = sizeof(mr_linear_conditioner),
    .declare = planar_declare,
    .forward = planar_forward,
    .inverse = planar_inverse,
};
