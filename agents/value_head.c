// The value heads: Q itself, its quantiles, and its probabilities on atoms.

#include "agents/value_head.h"

#include <string.h>

// reward + discount (z - entropy_cost)
static mr_node *back_up(mr_node *z, const mr_backup *backup) {
    if (backup->entropy_cost)
        z = mr_sub(z, backup->entropy_cost);
    return mr_add(backup->reward, mr_mul(backup->discount, z));
}

// ---- Scalar

static size_t scalar_n_outputs(const mr_value_options *options) {
    (void)options; // it has none
    return 1;
}

static mr_node *scalar_value(const mr_value_options *options, mr_node *outputs) {
    (void)options;
    return outputs;
}

// y = reward + discount (min_i Q_i - entropy_cost)
static mr_node *scalar_target(const mr_value_options *options, size_t n, mr_node *const *next,
                              const mr_backup *backup) {
    mr_node *value = next[0];
    (void)options;
    for (size_t i = 1; i < n; i++)
        value = mr_min(value, next[i]);
    return back_up(value, backup);
}

// 1/2 (Q - y)^2
static mr_node *scalar_loss(mr_node *outputs, mr_node *target) {
    return mr_affine(mr_square(mr_sub(outputs, target)), 0.5, 0);
}

const mr_value_head mr_value_head_scalar = {
    .name = "scalar",
    .n_outputs = scalar_n_outputs,
    .value = scalar_value,
    .target = scalar_target,
    .loss = scalar_loss,
};

// ---- Quantiles, truncated: TQC (Kuznetsov et al. 2020, arXiv:2005.04269)

static size_t quantile_n_outputs(const mr_value_options *options) {
    return options->n_quantiles;
}

static mr_node *quantile_value(const mr_value_options *options, mr_node *outputs) {
    (void)options;
    return mr_row_mean(outputs);
}

// All critics' quantiles in one sorted row, without the n_dropped largest of each critic: the
// others are samples of the next return.
static mr_node *quantile_target(const mr_value_options *options, size_t n, mr_node *const *next,
                                const mr_backup *backup) {
    const size_t n_kept = n * (options->n_quantiles - options->n_dropped);
    return back_up(mr_slice(mr_row_sort(mr_concat_all(n, next)), 0, n_kept), backup);
}

static const mr_value_head quantile = {
    .name = "quantile",
    .policy_takes_mean = true,
    .n_outputs = quantile_n_outputs,
    .value = quantile_value,
    .target = quantile_target,
    .loss = mr_quantile_huber,
};

// ---- Categories: C51 (Bellemare et al. 2017, arXiv:1707.06887). Which critic's distribution is
// the target: XQC (Palenicek et al. 2025).

static size_t categorical_n_outputs(const mr_value_options *options) {
    return options->n_atoms;
}

static mr_node *categorical_value(const mr_value_options *options, mr_node *outputs) {
    return mr_categorical_mean(outputs, options->atoms);
}

// The distribution of the critic with the least mean, moved and projected onto the atoms.
static mr_node *categorical_target(const mr_value_options *options, size_t n, mr_node *const *next,
                                   const mr_backup *backup) {
    mr_node *shift = backup->reward;
    if (backup->entropy_cost)
        shift = mr_sub(shift, mr_mul(backup->discount, backup->entropy_cost));
    mr_node *least = mr_categorical_least(n, next, options->atoms);
    return mr_categorical_project(least, backup->discount, shift, options->atoms);
}

static const mr_value_head categorical = {
    .name = "categorical",
    .n_outputs = categorical_n_outputs,
    .value = categorical_value,
    .target = categorical_target,
    .loss = mr_cross_entropy,
};

// ---- All

static const mr_value_head *const heads[] = {&mr_value_head_scalar, &quantile, &categorical};

const mr_value_head *mr_value_head_find(const char *name) {
    for (size_t i = 0; i < MR_COUNT(heads); i++)
        if (strcmp(heads[i]->name, name) == 0)
            return heads[i];
    return NULL;
}
