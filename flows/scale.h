/// The affine map whose scale and shift a net gives, as couplings and autoregressive layers use it.
/// Private to flows/.
#pragma once

#include "nn/graph.h"

/// x exp(s) + t.
///
///   x        [rows x d]
///   out      [rows x 2 d] of the net: s before it is bounded, then t
///   log_det  receives log |det| [rows x 1], the sum of s
///
/// s = c0 tanh(s_hat / c0) with c0 = 2: close to s_hat where small, never beyond c0, so that exp(s)
/// stays within [e^-2, e^2].
mr_node *mr_scale_shift(mr_node *x, mr_node *out, mr_node **log_det);

/// The inverse, (x - t) exp(-s), with its own log |det|.
mr_node *mr_scale_shift_inverse(mr_node *x, mr_node *out, mr_node **log_det);
