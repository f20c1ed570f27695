/// Parameters of a layer that has no net of its own: free, or emitted for each row from the context
/// by one linear layer (amortised, as in variational inference).
///
/// Private to flows/.
#pragma once

#include "flows/kind.h"

typedef struct {
    bool conditional;
    mr_param weight; // [n x context_dim], unless there is no context
    mr_param bias;   // [1 x n]
} mr_conditioner;

/// Declares the conditioner of `n` parameters as PREFIX.weight and PREFIX.bias (free: PREFIX.bias
/// alone). The weight starts at zero, so that at the start every context gets the same parameters,
/// those of the bias.
///
///   n_drawn  the first so many parameters start uniform on +-1/sqrt(fan_in), the others at zero
///
/// Fails with MR_ERR_MEMORY alone.
mr_status mr_conditioner_declare(mr_conditioner *conditioner, const mr_flow_layer *layer,
                                 mr_params *params, const char *prefix, size_t n, size_t n_drawn,
                                 size_t fan_in);

/// The parameters for each row [rows x n], in the graph of `x`.
mr_node *mr_conditioner_build(const mr_conditioner *conditioner, mr_params *params, mr_node *x,
                              mr_node *context);
