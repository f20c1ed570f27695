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

// Sorts units by degree, from 0 to dim. False if memory runs out.
static bool sort_units(const mr_part *part, units u, mr_units *out) {
    size_t n = 0;
    out->sorted = mr_arena_alloc(part->arena, u.n * sizeof *out->sorted);
    out->first = mr_arena_alloc(part->arena, (part->dim + 2) * sizeof *out->first);
    if (!u.degree || !out->sorted || !out->first)
        return false;
    for (size_t d = 0; d <= part->dim; d++) {
        out->first[d] = n;
        for (size_t i = 0; i < u.n; i++)
            if (u.degree[i] == d)
                out->sorted[n++] = i;
    }
    out->first[part->dim + 1] = n;
    return true;
}

static mr_status add_layer(mr_masked_mlp *mlp, const mr_part *part, mr_params *params,
                           const char *prefix, units from, units to, mr_initializer init) {
    const size_t i = mlp->n_layers++;
    char name[256];
    const mr_status status = mr_params_check_room(params, to.n * from.n);
    if (status != MR_OK)
        return status;
    mlp->mask[i] = mask_new(part->arena, from, to);
    if (!mlp->mask[i] || !sort_units(part, from, &mlp->from[i]) ||
        !sort_units(part, to, &mlp->to[i]))
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

// ---- Feature by feature

// Both side by side; NULL is nothing.
static mr_node *append(mr_node *a, mr_node *b) {
    return a && b ? mr_concat(a, b) : a ? a : b;
}

// The units of degree t of layer i, by its inputs of degree t and less, which are all that it
// knows. NULL if it has no such unit.
static mr_node *units_of_degree(const mr_masked_steps *steps, const mr_masked_mlp *mlp,
                                mr_node *node, mr_params *params, size_t i, size_t t) {
    const mr_units *to = &mlp->to[i];
    const size_t *unit = to->sorted + to->first[t], n = to->first[t + 1] - to->first[t];
    const mr_activation activation = i + 1 < mlp->n_layers ? MR_RELU : MR_IDENTITY;
    if (n == 0)
        return NULL;
    if (!steps->input[i])
        return mr_activate(
            mr_columns(mr_param_rows(mr_node_graph(node), params, mlp->bias[i]), unit, n),
            activation);
    return mr_linear_units(steps->input[i], params, mlp->weight[i], mlp->bias[i],
                           mlp->from[i].sorted, n, unit, activation);
}

void mr_masked_steps_begin(mr_masked_steps *steps, mr_node *context) {
    *steps = (mr_masked_steps){.added = context};
}

mr_node *mr_masked_steps_next(mr_masked_steps *steps, const mr_masked_mlp *mlp, mr_node *node,
                              mr_params *params) {
    const size_t t = steps->n_known, last = mlp->n_layers - 1;
    mr_node *seen = t > 0 ? steps->added : NULL; // the last layer sees features, but no context
    mr_node *added = steps->added;
    for (size_t i = 0; i < last; i++) {
        steps->input[i] = append(steps->input[i], added);
        added = units_of_degree(steps, mlp, node, params, i, t);
    }
    steps->input[last] = append(steps->input[last], append(added, seen));
    return units_of_degree(steps, mlp, node, params, last, t);
}

void mr_masked_steps_add(mr_masked_steps *steps, const mr_masked_mlp *mlp, mr_node *x) {
    steps->added = mr_features_see_one(&mlp->seen, mlp->feature[steps->n_known], x);
    steps->n_known++;
}
