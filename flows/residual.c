// A residual net as a conditioner (He et al. 2016, arXiv:1603.05027; used by Durkan et al. 2019).
//
//     h_0 = W x,   h_i = h_(i-1) + V_i relu(U_i relu(h_(i-1))),   out = R h_n
//
// One block for each width in `hidden`; where the width changes, the shortcut is a linear layer.
// The V_i start at zero, so that each block starts as the identity.

#include "flows/conditioner.h"

#include <stdio.h>

/// A linear layer.
typedef struct {
    mr_param weight, bias;
} layer;

typedef struct {
    layer first, inner, outer; // W or the shortcut (if the width changes), U and V
    bool has_first;
} block;

typedef struct {
    size_t n_blocks;
    block block[MR_MAX_HIDDEN];
    layer output;
} residual;

static layer declare_layer(mr_params *params, const char *prefix, const char *what, size_t i,
                           size_t n_in, size_t n_out, mr_initializer init) {
    char name[256];
    layer l;
    snprintf(name, sizeof name, "%s.%zu.%s.weight", prefix, i, what);
    l.weight = mr_params_add(params, name, n_out, n_in, init, n_in, NULL);
    snprintf(name, sizeof name, "%s.%zu.%s.bias", prefix, i, what);
    l.bias = mr_params_add(params, name, 1, n_out, init, n_in, NULL);
    return l;
}

static mr_status residual_declare(void *state, mr_params *params, const char *prefix, size_t n_in,
                                  const mr_widths *hidden, size_t n_out) {
    residual *r = state;
    size_t width = n_in;
    r->n_blocks = hidden->n;
    for (size_t i = 0; i < hidden->n; i++) {
        block *b = &r->block[i];
        const size_t before = width;
        width = hidden->width[i];
        b->has_first = i == 0 || width != before;
        if (b->has_first)
            b->first = declare_layer(params, prefix, "shortcut", i, before, width, MR_INIT_FAN_IN);
        b->inner = declare_layer(params, prefix, "inner", i, width, width, MR_INIT_FAN_IN);
        b->outer = declare_layer(params, prefix, "outer", i, width, width, MR_INIT_ZERO);
    }
    r->output = declare_layer(params, prefix, "output", hidden->n, width, n_out, MR_INIT_ZERO);
    return MR_OK;
}

static mr_node *apply(layer l, mr_params *params, mr_node *x, mr_activation activation) {
    return mr_linear(x, params, l.weight, l.bias, activation);
}

static mr_node *residual_build(const void *state, mr_params *params, mr_node *x) {
    const residual *r = state;
    for (size_t i = 0; i < r->n_blocks; i++) {
        const block *b = &r->block[i];
        mr_node *h = b->has_first ? apply(b->first, params, x, MR_IDENTITY) : x;
        mr_node *inner = apply(b->inner, params, mr_relu(h), MR_RELU);
        x = mr_add(h, apply(b->outer, params, inner, MR_IDENTITY));
    }
    return apply(r->output, params, x, MR_IDENTITY);
}

const mr_conditioner_ops mr_conditioner_residual = {
    .name = "residual",
    .summary = "a residual block for each width in `hidden` (He et al. 2016)",
    .state_size = sizeof(residual),
    .declare = residual_declare,
    .build = residual_build,
};
