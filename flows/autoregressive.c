// Autoregressive parts (Papamakarios, Pavlakou and Murray 2017, arXiv:1705.07057; Kingma et al.
// 2016, arXiv:1606.04934): each feature is moved by what a masked MLP says of those before it.
//
//     y_j = T(x_j; net(x before j, context)),   log |det dy/dx| = that of T.
//
// The inverse takes as many passes through the net as there are features: what the net sees is
// known feature by feature.

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

// What the net says of feature j.
static mr_node *outputs_of(const mr_masked_mlp *mlp, mr_node *out, size_t j) {
    size_t column[MAX_PARAMS];
    for (size_t k = 0; k < mlp->n_outputs; k++)
        column[k] = k * mlp->dim + j;
    return mr_columns(out, column, mlp->n_outputs);
}

// x with feature j replaced.
static mr_node *with_feature(const mr_masked_mlp *mlp, mr_node *x, size_t j, mr_node *feature) {
    const size_t n_after = mlp->dim - 1 - j;
    mr_node *y = j > 0 ? mr_concat(mr_slice(x, 0, j), feature) : feature;
    return n_after > 0 ? mr_concat(y, mr_slice(x, j + 1, n_after)) : y;
}

// Values and gradients are exact: after pass t the first t features are final, and the net's
// outputs for the next see no others.
static mr_node *autoregressive_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                       mr_node *context, mr_node **log_det) {
    const mr_masked_mlp *mlp = &((const autoregressive *)part->state)->net;
    mr_node *x = mr_stop_gradient(mr_affine(y, 0, 0)); // the net doesn't see what is not known yet
    mr_node *sum = NULL;
    for (size_t t = 0; t < mlp->dim; t++) {
        const size_t j = mlp->feature[t];
        mr_node *log_det_j = NULL;
        mr_node *raw = outputs_of(mlp, mr_masked_mlp_build(mlp, params, x, context), j);
        mr_node *feature = mr_part_move_one(part, j, true, mr_slice(y, j, 1), raw, &log_det_j);
        x = with_feature(mlp, x, j, feature);
        if (log_det_j)
            sum = sum ? mr_add(sum, log_det_j) : log_det_j;
    }
    *log_det = sum;
    return x;
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
    .inverse_by = "one pass a feature",
    .options = {rows, MR_COUNT(rows), sizeof(autoregressive_options)},
    .state_size = sizeof(autoregressive),
    .has_transform = true,
    .takes_circular = true,
    .declare = autoregressive_declare,
    .forward = autoregressive_forward,
    .inverse = autoregressive_inverse,
};
