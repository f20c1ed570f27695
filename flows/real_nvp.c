// Real NVP: affine couplings (Dinh, Sohl-Dickstein and Bengio 2017, arXiv:1605.08803).
//
// Some features pass unchanged and decide, through a net that sees them and the context, how the
// others are scaled and shifted:
//
//     x_a = z_a,   x_b = z_b exp(s) + t,   (s, t) = net(z_a, context),   log |det dx/dz| = sum s.

#include "flows/kind.h"

#include <stdio.h>

// s = c0 tanh(s_hat / c0): close to s_hat where small, never beyond c0, so that exp(s) stays within
// [e^-2, e^2].
static const double scale_bound = 2;

/// Which features pass (a) and which are moved (b), and how to put them back in order.
typedef struct {
    size_t n_a, n_b;
    size_t *a;     // [n_a] their columns
    size_t *b;     // [n_b]
    size_t *order; // [dim] column j of x is column order[j] of (x_a, x_b)
    mr_mlp net;    // unless neither features nor context feed it
    mr_param free; // [1 x 2 n_b] s_hat and t then
} coupling;

// Layers come in pairs that swap a and b; pairs alternate between halves and every other feature,
// so that any two features meet. A single feature is always moved, by the context alone.
static bool passes(size_t layer, size_t dim, size_t j) {
    const bool swapped = layer % 2 == 1, by_halves = layer / 2 % 2 == 0;
    const bool first = by_halves ? j < dim / 2 : j % 2 == 0;
    return dim > 1 && first != swapped;
}

static bool split(mr_flow_layer *layer, coupling *c) {
    size_t *column = mr_arena_alloc(layer->arena, 2 * layer->dim * sizeof *column);
    c->order = mr_arena_alloc(layer->arena, layer->dim * sizeof *c->order);
    if (!column || !c->order)
        return false;
    c->a = column;
    c->b = column + layer->dim;
    for (size_t j = 0; j < layer->dim; j++)
        if (passes(layer->index, layer->dim, j))
            c->a[c->n_a++] = j;
        else
            c->b[c->n_b++] = j;
    for (size_t k = 0; k < c->n_a; k++)
        c->order[c->a[k]] = k;
    for (size_t k = 0; k < c->n_b; k++)
        c->order[c->b[k]] = c->n_a + k;
    return true;
}

static mr_status real_nvp_declare(mr_flow_layer *layer, mr_params *params, const char *prefix) {
    coupling *c = layer->state;
    if (!split(layer, c))
        return mr_fail_memory("a Real NVP layer");
    const size_t n_in = c->n_a + layer->context_dim;
    char name[256];
    snprintf(name, sizeof name, "%s.net", prefix);
    if (n_in > 0)
        c->net =
            mr_mlp_declare(params, name, n_in, &layer->options->hidden, 2 * c->n_b, MR_INIT_ZERO);
    else
        c->free = mr_params_add(params, name, 1, 2 * c->n_b, MR_INIT_ZERO, 1, NULL);
    return MR_OK;
}

/// What a coupling does to the features it moves.
typedef struct {
    mr_node *a, *b; // the features of its input
    mr_node *s, *t; // [rows x n_b]
} move;

static move find_move(const coupling *c, mr_params *params, mr_node *x, mr_node *context) {
    move m = {.b = mr_columns(x, c->b, c->n_b)};
    mr_node *in = context;
    if (c->n_a > 0) {
        m.a = mr_columns(x, c->a, c->n_a);
        in = context ? mr_concat(m.a, context) : m.a;
    }
    mr_node *out =
        in ? mr_mlp_build(&c->net, params, in) : mr_param_rows(mr_node_graph(x), params, c->free);
    m.s =
        mr_affine(mr_tanh(mr_affine(mr_slice(out, 0, c->n_b), 1 / scale_bound, 0)), scale_bound, 0);
    m.t = mr_slice(out, c->n_b, c->n_b);
    return m;
}

static mr_node *in_order(const coupling *c, mr_node *a, mr_node *b) {
    return c->n_a > 0 ? mr_columns(mr_concat(a, b), c->order, c->n_a + c->n_b) : b;
}

static mr_node *real_nvp_forward(const mr_flow_layer *layer, mr_params *params, mr_node *z,
                                 mr_node *context, mr_node **log_det) {
    const coupling *c = layer->state;
    const move m = find_move(c, params, z, context);
    *log_det = mr_row_sum(m.s);
    return in_order(c, m.a, mr_add(mr_mul(m.b, mr_exp(m.s)), m.t));
}

static mr_node *real_nvp_inverse(const mr_flow_layer *layer, mr_params *params, mr_node *x,
                                 mr_node *context, mr_node **log_det) {
    const coupling *c = layer->state;
    const move m = find_move(c, params, x, context);
    mr_node *minus_s = mr_affine(m.s, -1, 0);
    *log_det = mr_row_sum(minus_s);
    return in_order(c, m.a, mr_mul(mr_sub(m.b, m.t), mr_exp(minus_s)));
}

static const mr_flow_option options[] = {
    {"layers", MR_FLOW_COUNT, offsetof(mr_flow_options, layers), "4", 64, "couplings"},
    {"hidden", MR_FLOW_WIDTHS, offsetof(mr_flow_options, hidden), "64", 0,
     "widths of each coupling's net"},
};

const mr_flow_kind mr_flow_real_nvp = {
    .name = "real_nvp",
    .summary = "affine couplings (Dinh et al. 2017)",
    .options = options,
    .n_options = MR_COUNT(options),
    .state_size = sizeof(coupling),
    .declare = real_nvp_declare,
    .forward = real_nvp_forward,
    .inverse = real_nvp_inverse,
};
