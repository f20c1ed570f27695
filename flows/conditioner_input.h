/// The input of conditioners: the features that pass unchanged and decide how the others are moved.
/// Private to flows/.
#pragma once

#include "nn/graph.h"

/// c tanh(x / c) with c = 4: nearly the features themselves where data of unit deviation lies, and
/// never beyond c.
///
/// A net of ReLU units goes on in straight lines where it saw no data. Through several layers these
/// slopes multiply, and one far point costs more than all others together: without this, one row of
/// 20,000 took 5 nats off the mean of a real_nvp of 8 layers, 1.7 off that of a maf of 10 (measured
/// by tests/oracle/flow_gaps.py; with c = 5, 0.01 and 0.01).
mr_node *mr_conditioner_input(mr_node *x);
