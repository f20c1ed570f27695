/// The log-scale of affine layers: what a net says, kept within bounds. Private to flows/.
#pragma once

#include "nn/graph.h"

/// s = c0 tanh(s_hat / c0) with c0 = 2, a value at a time: close to s_hat where small, never beyond
/// c0, so that exp(s) stays within [e^-2, e^2].
mr_node *mr_bounded_log_scale(mr_node *s_hat);
