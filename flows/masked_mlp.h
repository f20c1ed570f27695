/// MADE: a net whose outputs for a feature see only the features before it (Germain et al. 2015,
/// arXiv:1502.03509), and the context. What MAF, IAF and the autoregressive spline are built on.
///
/// Private to flows/.
#pragma once

#include "flows/kind.h"

enum { MR_MASKED_MLP_MAX_OUTPUTS = 3 * MR_MAX_BINS }; // for each feature

/// A net's order of features, its masks and the handles of its parameters.
typedef struct {
    size_t dim;
    size_t n_outputs; // for each feature
    size_t *feature;  // [dim] the features in order: output k of feature[t] sees feature[0 .. t-1]
    size_t n_layers;
    mr_param weight[MR_MAX_HIDDEN + 1];
    mr_param bias[MR_MAX_HIDDEN + 1];
    const mr_real *mask[MR_MAX_HIDDEN + 1];
} mr_masked_mlp;

/// Declares a net as PREFIX.net, with hidden layers as the layer's options say. Its last layer
/// starts at zero. Every second layer of a flow has the features in reversed order.
mr_status mr_masked_mlp_declare(mr_masked_mlp *mlp, const mr_flow_layer *layer, mr_params *params,
                                const char *prefix, size_t n_outputs);

/// Adds the net to a graph. Returns [rows x n_outputs dim]: output k of feature j is column
/// k dim + j.
mr_node *mr_masked_mlp_build(const mr_masked_mlp *mlp, mr_params *params, mr_node *x,
                             mr_node *context);

/// How features are moved, given what the net says of them.
///
///   x        [rows x d] one feature, or all of them
///   out      [rows x n_outputs d] of the net
///   log_det  receives log |det| [rows x 1]
///
/// Returns the moved features [rows x d].
typedef mr_node *(*mr_masked_mlp_move)(const mr_flow_layer *layer, mr_node *x, mr_node *out,
                                       mr_node **log_det);

/// Moves the features one after the other where the net sees the moved ones, not those given:
///
///     y_j = move(x_j, net(y before j, context)).
///
/// This is the direction that takes dim passes through the net, each as dear as the one pass of the
/// other direction. Values and gradients are exact: after pass t the first t features are final,
/// and the net's outputs for the next see no others.
mr_node *mr_masked_mlp_unroll(const mr_masked_mlp *mlp, const mr_flow_layer *layer,
                              mr_params *params, mr_node *x, mr_node *context,
                              mr_masked_mlp_move move, mr_node **log_det);
