/// Twin delayed deep deterministic policy gradient, TD3 (Fujimoto et al. 2018, arXiv:1802.09477):
/// its options and metrics. The agent itself is mr_agent_td3 (agent.h).
///
/// A deterministic policy with a slow target, critics with slow targets, noise on the target's
/// action. Its learners are "policy", "critic" and, if intrinsic rewards have critics,
/// "bonus_critic".
#pragma once

#include "agents/settings.h"

typedef struct {
    double tau; // of the targets' averaging
    double actor_lr;
    double critic_lr;
    size_t policy_delay;      // critic updates for each update of the policy and of all targets
    double exploration_noise; // its deviation, of actions in (-1, 1)
    double target_noise;      // its deviation, likewise
    double target_noise_clip; // the largest target noise
} mr_td3_options;

/// Metrics of the latest update. Means over the batch.
typedef struct {
    double critic_loss; // the sum of all critics' mean losses: 1/2 the squared error, or the head's
    double q_mean;      // of the task's first critic on the batch
    double actor_loss;  // -Q_1(s, pi(s)), less beta times that of the intrinsic reward
} mr_td3_metrics;
