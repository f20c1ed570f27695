// Element-wise transforms: in either direction, of features on lines and of angles, and as parts of
// their own, whose parameters are free or linear in the context.

#include "flows/conditioner.h"

static const double seen_bound = 4;                   // c, of what nets see
static const double half_pi = 1.57079632679489661923; // cos(x) = sin(x + pi/2)

mr_node *mr_smooth_clamp(mr_node *x, double c) {
    return mr_affine(mr_tanh(mr_affine(x, 1 / c, 0)), c, 0);
}

// ---- Features on lines and circles

mr_status mr_features_init(mr_features *f, mr_arena *arena, const bool *circular,
                           const size_t *feature, size_t n) {
    f->line = mr_arena_alloc(arena, (n + 1) * sizeof *f->line);
    f->circle = mr_arena_alloc(arena, (n + 1) * sizeof *f->circle);
    f->order = mr_arena_alloc(arena, (n + 1) * sizeof *f->order);
    if (!f->line || !f->circle || !f->order)
        return mr_fail_memory("a flow");
    for (size_t k = 0; k < n; k++)
        if (circular && circular[feature ? feature[k] : k])
            f->circle[f->n_circles++] = k;
        else
            f->line[f->n_lines++] = k;
    for (size_t k = 0; k < f->n_lines; k++)
        f->order[f->line[k]] = k;
    for (size_t k = 0; k < f->n_circles; k++)
        f->order[f->circle[k]] = f->n_lines + k;
    return MR_OK;
}

static mr_node *see_angles(mr_node *x) {
    return mr_concat(mr_sin(mr_affine(x, 1, half_pi)), mr_sin(x));
}

mr_node *mr_features_see_one(const mr_features *f, size_t k, mr_node *x) {
    return f->order[k] < f->n_lines ? mr_smooth_clamp(x, seen_bound) : see_angles(x);
}

mr_node *mr_features_see(const mr_features *f, mr_node *x) {
    if (f->n_circles == 0)
        return mr_smooth_clamp(x, seen_bound);
    mr_node *seen = see_angles(mr_columns(x, f->circle, f->n_circles));
    if (f->n_lines == 0)
        return seen;
    return mr_concat(mr_smooth_clamp(mr_columns(x, f->line, f->n_lines), seen_bound), seen);
}

size_t mr_features_n_seen(const mr_features *f) {
    return f->n_lines + 2 * f->n_circles;
}

size_t mr_features_place(const mr_features *f, size_t k) {
    return k < f->n_lines ? f->line[k] : f->circle[(k - f->n_lines) % f->n_circles];
}

// ---- Moving them

size_t mr_part_n_params(const mr_part *part) {
    const mr_transform *t = &part->transform;
    size_t n = t->ops->n_params(t);
    for (size_t j = 0; part->circular && j < part->dim; j++)
        if (part->circular[j] && t->ops->n_circular_params(t) > n)
            n = t->ops->n_circular_params(t);
    return n;
}

// The columns of n_params parameters for the features at `places` of a list of n.
static size_t *params_of(mr_arena *arena, size_t n_params, size_t n, size_t n_places,
                         const size_t *places) {
    size_t *column = mr_arena_alloc(arena, (n_params * n_places + 1) * sizeof *column);
    for (size_t p = 0; column && p < n_params; p++)
        for (size_t k = 0; k < n_places; k++)
            column[p * n_places + k] = p * n + places[k];
    return column;
}

mr_status mr_moved_init(mr_moved *moved, const mr_part *part, const size_t *feature, size_t n) {
    const mr_transform *t = &part->transform;
    mr_features *f = &moved->features;
    const mr_status status = mr_features_init(f, part->arena, part->circular, feature, n);
    if (status != MR_OK || f->n_circles == 0)
        return status;
    moved->line_params = params_of(part->arena, t->ops->n_params(t), n, f->n_lines, f->line);
    moved->circle_params =
        params_of(part->arena, t->ops->n_circular_params(t), n, f->n_circles, f->circle);
    return moved->line_params && moved->circle_params ? MR_OK : mr_fail_memory("a flow");
}

static mr_node *apply(const mr_transform *t, bool inverse, mr_node *x, mr_node *raw,
                      mr_node **log_det) {
    return inverse != t->inverted ? t->ops->inverse(t, x, raw, log_det)
                                  : t->ops->forward(t, x, raw, log_det);
}

static mr_node *apply_circular(const mr_transform *t, bool inverse, mr_node *x, mr_node *raw,
                               mr_node **log_det) {
    return inverse != t->inverted ? t->ops->circular_inverse(t, x, raw, log_det)
                                  : t->ops->circular_forward(t, x, raw, log_det);
}

mr_node *mr_moved_apply(const mr_moved *moved, const mr_part *part, bool inverse, mr_node *x,
                        mr_node *raw, mr_node **log_det) {
    const mr_transform *t = &part->transform;
    const mr_features *f = &moved->features;
    mr_node *lines = NULL, *circles, *of_lines = NULL, *of_circles = NULL;
    if (!part->circular)
        return apply(t, inverse, x, raw, log_det);
    if (f->n_circles == 0) // those that the part's angles alone need come last
        return apply(t, inverse, x, mr_slice(raw, 0, t->ops->n_params(t) * f->n_lines), log_det);
    if (f->n_lines > 0)
        lines =
            apply(t, inverse, mr_columns(x, f->line, f->n_lines),
                  mr_columns(raw, moved->line_params, t->ops->n_params(t) * f->n_lines), &of_lines);
    circles = apply_circular(
        t, inverse, mr_columns(x, f->circle, f->n_circles),
        mr_columns(raw, moved->circle_params, t->ops->n_circular_params(t) * f->n_circles),
        &of_circles);
    *log_det = of_lines && of_circles ? mr_add(of_lines, of_circles)
               : of_lines             ? of_lines
                                      : of_circles;
    if (f->n_lines == 0)
        return circles;
    return mr_columns(mr_concat(lines, circles), f->order, f->n_lines + f->n_circles);
}

mr_node *mr_part_move_one(const mr_part *part, size_t j, bool inverse, mr_node *x, mr_node *raw,
                          mr_node **log_det) {
    const mr_transform *t = &part->transform;
    if (!part->circular)
        return apply(t, inverse, x, raw, log_det);
    if (!part->circular[j])
        return apply(t, inverse, x, mr_slice(raw, 0, t->ops->n_params(t)), log_det);
    return apply_circular(t, inverse, x, mr_slice(raw, 0, t->ops->n_circular_params(t)), log_det);
}

// ---- As parts of their own

mr_status mr_transform_part_declare(mr_part *part, mr_params *params, const char *prefix) {
    mr_transform_part *own = part->state;
    part->transform.fan_in = part->context_dim > 0 ? part->context_dim : 1;
    const mr_status status = mr_moved_init(&own->moved, part, NULL, part->dim);
    if (status != MR_OK)
        return status;
    return mr_linear_conditioner_declare(&own->conditioner, part, params, prefix,
                                         mr_part_n_params(part) * part->dim, 0, 1);
}

static mr_node *move(const mr_part *part, mr_params *params, bool inverse, mr_node *x,
                     mr_node *context, mr_node **log_det) {
    const mr_transform_part *own = part->state;
    mr_node *raw = mr_linear_conditioner_build(&own->conditioner, params, x, context);
    return mr_moved_apply(&own->moved, part, inverse, x, raw, log_det);
}

mr_node *mr_transform_part_forward(const mr_part *part, mr_params *params, mr_node *x,
                                   mr_node *context, mr_node **log_det) {
    return move(part, params, false, x, context, log_det);
}

mr_node *mr_transform_part_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                   mr_node *context, mr_node **log_det) {
    return move(part, params, true, y, context, log_det);
}
