/// Multi-layer perceptrons: linear layers with an activation between them.
#pragma once

#include "millrace/widths.h"
#include "nn/graph.h"

/// Reads "256,256" or "64x64". False, and `out` untouched, where the text is no list of 1 to
/// MR_MAX_HIDDEN widths from 1 to 65,536.
bool mr_widths_parse(const char *text, mr_widths *out);

/// Writes the widths with `separator` between them, at most `size` bytes with the final zero.
void mr_widths_format(const mr_widths *widths, char separator, char *text, size_t size);

/// A net: the handles of its parameters, which live in some set.
typedef struct {
    size_t n_layers;
    mr_param weight[MR_MAX_HIDDEN + 1];
    mr_param bias[MR_MAX_HIDDEN + 1];
    bool has_output; // the last layer is linear; else the net ends with its last hidden layer
} mr_mlp;

/// Declares a net in `params`; its parameters are called PREFIX.0.weight, PREFIX.0.bias,
/// PREFIX.1.weight, ...
///
///   in        inputs
///   out       outputs of a last, linear layer; 0: the net ends with its last hidden layer
///   last      how that layer's weights start (its bias: as the hidden layers', or zero where
///   `last` is zero)
mr_mlp mr_mlp_declare(mr_params *params, const char *prefix, size_t in, const mr_widths *hidden,
                      size_t out, mr_initializer last);

/// Adds the net to a graph: hidden layers with ReLU. [rows x in] -> [rows x out], or the last
/// hidden width.
mr_node *mr_mlp_build(const mr_mlp *mlp, mr_params *params, mr_node *x);
