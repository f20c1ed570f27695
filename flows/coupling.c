// Couplings: the split, the net and the affine move.

#include "flows/coupling.h"

#include "flows/conditioner_input.h"
#include "flows/scale.h"

#include <stdio.h>

static bool passes(size_t layer, size_t dim, size_t j) {
    const bool swapped = layer % 2 == 1, by_halves = layer / 2 % 2 == 0;
    const bool first = by_halves ? j < dim / 2 : j % 2 == 0;
    return dim > 1 && first != swapped;
}

static bool split(const mr_flow_layer *layer, mr_coupling *c) {
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

mr_status mr_coupling_declare(mr_coupling *c, const mr_flow_layer *layer, mr_params *params,
                              const char *prefix, size_t n_outputs) {
    if (!split(layer, c))
        return mr_fail_memory("a coupling");
    const size_t n_in = c->n_a + layer->context_dim, n_out = n_outputs * c->n_b;
    char name[256];
    snprintf(name, sizeof name, "%s.net", prefix);
    if (n_in > 0)
        c->net = mr_mlp_declare(params, name, n_in, &layer->options->hidden, n_out, MR_INIT_ZERO);
    else
        c->free = mr_params_add(params, name, 1, n_out, MR_INIT_ZERO, 1, NULL);
    return MR_OK;
}

mr_coupling_parts mr_coupling_split(const mr_coupling *c, mr_params *params, mr_node *x,
                                    mr_node *context) {
    mr_coupling_parts parts = {.b = mr_columns(x, c->b, c->n_b)};
    mr_node *in = context;
    if (c->n_a > 0) {
        parts.a = mr_columns(x, c->a, c->n_a);
        mr_node *seen = mr_conditioner_input(parts.a);
        in = context ? mr_concat(seen, context) : seen;
    }
    parts.out =
        in ? mr_mlp_build(&c->net, params, in) : mr_param_rows(mr_node_graph(x), params, c->free);
    return parts;
}

mr_node *mr_coupling_join(const mr_coupling *c, mr_node *a, mr_node *b) {
    return c->n_a > 0 ? mr_columns(mr_concat(a, b), c->order, c->n_a + c->n_b) : b;
}

// ---- The affine move

mr_node *mr_affine_coupling_forward(const mr_coupling *c, mr_params *params, mr_node *z,
                                    mr_node *context, mr_node **log_det) {
    const mr_coupling_parts parts = mr_coupling_split(c, params, z, context);
    return mr_coupling_join(c, parts.a, mr_scale_shift(parts.b, parts.out, log_det));
}

mr_node *mr_affine_coupling_inverse(const mr_coupling *c, mr_params *params, mr_node *x,
                                    mr_node *context, mr_node **log_det) {
    const mr_coupling_parts parts = mr_coupling_split(c, params, x, context);
    return mr_coupling_join(c, parts.a, mr_scale_shift_inverse(parts.b, parts.out, log_det));
}
