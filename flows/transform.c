// Element-wise transforms in either direction, and as parts of their own: each feature is then
// moved by a function whose parameters are free, or linear in the context.

#include "flows/conditioner.h"

mr_node *mr_transform_forward(const mr_transform *t, mr_node *x, mr_node *raw, mr_node **log_det) {
    return t->inverted ? t->ops->inverse(t, x, raw, log_det) : t->ops->forward(t, x, raw, log_det);
}

mr_node *mr_transform_inverse(const mr_transform *t, mr_node *x, mr_node *raw, mr_node **log_det) {
    return t->inverted ? t->ops->forward(t, x, raw, log_det) : t->ops->inverse(t, x, raw, log_det);
}

mr_node *mr_smooth_clamp(mr_node *x, double c) {
    return mr_affine(mr_tanh(mr_affine(x, 1 / c, 0)), c, 0);
}

// ---- As parts of their own

mr_status mr_transform_part_declare(mr_part *part, mr_params *params, const char *prefix) {
    mr_transform *t = &part->transform;
    t->fan_in = part->context_dim > 0 ? part->context_dim : 1;
    return mr_linear_conditioner_declare(part->state, part, params, prefix,
                                         t->ops->n_params(t) * part->dim, 0, 1);
}

mr_node *mr_transform_part_forward(const mr_part *part, mr_params *params, mr_node *x,
                                   mr_node *context, mr_node **log_det) {
    mr_node *raw = mr_linear_conditioner_build(part->state, params, x, context);
    return mr_transform_forward(&part->transform, x, raw, log_det);
}

mr_node *mr_transform_part_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                   mr_node *context, mr_node **log_det) {
    mr_node *raw = mr_linear_conditioner_build(part->state, params, y, context);
    return mr_transform_inverse(&part->transform, y, raw, log_det);
}
