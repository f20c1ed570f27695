/// A causal convolutional net over sequences, as the conditioner of an autoregressive flow over
/// time (van den Oord et al. 2016, arXiv:1609.03499): the output of a step depends on that step and
/// those before it. Each block adds to its input
///
///     W_3 relu(W_1 n_t + W_2 n_(t - 2^i) + b),   n = the normalised input,   i = 0, 1, 2, ...
///
/// so that an output sees 2^n_blocks steps. Before the first step all n are 0. Private to flows/.
#pragma once

#include "nn/graph.h"

enum { MR_MAX_CAUSAL_BLOCKS = 10 };

typedef struct {
    mr_param gain, now, before, bias, out, out_bias;
} mr_causal_block;

typedef struct {
    size_t hidden, n_blocks, n_out;
    mr_param in; // [hidden x n_in]
    mr_causal_block block[MR_MAX_CAUSAL_BLOCKS];
    mr_param gain, out, out_bias;
} mr_causal_net;

/// Declares a net under names that begin with `prefix` and a dot. Its last layer starts at zero.
mr_causal_net mr_causal_net_declare(mr_params *params, const char *prefix, size_t n_in,
                                    size_t hidden, size_t n_blocks, size_t n_out);

/// Steps that an output sees.
size_t mr_causal_net_reach(const mr_causal_net *net);

/// How many steps before the present one block i looks.
size_t mr_causal_net_distance(size_t i);

/// Adds the net to a graph, for sequences of n_steps.
///
///   x      [n_steps rows x n_in], of mr_split_rows: a row for each step
///   goes_on  [rows x n_steps] for each step 1 if its sequence goes on there, and 0 if another one
///            begins, which sees nothing of what is before it; NULL: each row is one sequence
///   first    the first step whose output is wanted
///
/// Returns the outputs of steps first ... n_steps - 1, [(n_steps - first) rows x n_out].
mr_node *mr_causal_net_build(const mr_causal_net *net, mr_params *params, mr_node *x,
                             mr_node *goes_on, size_t n_steps, size_t first);

/// The same for the newest step alone, of which the caller keeps what later steps need.
///
///   x        [rows x n_in]
///   earlier  [n_blocks] for each block, W_2 n of the step that it looks at [rows x hidden]
///   latest   [n_blocks] out: the same of this step
mr_node *mr_causal_net_build_step(const mr_causal_net *net, mr_params *params, mr_node *x,
                                  mr_node *const *earlier, mr_node **latest);
