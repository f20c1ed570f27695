// MADE nets. Every unit has a degree, and sees the units before it whose degree is not greater
// (outputs: less): features have degrees 1 to D in the net's order, the context has 0.

#include "flows/masked_mlp.h"

#include "flows/conditioner_input.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// Hidden units have the degrees that some output may still see: 1 to D - 1, and 0 where there is a
// context (or nothing else: D = 1), so that it reaches the first feature, too. They take turns; a
// layer too narrow for all degrees spreads over their range.
static size_t hidden_degree(const mr_flow_layer *layer, size_t width, size_t j) {
    const size_t least = layer->context_dim > 0 || layer->dim == 1 ? 0 : 1;
    const size_t n = layer->dim - least;
    return least + (width >= n ? j % n : j * n / width);
}

/// The degrees of one layer of units.
typedef struct {
    size_t n;
    size_t *degree; // [n]
} units;

static units units_new(const mr_flow_layer *layer, size_t n) {
    return (units){n, mr_arena_alloc(layer->arena, n * sizeof(size_t))};
}

// The features, then the context.
static units input_units(const mr_masked_mlp *mlp, const mr_flow_layer *layer) {
    const units u = units_new(layer, layer->dim + layer->context_dim);
    for (size_t t = 0; u.degree && t < layer->dim; t++)
        u.degree[mlp->feature[t]] = t + 1;
    return u;
}

static units hidden_units(const mr_flow_layer *layer, size_t width) {
    const units u = units_new(layer, width);
    for (size_t j = 0; u.degree && j < width; j++)
        u.degree[j] = hidden_degree(layer, width, j);
    return u;
}

// An output's degree is one less than its feature's, so that "not greater" serves for all.
static units output_units(const mr_masked_mlp *mlp, const mr_flow_layer *layer) {
    const units u = units_new(layer, mlp->n_outputs * layer->dim);
    for (size_t k = 0; u.degree && k < mlp->n_outputs; k++)
        for (size_t t = 0; t < layer->dim; t++)
            u.degree[k * layer->dim + mlp->feature[t]] = t;
    return u;
}

// What the last layer sees: the last hidden units, and the features once more. Where there are many
// features only a few hidden units have the degree of any one, and they may all be shut; this way
// every feature keeps its say in those after it (the paper's direct connections).
static units with_features(const mr_masked_mlp *mlp, const mr_flow_layer *layer, units hidden) {
    const units u = units_new(layer, hidden.n + layer->dim);
    if (!u.degree || !hidden.degree)
        return (units){0};
    memcpy(u.degree, hidden.degree, hidden.n * sizeof *u.degree);
    for (size_t t = 0; t < layer->dim; t++)
        u.degree[hidden.n + mlp->feature[t]] = t + 1;
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

static mr_status add_layer(mr_masked_mlp *mlp, const mr_flow_layer *layer, mr_params *params,
                           const char *prefix, units from, units to, mr_init init) {
    const size_t i = mlp->n_layers++;
    char name[256];
    const mr_status status = mr_params_check_room(params, to.n * from.n);
    if (status != MR_OK)
        return status;
    mlp->mask[i] = mask_new(layer->arena, from, to);
    if (!mlp->mask[i])
        return mr_fail_memory("a MADE's masks");
    snprintf(name, sizeof name, "%s.net.%zu.weight", prefix, i);
    mlp->weight[i] = mr_params_add(params, name, to.n, from.n, init, from.n, mlp->mask[i]);
    snprintf(name, sizeof name, "%s.net.%zu.bias", prefix, i);
    mlp->bias[i] = mr_params_add(params, name, 1, to.n, init, from.n, NULL);
    return MR_OK;
}

mr_status mr_masked_mlp_declare(mr_masked_mlp *mlp, const mr_flow_layer *layer, mr_params *params,
                                const char *prefix, size_t n_outputs) {
    mr_status status;
    assert(n_outputs <= MR_MASKED_MLP_MAX_OUTPUTS);
    const mr_widths *hidden = &layer->options->hidden;
    mlp->dim = layer->dim;
    mlp->n_outputs = n_outputs;
    mlp->feature = mr_arena_alloc(layer->arena, layer->dim * sizeof *mlp->feature);
    if (!mlp->feature)
        return mr_fail_memory("a MADE's order");
    for (size_t t = 0; t < layer->dim; t++)
        mlp->feature[t] = layer->index % 2 == 0 ? t : layer->dim - 1 - t;

    units from = input_units(mlp, layer);
    for (size_t i = 0; i < hidden->n; i++) {
        const units to = hidden_units(layer, hidden->width[i]);
        MR_TRY(add_layer(mlp, layer, params, prefix, from, to, MR_INIT_FAN_IN));
        from = to;
    }
    MR_TRY(add_layer(mlp, layer, params, prefix, with_features(mlp, layer, from),
                     output_units(mlp, layer), MR_INIT_ZERO));
done:
    return status;
}

mr_node *mr_masked_mlp_build(const mr_masked_mlp *mlp, mr_params *params, mr_node *x,
                             mr_node *context) {
    const size_t last = mlp->n_layers - 1;
    mr_node *seen = mr_conditioner_input(x);
    mr_node *hidden = context ? mr_concat(seen, context) : seen;
    for (size_t i = 0; i < last; i++)
        hidden =
            mr_linear_masked(hidden, params, mlp->weight[i], mlp->bias[i], mlp->mask[i], MR_RELU);
    return mr_linear_masked(mr_concat(hidden, seen), params, mlp->weight[last], mlp->bias[last],
                            mlp->mask[last], MR_IDENTITY);
}

// ---- Feature by feature

// What the net says of feature j.
static mr_node *outputs_of(const mr_masked_mlp *mlp, mr_node *out, size_t j) {
    size_t column[MR_MASKED_MLP_MAX_OUTPUTS];
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

mr_node *mr_masked_mlp_unroll(const mr_masked_mlp *mlp, const mr_flow_layer *layer,
                              mr_params *params, mr_node *x, mr_node *context,
                              mr_masked_mlp_move move, mr_node **log_det) {
    mr_node *y = mr_stop_gradient(mr_affine(x, 0, 0)); // what is not known yet has no say
    mr_node *sum = NULL;
    for (size_t t = 0; t < mlp->dim; t++) {
        const size_t j = mlp->feature[t];
        mr_node *part = NULL;
        mr_node *out = outputs_of(mlp, mr_masked_mlp_build(mlp, params, y, context), j);
        y = with_feature(mlp, y, j, move(layer, mr_slice(x, j, 1), out, &part));
        sum = sum ? mr_add(sum, part) : part;
    }
    *log_det = sum;
    return y;
}
