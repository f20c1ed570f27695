/// Conditioners: what gives a part its parameters, row by row, from features and the context.
/// Private to flows/.
#pragma once

#include "flows/part.h"

// ---- A net

/// What a net is to be.
typedef struct {
    mr_shape in;            // of the features that it sees; a vector's, if it does not convolve
    size_t context_dim;     // 0: no context
    mr_shape context_image; // in the first features of the context, as high and wide as `in`; all
                            // 0: none
    mr_widths hidden;
    size_t n_out; // channels of its result, which has the height and width of `in`
} mr_conditioner_spec;

/// A kind of net, as a coupling uses it: a function of features and a context that starts as the
/// constant 0.
typedef struct {
    const char *name;
    const char *summary;
    bool convolves; // it takes images
    size_t state_size;
    /// Declares the parameters, under names that begin with `prefix` and a dot. `state` is the
    /// net's own, zeroed.
    mr_status (*declare)(void *state, mr_params *params, const char *prefix,
                         const mr_conditioner_spec *spec);
    /// The net's result. One of `x` and `context` may be NULL.
    ///
    ///   x        [rows x features]
    ///   context  [rows x context_dim]
    mr_node *(*build)(const void *state, mr_params *params, mr_node *x, mr_node *context);
} mr_conditioner_ops;

/// The net of Glow's couplings, which also gives factor_out its parameters.
extern const mr_conditioner_ops mr_conditioner_conv;

/// The net of Real NVP's couplings.
extern const mr_conditioner_ops mr_conditioner_conv_residual;

/// The table of conditioners, and their names as the choices of an option, in the same order.
extern const mr_conditioner_ops *const mr_conditioner_table[];
extern const char mr_conditioner_names[];

// ---- Parameters without a net

/// Parameters that are free, or given for each row by one linear layer of the context (amortised,
/// as in variational inference).
typedef struct {
    bool conditional;
    mr_param weight; // [n x context_dim], if there is a context
    mr_param bias;   // [1 x n]
} mr_linear_conditioner;

/// Declares `n` parameters as PREFIX.weight and PREFIX.bias (free: PREFIX.bias alone). The weight
/// starts at zero, so that at the start every context gets the same parameters, those of the bias.
///
///   n_drawn  the first so many parameters start uniform on +-1/sqrt(fan_in), the others at zero
///
/// Fails with MR_ERR_MEMORY alone.
mr_status mr_linear_conditioner_declare(mr_linear_conditioner *conditioner, const mr_part *part,
                                        mr_params *params, const char *prefix, size_t n,
                                        size_t n_drawn, size_t fan_in);

/// The parameters of each row [rows x n], in the graph of `x`.
mr_node *mr_linear_conditioner_build(const mr_linear_conditioner *conditioner, mr_params *params,
                                     mr_node *x, mr_node *context);

// ---- Element-wise transforms as parts of their own: what their rows in the table of parts share

/// The part's state: each feature's parameters come from a linear conditioner.
typedef struct {
    mr_moved moved;
    mr_linear_conditioner conditioner;
} mr_transform_part;

mr_status mr_transform_part_declare(mr_part *part, mr_params *params, const char *prefix);
mr_node *mr_transform_part_forward(const mr_part *part, mr_params *params, mr_node *x,
                                   mr_node *context, mr_node **log_det);
mr_node *mr_transform_part_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                   mr_node *context, mr_node **log_det);
