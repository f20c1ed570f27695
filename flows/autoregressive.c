// Autoregressive parts (Papamakarios, Pavlakou and Murray 2017, arXiv:1705.07057; Kingma et al.
// 2016, arXiv:1606.04934): each feature is moved by what a masked MLP says of those before it.
//
//     y_j = T(x_j; net(x before j, context)),   log |det dy/dx| = that of T.
//
// In the inverse, what the net sees becomes known feature by feature, and so each of its units is
// computed when all that it sees is known.

#include "flows/conditioner.h"
#include "flows/masked_mlp.h"

#include <assert.h>
#include <stdio.h>

enum { MAX_PARAMS = 4 * MR_MAX_BINS }; // of a transform, for each feature

enum { ALTERNATE, FORWARD, BACKWARD }; // choices of `order`

typedef struct {
    mr_widths hidden;
    size_t order;
} autoregressive_options;

typedef struct {
    mr_masked_mlp net;
    mr_moved moved; // all features
} autoregressive;

static mr_status autoregressive_declare(mr_part *part, mr_params *params, const char *prefix) {
    const autoregressive_options *o = part->options;
    const bool backward = o->order == ALTERNATE ? part->index % 2 == 1 : o->order == BACKWARD;
    char name[256];
    part->transform.fan_in = o->hidden.width[o->hidden.n - 1];
    autoregressive *a = part->state;
    const mr_status status = mr_moved_init(&a->moved, part, NULL, part->dim);
    if (status != MR_OK)
        return status;
    assert(mr_part_n_params(part) <= MAX_PARAMS);
    snprintf(name, sizeof name, "%s.net", prefix);
    return mr_masked_mlp_declare(&a->net, part, params, name, &o->hidden, mr_part_n_params(part),
                                 backward);
}

static mr_node *autoregressive_forward(const mr_part *part, mr_params *params, mr_node *x,
                                       mr_node *context, mr_node **log_det) {
    const autoregressive *a = part->state;
    mr_node *raw = mr_masked_mlp_build(&a->net, params, x, context);
    return mr_moved_apply(&a->moved, part, false, x, raw, log_det);
}

// ---- The inverse, feature by feature

static mr_node *autoregressive_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                       mr_node *context, mr_node **log_det) {
    const mr_masked_mlp *mlp = &((const autoregressive *)part->state)->net;
    mr_node *known = NULL, *sum = NULL; // known: the features in the net's order
    mr_masked_steps steps;
    mr_masked_steps_begin(&steps, context);
    for (size_t t = 0; t < part->dim; t++) {
        const size_t j = mlp->feature[t];
        mr_node *log_det_j = NULL, *y_j = mr_slice(y, j, 1);
        mr_node *raw = mr_masked_steps_next(&steps, mlp, y_j, params);
        mr_node *x_j = mr_part_move_one(part, j, true, y_j, raw, &log_det_j);
        mr_masked_steps_add(&steps, mlp, x_j);
        known = t > 0 ? mr_concat(known, x_j) : x_j;
        if (log_det_j)
            sum = sum ? mr_add(sum, log_det_j) : log_det_j;
    }
    *log_det = sum;
    return mr_columns(known, mlp->feature, part->dim); // the net's order is its own inverse
}

static const mr_flow_option rows[] = {
    {.name = "hidden",
     .type = MR_FLOW_OPTION_WIDTHS,
     .offset = offsetof(autoregressive_options, hidden),
     .initial = "64x64",
     .help = "widths of the masked MLP's hidden layers"},
    {.name = "order",
     .type = MR_FLOW_OPTION_CHOICE,
     .offset = offsetof(autoregressive_options, order),
     .initial = "alternate",
     .choices = "alternate|forward|backward",
     .help = "of the features: reversed in every second part of this name, or never, or always"},
};

const mr_part_ops mr_part_autoregressive = {
    .name = "autoregressive",
    .summary = "each feature is moved by those before it, through a masked MLP (Papamakarios et "
               "al. 2017)",
    .inverse_by = "feature by feature, in as much arithmetic as one pass",
    .options = {rows, MR_COUNT(rows), sizeof(autoregressive_options)},
    .state_size = sizeof(autoregressive),
    .has_transform = true,
    .takes_circular = true,
    .declare = autoregressive_declare,
    .forward = autoregressive_forward,
    .inverse = autoregressive_inverse,
};
