/// Splines whose parameters a net gives, as the coupling and the autoregressive spline flows use
/// them. Private to flows/.
#pragma once

#include "flows/kind.h"

/// Parameters that a net gives for each feature: what a layer's `bins` asks for.
size_t mr_spline_n_outputs(const mr_flow_layer *layer);

/// Moves features by a spline each.
///
///   x        [rows x d]
///   raw      [rows x mr_spline_n_outputs d]; the logits of widths and heights are divided by the
///            root of the last hidden width, as in the paper's code, so that they start small
///   log_det  receives log |det| [rows x 1]
mr_node *mr_spline_move(const mr_flow_layer *layer, mr_node *x, mr_node *raw, mr_node **log_det);

/// The inverse, with its own log |det|.
mr_node *mr_spline_move_inverse(const mr_flow_layer *layer, mr_node *x, mr_node *raw,
                                mr_node **log_det);

/// The options of a kind of splines.
#define MR_SPLINE_OPTIONS                                                                          \
    {"bins", MR_FLOW_COUNT, offsetof(mr_flow_options, bins),                                       \
     "8",    MR_MAX_BINS,   "pieces of each spline"},                                              \
    {                                                                                              \
        "bound", MR_FLOW_REAL, offsetof(mr_flow_options, bound), "6", 1000,                        \
            "splines work on [-bound, bound] and are the identity outside"                         \
    }
