/// A masked MLP (MADE): a net whose outputs for a feature see only the features before it in some
/// order (Germain et al. 2015, arXiv:1502.03509), and the context. Private to flows/.
#pragma once

#include "flows/part.h"

/// The units of one side of a layer by their degree, the place in the order of the last feature
/// that they see.
typedef struct {
    size_t *sorted; // [n] the units, those of smaller degrees first
    size_t *first;  // [dim + 2] where degree d begins in `sorted`; the last is n
} mr_units;

/// The order of features, the masks and the handles of the parameters.
typedef struct {
    size_t dim;
    size_t n_outputs; // for each feature
    mr_features seen; // all, as the net sees them
    size_t *feature;  // [dim] the features in order: output k of feature[t] sees feature[0 .. t-1]
    size_t n_layers;
    mr_param weight[MR_MAX_HIDDEN + 1];
    mr_param bias[MR_MAX_HIDDEN + 1];
    const mr_real *mask[MR_MAX_HIDDEN + 1];
    mr_units from[MR_MAX_HIDDEN + 1], to[MR_MAX_HIDDEN + 1]; // inputs and outputs of each layer
} mr_masked_mlp;

/// Declares a net as PREFIX.0.weight, PREFIX.0.bias, PREFIX.1.weight, ... Its last layer starts at
/// zero.
///
///   backward  the order is that of the columns, or (true) the reversed one
mr_status mr_masked_mlp_declare(mr_masked_mlp *mlp, const mr_part *part, mr_params *params,
                                const char *prefix, const mr_widths *hidden, size_t n_outputs,
                                bool backward);

/// Adds the net to a graph. Returns [rows x n_outputs dim]: output k of feature j is column
/// k dim + j.
mr_node *mr_masked_mlp_build(const mr_masked_mlp *mlp, mr_params *params, mr_node *x,
                             mr_node *context);

/// The net feature by feature: what it knows so far, as nodes of a graph. A unit is computed once,
/// when the last feature that it sees is known, so that all features take as much arithmetic as one
/// pass.
typedef struct {
    size_t n_known;                    // features
    mr_node *input[MR_MAX_HIDDEN + 1]; // of each layer, in the order of from[i].sorted; NULL: none
    mr_node *added;                    // to the first layer's input since the last step
} mr_masked_steps;

/// Begins, with no feature known.
///
///   context  [rows x context_dim]; NULL: none
void mr_masked_steps_begin(mr_masked_steps *steps, mr_node *context);

/// What the net says of the next feature, mlp->feature[steps->n_known]: [rows x n_outputs], in the
/// graph of `node`.
mr_node *mr_masked_steps_next(mr_masked_steps *steps, const mr_masked_mlp *mlp, mr_node *node,
                              mr_params *params);

/// Makes that feature known, as x [rows x 1].
void mr_masked_steps_add(mr_masked_steps *steps, const mr_masked_mlp *mlp, mr_node *x);
