// Couplings (Dinh, Sohl-Dickstein and Bengio 2017, arXiv:1605.08803): some features (a) pass
// unchanged and decide, through a net that sees them and the context, how the others (b) are moved.
//
//     y_a = x_a,   y_b = T(x_b; net(x_a, context)),   log |det dy/dx| = that of T.

#include "flows/conditioner.h"

#include <stdio.h>

enum { ALTERNATE, HALVES, SWAPPED }; // choices of `mask`

typedef struct {
    size_t net; // in mr_conditioner_table
    mr_widths hidden;
    size_t mask;
} coupling_options;

typedef struct {
    size_t n_a, n_b;
    size_t *a;                     // [n_a] the columns that pass
    size_t *b;                     // [n_b] those that are moved
    size_t *order;                 // [dim] column j of the result is column order[j] of (a, b)
    mr_features seen;              // a, as the net sees it
    mr_moved moved;                // b
    const mr_conditioner_ops *net; // NULL: neither features nor a context feed it
    void *net_state;
    mr_param free; // [1 x outputs] what the net would give, then
} coupling;

// By default couplings come in pairs that swap a and b, and pairs alternate between halves and
// every other feature, so that any two features meet. A single feature is always moved, by the
// context alone.
static bool passes(const mr_part *part, size_t j) {
    const coupling_options *o = part->options;
    const bool by_halves = o->mask != ALTERNATE || part->index / 2 % 2 == 0;
    const bool swapped = o->mask == ALTERNATE ? part->index % 2 == 1 : o->mask == SWAPPED;
    const bool first = by_halves ? j < part->dim / 2 : j % 2 == 0;
    return part->dim > 1 && first != swapped;
}

static bool split(const mr_part *part, coupling *c) {
    size_t *column = mr_arena_alloc(part->arena, 2 * part->dim * sizeof *column);
    c->order = mr_arena_alloc(part->arena, part->dim * sizeof *c->order);
    if (!column || !c->order)
        return false;
    c->a = column;
    c->b = column + part->dim;
    for (size_t j = 0; j < part->dim; j++)
        if (passes(part, j))
            c->a[c->n_a++] = j;
        else
            c->b[c->n_b++] = j;
    for (size_t k = 0; k < c->n_a; k++)
        c->order[c->a[k]] = k;
    for (size_t k = 0; k < c->n_b; k++)
        c->order[c->b[k]] = c->n_a + k;
    return true;
}

static mr_status coupling_declare(mr_part *part, mr_params *params, const char *prefix) {
    coupling *c = part->state;
    const coupling_options *o = part->options;
    if (!split(part, c))
        return mr_fail_memory("a coupling");
    part->transform.fan_in = o->hidden.width[o->hidden.n - 1];
    mr_status status = mr_features_init(&c->seen, part->arena, part->circular, c->a, c->n_a);
    if (status == MR_OK)
        status = mr_moved_init(&c->moved, part, c->b, c->n_b);
    if (status != MR_OK)
        return status;
    const size_t n_in = mr_features_n_seen(&c->seen) + part->context_dim;
    const size_t n_out = mr_part_n_params(part) * c->n_b;
    char name[256];
    snprintf(name, sizeof name, "%s.net", prefix);
    if (n_in == 0) {
        c->free = mr_params_add(params, name, 1, n_out, MR_INIT_ZERO, 1, NULL);
        return MR_OK;
    }
    c->net = mr_conditioner_table[o->net];
    c->net_state = mr_arena_alloc(part->arena, c->net->state_size);
    if (!c->net_state)
        return mr_fail_memory("a coupling");
    return c->net->declare(c->net_state, params, name, n_in, &o->hidden, n_out);
}

// Moves b by the transform or its inverse.
static mr_node *move(const mr_part *part, mr_params *params, mr_node *x, mr_node *context,
                     bool inverse, mr_node **log_det) {
    const coupling *c = part->state;
    mr_node *b = mr_columns(x, c->b, c->n_b), *a = NULL, *in = context;
    if (c->n_a > 0) {
        a = mr_columns(x, c->a, c->n_a);
        mr_node *seen = mr_features_see(&c->seen, a);
        in = context ? mr_concat(seen, context) : seen;
    }
    mr_node *raw = c->net ? c->net->build(c->net_state, params, in)
                          : mr_param_rows(mr_node_graph(x), params, c->free);
    mr_node *moved = mr_moved_apply(&c->moved, part, inverse, b, raw, log_det);
    return a ? mr_columns(mr_concat(a, moved), c->order, part->dim) : moved;
}

static mr_node *coupling_forward(const mr_part *part, mr_params *params, mr_node *x,
                                 mr_node *context, mr_node **log_det) {
    return move(part, params, x, context, false, log_det);
}

static mr_node *coupling_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                 mr_node *context, mr_node **log_det) {
    return move(part, params, y, context, true, log_det);
}

static const mr_flow_option rows[] = {
    {.name = "net",
     .type = MR_FLOW_OPTION_CHOICE,
     .offset = offsetof(coupling_options, net),
     .initial = "mlp",
     .choices = mr_conditioner_names,
     .help = "kind of net"},
    {.name = "hidden",
     .type = MR_FLOW_OPTION_WIDTHS,
     .offset = offsetof(coupling_options, hidden),
     .initial = "64x64",
     .help = "widths of the net's hidden layers"},
    {.name = "mask",
     .type = MR_FLOW_OPTION_CHOICE,
     .offset = offsetof(coupling_options, mask),
     .initial = "alternate",
     .choices = "alternate|halves|swapped",
     .help = "features that pass: others in each coupling, always the first half, or the second"},
};

const mr_part_ops mr_part_coupling = {
    .name = "coupling",
    .summary = "some features move the others, through a net (Dinh et al. 2017)",
    .inverse_by = "the transform's inverse",
    .options = {rows, MR_COUNT(rows), sizeof(coupling_options)},
    .state_size = sizeof(coupling),
    .has_transform = true,
    .takes_circular = true,
    .declare = coupling_declare,
    .forward = coupling_forward,
    .inverse = coupling_inverse,
};
