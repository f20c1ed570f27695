// Couplings (Dinh, Sohl-Dickstein and Bengio 2017, arXiv:1605.08803): some features (a) pass
// unchanged and decide, through a net that sees them and the context, how the others (b) are moved.
//
//     y_a = x_a,   y_b = T(x_b; net(x_a, context)),   log |det dy/dx| = that of T.

#include "flows/conditioner.h"

#include <stdio.h>

enum { ALTERNATE, HALVES, SWAPPED, CHANNELS, CHECKERBOARD }; // choices of `mask`

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
    size_t *raw;   // [outputs] the results that concern b of a net that sees the whole image, a in
                   // its places and 0 in those of b; NULL: it sees a alone
    mr_param free; // [1 x outputs] what a net would give, if there is none
} coupling;

// By default couplings come in pairs that swap a and b, and pairs alternate between halves and
// every other feature, so that any two features meet. A single feature is always moved, by the
// context alone.
//
// Of an image, one half of the channels passes, or every other pixel, as on a checkerboard; the
// other one in the next coupling.
static bool passes(const mr_part *part, size_t j) {
    const coupling_options *o = part->options;
    const mr_shape *s = &part->shape;
    if (o->mask == CHANNELS)
        return (j / mr_shape_places(*s) < s->channels / 2) == (part->index % 2 == 0) &&
               part->dim > 1;
    if (o->mask == CHECKERBOARD)
        return (j / s->width % s->height + j % s->width) % 2 == part->index % 2;
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

static mr_status check_mask(const mr_part *part) {
    const coupling_options *o = part->options;
    const bool is_image = mr_shape_places(part->shape) > 1;
    if (o->mask == CHANNELS && is_image && part->shape.channels == 1)
        return mr_fail(MR_ERR_USAGE, "coupling has mask=channels, and an image of one channel "
                                     "reaches it; put squeeze in front, or take mask=checkerboard");
    if (o->mask == CHECKERBOARD && !is_image)
        return mr_fail(MR_ERR_USAGE, "coupling has mask=checkerboard, which is for images, and a "
                                     "vector reaches it; take mask=channels or alternate");
    if (mr_conditioner_table[o->net]->convolves && is_image && o->mask < CHANNELS)
        return mr_fail(MR_ERR_USAGE,
                       "coupling has net=%s, for which pixels must keep their "
                       "places; take mask=channels or checkerboard",
                       mr_conditioner_table[o->net]->name);
    return MR_OK;
}

// Which results concern b of a net that gives parameters for all features.
static size_t *columns_of_b(const mr_part *part, size_t n_params) {
    const coupling *c = part->state;
    size_t *column = mr_arena_alloc(part->arena, n_params * c->n_b * sizeof *column);
    for (size_t p = 0; p < n_params && column; p++)
        for (size_t k = 0; k < c->n_b; k++)
            column[p * c->n_b + k] = p * part->dim + c->b[k];
    return column;
}

// A net that convolves sees whole channels, or the image with zeros in the places of b and gives
// parameters for all places, of which those of b are taken.
static mr_status declare_net(mr_part *part, mr_params *params, const char *prefix) {
    coupling *c = part->state;
    const coupling_options *o = part->options;
    const size_t n_params = mr_part_n_params(part), n_places = mr_shape_places(part->shape);
    mr_conditioner_spec spec = {.in = {mr_features_n_seen(&c->seen), 1, 1},
                                .context_dim = part->context_dim,
                                .context_image = part->context_image,
                                .hidden = o->hidden,
                                .n_out = n_params * c->n_b};
    c->net = mr_conditioner_table[c->n_a > 0 ? o->net : 0]; // the context alone is no image
    c->net_state = mr_arena_alloc(part->arena, c->net->state_size);
    if (!c->net_state)
        return mr_fail_memory("a coupling");
    if (c->net->convolves && o->mask == CHECKERBOARD) {
        c->raw = columns_of_b(part, n_params);
        if (!c->raw)
            return mr_fail_memory("a coupling");
        spec.in = part->shape;
        spec.n_out = n_params * part->shape.channels;
    } else if (c->net->convolves) {
        spec.in = (mr_shape){c->n_a / n_places, part->shape.height, part->shape.width};
        spec.n_out = n_params * c->n_b / n_places;
    }
    return c->net->declare(c->net_state, params, prefix, &spec);
}

static mr_status coupling_declare(mr_part *part, mr_params *params, const char *prefix) {
    coupling *c = part->state;
    const coupling_options *o = part->options;
    mr_status status = check_mask(part);
    if (status != MR_OK)
        return status;
    if (!split(part, c))
        return mr_fail_memory("a coupling");
    part->transform.fan_in = o->hidden.width[o->hidden.n - 1];
    status = mr_features_init(&c->seen, part->arena, part->circular, c->a, c->n_a);
    if (status == MR_OK)
        status = mr_moved_init(&c->moved, part, c->b, c->n_b);
    if (status != MR_OK)
        return status;
    char name[256];
    snprintf(name, sizeof name, "%s.net", prefix);
    if (mr_features_n_seen(&c->seen) + part->context_dim > 0)
        return declare_net(part, params, name);
    c->free =
        mr_params_add(params, name, 1, mr_part_n_params(part) * c->n_b, MR_INIT_ZERO, 1, NULL);
    return MR_OK;
}

// What the net makes of a and the context: the parameters of b.
static mr_node *build_net(const mr_part *part, mr_params *params, mr_node *a, mr_node *b,
                          mr_node *context) {
    const coupling *c = part->state;
    mr_node *seen = a ? mr_features_see(&c->seen, a) : NULL;
    if (!c->raw)
        return c->net->build(c->net_state, params, seen, context);
    mr_node *image = mr_columns(mr_concat(seen, mr_affine(b, 0, 0)), c->order, part->dim);
    return mr_columns(c->net->build(c->net_state, params, image, context), c->raw,
                      mr_part_n_params(part) * c->n_b);
}

// Moves b by the transform or its inverse.
static mr_node *move(const mr_part *part, mr_params *params, mr_node *x, mr_node *context,
                     bool inverse, mr_node **log_det) {
    const coupling *c = part->state;
    mr_node *b = mr_columns(x, c->b, c->n_b), *a = c->n_a > 0 ? mr_columns(x, c->a, c->n_a) : NULL;
    mr_node *raw = c->net ? build_net(part, params, a, b, context)
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
     .choices = "alternate|halves|swapped|channels|checkerboard",
     .help =
         "features that pass: others in each coupling, always the first half, or the second; of "
         "an image, half of the channels or every other pixel, the others in the next coupling"},
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
