/// A smooth bound.
///
/// Private to flows/.
#pragma once

#include "nn/graph.h"

/// c tanh(x / c), value by value: close to x where x is small against c, never beyond c.
mr_node *mr_smooth_clamp(mr_node *x, double c);
