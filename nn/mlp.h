/// Multi-layer perceptrons: linear layers with normalisation and activation between them.
#pragma once

#include "millrace/widths.h"
#include "nn/norm.h"

enum { MR_MAX_LAYERS = 2 * MR_MAX_HIDDEN };

/// Reads "256,256" or "64x64". False, and `out` untouched, if the text is no list of 1 to
/// MR_MAX_HIDDEN widths from 1 to 65,536.
bool mr_widths_parse(const char *text, mr_widths *out);

/// Writes the widths with `separator` between them, at most `size` bytes with the final zero.
void mr_widths_format(const mr_widths *widths, char separator, char *text, size_t size);

/// What a net's hidden layers are: linear, dropout, normalisation, activation, for each width; or,
/// with `norm_last`, linear, dropout, activation, normalisation, as CrossQ's (Bhatt et al. 2024).
///
/// With `residual`, only the first width is such a layer, and each further width is that of the
/// inside of a block that is added to its input:
///
///     x + norm(linear(activation(norm(linear(x)))))
///
/// as in BRO (Nauman et al. 2024, arXiv:2405.16158), whose critic is 512,512,512 with layer norm
/// and ReLU.
typedef struct {
    mr_widths hidden;
    mr_activation activation;
    mr_norm_kind norm;
    bool norm_last; // after the activation
    bool residual;
    double dropout; // rate, after each of these linear layers
} mr_mlp_spec;

/// The plain net: ReLU after each hidden layer and nothing else.
mr_mlp_spec mr_mlp_plain(const mr_widths *hidden);

/// A linear layer and its normalisation. Directly before a batch norm it has no bias.
typedef struct {
    mr_param weight, bias;
    mr_norm norm;
} mr_layer;

/// A net: the handles of its parameters, which live in some set.
typedef struct {
    mr_mlp_spec spec;
    mr_norm input_norm; // of batch norms; otherwise of the kind `none`
    size_t n_layers;
    mr_layer layer[MR_MAX_LAYERS];
    bool has_output; // the last layer is linear; else the net ends with its last hidden layer
} mr_mlp;

/// Declares a net in `params`; its parameters are called PREFIX.0.weight, PREFIX.0.bias,
/// PREFIX.0.norm.weight, ..., PREFIX.1.weight, ... and PREFIX.input_norm.weight, ...
///
///   in    inputs
///   out   outputs of a last, linear layer; 0: the net ends with its last hidden layer
///   last  the initial weights of that layer (its bias: as the hidden layers', or zero if `last` is
///         zero)
mr_mlp mr_mlp_declare_spec(mr_params *params, const char *prefix, size_t in,
                           const mr_mlp_spec *spec, size_t out, mr_initializer last);

/// The same for a plain net.
mr_mlp mr_mlp_declare(mr_params *params, const char *prefix, size_t in, const mr_widths *hidden,
                      size_t out, mr_initializer last);

/// Adds the net to a graph. [rows x in] -> [rows x out], or the last hidden width (of a residual
/// net, the first).
mr_node *mr_mlp_build_mode(const mr_mlp *mlp, mr_params *params, mr_node *x, mr_mode mode);

/// The same in the mode MR_ACTING.
mr_node *mr_mlp_build(const mr_mlp *mlp, mr_params *params, mr_node *x);

/// Keeps the rows of all weights of a net at norm 1 (mr_params_keep_unit_rows): of a hidden layer
/// together with its bias, of the last layer without. Before or after the activation, a batch norm
/// makes a hidden layer's scale irrelevant to what the net computes, and a growing one shrinks the
/// effective learning rate (Palenicek et al. 2025, arXiv:2502.07523).
mr_status mr_mlp_keep_unit_rows(const mr_mlp *mlp, mr_params *params);
