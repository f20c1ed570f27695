/// Couplings, the frame that Real NVP, Glow and the coupling spline share: some features (a) pass
/// unchanged and decide, through a net that sees them and the context, how the others (b) are
/// moved.
///
/// Private to flows/.
#pragma once

#include "flows/kind.h"

/// Which features pass and which are moved, how to put them back in order, and the net.
typedef struct {
    size_t n_a, n_b;
    size_t *a;     // [n_a] their columns
    size_t *b;     // [n_b]
    size_t *order; // [dim] column j of the result is column order[j] of (a, b)
    mr_mlp net;    // unless neither features nor context feed it
    mr_param free; // [1 x outputs] what the net would give, then
} mr_coupling;

/// Splits the features and declares the net as PREFIX.net, with hidden layers as the layer's
/// options say. Its last layer starts at zero.
///
///   n_outputs  of the net, for each feature that is moved
///
/// Layers come in pairs that swap a and b; pairs alternate between halves and every other feature,
/// so that any two features meet. A single feature is always moved, by the context alone.
mr_status mr_coupling_declare(mr_coupling *coupling, const mr_flow_layer *layer, mr_params *params,
                              const char *prefix, size_t n_outputs);

/// A coupling's input, taken apart.
typedef struct {
    mr_node *a;   // [rows x n_a] what passes; NULL where all is moved
    mr_node *b;   // [rows x n_b] what is moved
    mr_node *out; // [rows x n_outputs n_b] what the net says
} mr_coupling_parts;

mr_coupling_parts mr_coupling_split(const mr_coupling *coupling, mr_params *params, mr_node *x,
                                    mr_node *context);

/// Puts a and the moved b back in order.
mr_node *mr_coupling_join(const mr_coupling *coupling, mr_node *a, mr_node *b);

/// The affine coupling, of two outputs a feature (s_hat of all, then t of all), as a flow's forward
/// and inverse:
///
///     x_a = z_a,   x_b = z_b exp(s) + t,   log |det dx/dz| = sum s,   s bounded.
mr_node *mr_affine_coupling_forward(const mr_coupling *coupling, mr_params *params, mr_node *z,
                                    mr_node *context, mr_node **log_det);
mr_node *mr_affine_coupling_inverse(const mr_coupling *coupling, mr_params *params, mr_node *x,
                                    mr_node *context, mr_node **log_det);
