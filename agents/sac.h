/// Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905): its options and metrics. The agent
/// itself is mr_agent_sac (agent.h).
///
/// An ensemble of critics with slow targets, a reparameterised policy, a temperature that is
/// learned or fixed. Intrinsic rewards may have critics of their own, whose value
/// the policy maximises along with the task's (Burda et al. 2018, arXiv:1810.12894).
///
/// Its learners are "policy", "critic", "temperature" (log alpha, alone) and, if intrinsic rewards
/// have critics, "bonus_critic".
#pragma once

#include "agents/settings.h"

typedef struct {
    char policy[MR_MAX_TEXT]; // a flow's text: "gaussian", "real_nvp:layers=2,hidden=64x64"
    double tau;               // of the targets' averaging
    double actor_lr;          // the temperature's too
    double critic_lr;
    mr_auto alpha;          // automatic: learned
    double initial_alpha;   // of the learned one
    mr_auto target_entropy; // nats; automatic: by target_sigma
    mr_auto target_sigma;   // of a Gaussian with the target entropy; automatic: it is -act_dim
    size_t policy_delay;    // critic updates for each update of policy and temperature
    char actor_value[MR_MAX_CHOICE]; // "auto": what the critics' head has; "min"; "mean"
} mr_sac_options;

/// Metrics of the latest update. Means over the batch.
typedef struct {
    double critic_loss; // the sum of all critics' mean losses: 1/2 the squared error, or the head's
    double q_mean;      // of the task's first critic on the batch
    double actor_loss;  // alpha log pi - min Q, less beta min Q of the intrinsic reward
    double alpha;
    double alpha_loss; // -log alpha (log pi + target_entropy); NaN if alpha is fixed
    double entropy;    // -log pi
} mr_sac_metrics;

/// The entropy in nats that the learned temperature aims at. Of `act_dim` independent Gaussians of
/// standard deviation s it is act_dim / 2 log(2 pi e s^2).
double mr_sac_target_entropy(const mr_sac_options *options, size_t act_dim);
