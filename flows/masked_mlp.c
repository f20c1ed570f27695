// Masked MLPs. Every unit has a degree, and sees the units of the layer before it whose degree is
// not greater (outputs: less): features have degrees 1 to D in the net's order, the context has 0.

#include "flows/masked_mlp.h"

#include <stdio.h>
#include <string.h>

// Hidden units have the degrees that some output may still see: 1 to D - 1, and 0 if there is a
// context (or nothing else: D = 1), so that it acts on the first feature, too. They take turns; a
// layer too narrow for all degrees spreads over their range.
static size_t hidden_degree(const mr_part *part, size_t width, size_t j) {
    const size_t least = part->context_dim > 0 || part->dim == 1 ? 0 : 1;
    const size_t n = part->dim - least;
    return least + (width >= n ? j % n : j * n / width);
}

/// The degrees of one layer of units.
typedef struct {
    size_t n;
    size_t *degree; // [n]
} units;

static units units_new(const mr_part *part, size_t n) {
    return (units){n, mr_arena_alloc(part->arena, n * sizeof(size_t))};
}

static size_t place_in_order(const mr_masked_mlp *mlp, size_t feature) {
    size_t t = 0;
    while (mlp->feature[t] != feature)
        t++;
    return t;
}

// Sets the degrees of what the net sees of the features.
static void set_seen(const mr_masked_mlp *mlp, size_t *degree) {
    for (size_t k = 0; k < mr_features_n_seen(&mlp->seen); k++)
        degree[k] = place_in_order(mlp, mr_features_place(&mlp->seen, k)) + 1;
}

// The features, then the context.
static units input_units(const mr_masked_mlp *mlp, const mr_part *part) {
    const units u = units_new(part, mr_features_n_seen(&mlp->seen) + part->context_dim);
    if (u.degree)
        set_seen(mlp, u.degree);
    return u;
}

static units hidden_units(const mr_part *part, size_t width) {
    const units u = units_new(part, width);
    for (size_t j = 0; u.degree && j < width; j++)
        u.degree[j] = hidden_degree(part, width, j);
    return u;
}

// An output's degree is one less than its feature's, so that "not greater" serves for all.
static units output_units(const mr_masked_mlp *mlp, const mr_part *part) {
    const units u = units_new(part, mlp->n_outputs * part->dim);
    for (size_t k = 0; u.degree && k < mlp->n_outputs; k++)
        for (size_t t = 0; t < part->dim; t++)
            u.degree[k * part->dim + mlp->feature[t]] = t;
    return u;
}

// What the last layer sees: the last hidden units, and the features once more (the paper's direct
// connections). With many features only a few hidden units have the degree of any one, and these
// may all be inactive; a direct connection still lets a feature act on those after it.
static units with_features(const mr_masked_mlp *mlp, const mr_part *part, units hidden) {
    const units u = units_new(part, hidden.n + mr_features_n_seen(&mlp->seen));
    if (!u.degree || !hidden.degree)
        return (units){0};
    memcpy(u.degree, hidden.degree, hidden.n * sizeof *u.degree);
    set_seen(mlp, u.degree + hidden.n);
    return u;
}

// Which weights exist, [to.n x from.n].
static const mr_real *mask_new(mr_arena *arena, units from, units to) {
    mr_real *mask = mr_arena_alloc(arena, to.n * from.n * sizeof *mask);
    if (!mask || !from.degree || !to.degree)
        return NULL;
    for (size_t i = 0; i < to.n; i++)
        for (size_t j = 0; j < from.n; j++)
            mask[i * from.n + j] = from.degree[j] <= to.degree[i];
    return mask;
}

static mr_status add_layer(mr_masked_mlp *mlp, const mr_part *part, mr_params *params,
                           const char *prefix, units from, units to, mr_initializer init) {
    const size_t i = mlp->n_layers++;
    char name[256];
    const mr_status status = mr_params_check_room(params, to.n * from.n);
    if (status != MR_OK)
        return status;
    mlp->mask[i] = mask_new(part->arena, from, to);
    if (!mlp->mask[i])
        return mr_fail_memory("a masked MLP");
    snprintf(name, sizeof name, "%s.%zu.weight", prefix, i);
    mlp->weight[i] = mr_params_add(params, name, to.n, from.n, init, from.n, mlp->mask[i]);
    snprintf(name, sizeof name, "%s.%zu.bias", prefix, i);
    mlp->bias[i] = mr_params_add(params, name, 1, to.n, init, from.n, NULL);
    return MR_OK;
}

mr_status mr_masked_mlp_declare(mr_masked_mlp *mlp, const mr_part *part, mr_params *params,
                                const char *prefix, const mr_widths *hidden, size_t n_outputs,
                                bool backward) {
    mr_status status;
    mlp->dim = part->dim;
    mlp->n_outputs = n_outputs;
    mlp->feature = mr_arena_alloc(part->arena, part->dim * sizeof *mlp->feature);
    if (!mlp->feature)
        return mr_fail_memory("a masked MLP");
    MR_TRY(mr_features_init(&mlp->seen, part->arena, part->circular, NULL, part->dim));
    for (size_t t = 0; t < part->dim; t++)
        mlp->feature[t] = backward ? part->dim - 1 - t : t;

    units from = input_units(mlp, part);
    for (size_t i = 0; i < hidden->n; i++) {
        const units to = hidden_units(part, hidden->width[i]);
        MR_TRY(add_layer(mlp, part, params, prefix, from, to, MR_INIT_FAN_IN));
        from = to;
    }
    MR_TRY(add_layer(mlp, part, params, prefix, with_features(mlp, part, from),
                     output_units(mlp, part), MR_INIT_ZERO));
done:
    return status;
}

mr_node *mr_masked_mlp_build(const mr_masked_mlp *mlp, mr_params *params, mr_node *x,
                             mr_node *context) {
    const size_t last = mlp->n_layers - 1;
    mr_node *seen = mr_features_see(&mlp->seen, x);
    mr_node *hidden = context ? mr_concat(seen, context) : seen;
    for (size_t i = 0; i < last; i++)
        hidden =
            mr_linear_masked(hidden, params, mlp->weight[i], mlp->bias[i], mlp->mask[i], MR_RELU);
    return mr_linear_masked(mr_concat(hidden, seen), params, mlp->weight[last], mlp->bias[last],
                            mlp->mask[last], MR_IDENTITY);
}
