/// MEow, maximum-entropy reinforcement learning by an energy-based normalizing flow (Chao et al.
/// 2024, arXiv:2405.13629): its options and metrics. The agent itself is mr_agent_meow (agent.h).
///
/// The policy is soft Q function and soft value at once. Of a flow that keeps volumes over a
/// Gaussian whose deviation depends on the state,
///
///     V(s) = alpha (b(s) - log_peak(s)),   Q(s, a) = V(s) + alpha log pi(a|s),
///
/// so that V(s) = alpha log of the integral of exp(Q(s, a) / alpha) over actions, exactly. b is a
/// net beside the policy (the paper's learned reward shifting), of which there are two.
///
/// Its learners are "policy" and "shift", the two nets b.
#pragma once

#include "agents/settings.h"

typedef struct {
    char policy[MR_MAX_TEXT]; // a flow's text, of parts that keep volumes
    double tau;               // of the target's averaging
    double lr;
    mr_auto alpha;        // never automatic
    double max_grad_norm; // of both learners' gradients together
} mr_meow_options;

/// Metrics of the latest update. Means over the batch.
typedef struct {
    double loss;      // 1/2 the sum of both nets' mean squared errors
    double q_mean;    // by the first net b
    double v_mean;    // likewise, of the batch's states
    double grad_norm; // before it is clipped
} mr_meow_metrics;
