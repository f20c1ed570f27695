/// A masked MLP (MADE): a net whose outputs for a feature see only the features before it in some
/// order (Germain et al. 2015, arXiv:1502.03509), and the context. Private to flows/.
#pragma once

#include "flows/part.h"

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
