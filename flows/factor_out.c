// Factoring out (Dinh et al. 2017, arXiv:1605.08803, section 3.6): the second half of the channels
// (b) become features of z, the first half (a) go on. What a says of b is a convolution, as the
// learned prior of Glow (Kingma and Dhariwal 2018, arXiv:1807.03039, appendix B):
//
//     y_a = x_a,   y_b = (x_b - t) exp(-s),   (s, t) = conv(x_a) of 3 x 3, zero at the start,
//
// with s bounded as that of the transform `affine`: so b is N(t, exp(s)^2) where the base is a
// standard normal.

#include "flows/conditioner.h"

#include <stdio.h>

typedef struct {
    size_t n_a, n_b;  // features
    mr_features seen; // a, as the net sees it
    void *net;        // of mr_conditioner_conv
} factor_out;

extern const mr_part_ops mr_part_affine;

static bool factor_out_reshape(mr_shape shape, mr_shape *out) {
    *out = (mr_shape){shape.channels - shape.channels / 2, shape.height, shape.width};
    return shape.channels > 1;
}

static mr_status factor_out_declare(mr_part *part, mr_params *params, const char *prefix) {
    factor_out *f = part->state;
    char name[256];
    f->n_a = mr_shape_count(part->out);
    f->n_b = part->dim - f->n_a;
    f->net = mr_arena_alloc(part->arena, mr_conditioner_conv.state_size);
    if (!f->net)
        return mr_fail_memory("a flow");
    const mr_status status = mr_features_init(&f->seen, part->arena, NULL, NULL, f->n_a);
    if (status != MR_OK)
        return status;
    part->transform = (mr_transform){.ops = mr_part_affine.transform, .inverted = true};
    const mr_conditioner_spec spec = {
        .in = part->out,
        .context_dim = part->context_dim,
        .n_out = mr_part_n_params(part) * (part->shape.channels - part->out.channels),
    };
    snprintf(name, sizeof name, "%s.net", prefix);
    return mr_conditioner_conv.declare(f->net, params, name, &spec);
}

static mr_node *move(const mr_part *part, mr_params *params, bool inverse, mr_node *x,
                     mr_node *context, mr_node **log_det) {
    const factor_out *f = part->state;
    const mr_moved all = {{0}, NULL, NULL};
    mr_node *a = mr_slice(x, 0, f->n_a), *b = mr_slice(x, f->n_a, f->n_b);
    mr_node *raw = mr_conditioner_conv.build(f->net, params, mr_features_see(&f->seen, a), context);
    return mr_concat(a, mr_moved_apply(&all, part, inverse, b, raw, log_det));
}

static mr_node *factor_out_forward(const mr_part *part, mr_params *params, mr_node *x,
                                   mr_node *context, mr_node **log_det) {
    return move(part, params, false, x, context, log_det);
}

static mr_node *factor_out_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                   mr_node *context, mr_node **log_det) {
    return move(part, params, true, y, context, log_det);
}

const mr_part_ops mr_part_factor_out = {
    .name = "factor_out",
    .summary = "half of the channels go to the base, standardised by a convolution of the others "
               "(Dinh et al. 2017; Kingma and Dhariwal 2018)",
    .inverse_by = "closed form",
    .state_size = sizeof(factor_out),
    .step_name = "factor_out",
    .reshape = factor_out_reshape,
    .needs = "an image of two or more channels",
    .declare = factor_out_declare,
    .forward = factor_out_forward,
    .inverse = factor_out_inverse,
};
