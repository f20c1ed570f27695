/// Variational dequantisation: the noise that makes pixels continuous is drawn by a flow that sees
/// them (Ho et al. 2019, arXiv:1902.00275, section 3.1; Hoogeboom et al. 2020, arXiv:2001.11235).
///
///     x = pixels + u,   u = sigmoid(w),   w = flow(e; pixels, classes),   e logistic
///
/// The density of u is q(u | pixels), and that of x bounds the probability of the pixels:
///
///     log P(pixels) >= E_q [log p(pixels + u) - log q(u | pixels)]
///
/// While the flow is the identity, u is uniform on (0, 1) and log q is 0: uniform dequantisation.
/// Private to flows/.
#pragma once

#include "flows/flow.h"

/// Builds the flow of a text: "variational", which stands for a flow of couplings, or a composition
/// of parts that keep an image's shape. Declares its parameters as noise.*.
///
///   text         "uniform" gives no flow: *out is NULL
///   image        of the pixels; all 0: they are none, and only "uniform" is possible
///   context_dim  what the flow sees besides the pixels: the classes
///
/// Fails with MR_ERR_USAGE as mr_flow_create does.
mr_status mr_dequantiser_new(const char *text, mr_shape image, size_t context_dim,
                             mr_params *params, mr_flow **out);

/// Noise u [rows x dim] in levels, between 0 and 1.
///
///   pixels   [rows x dim] standardised
///   context  [rows x context_dim]; NULL: there is none
///   log_q    out: log q(u | pixels) [rows x 1], nats, of u in levels
mr_node *mr_dequantiser_build(const mr_flow *flow, mr_params *params, mr_node *pixels,
                              mr_node *context, mr_node **log_q);
