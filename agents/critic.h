/// An ensemble of critics: N nets Q(observation, action), and slow copies of all of them.
///
/// A policy is trained on the minimum of their values, and targets are made of it, against the
/// overestimation of a single net. Source: Fujimoto et al. 2018 (arXiv:1802.09477), with N = 2.
///
/// The nets may have batch norms: the loss is computed in training mode, everything else by the
/// running statistics, of which the targets have copies. Whoever steps the optimizer on the loss
/// then calls mr_graph_update_buffers. The passes over (obs, act) and (next_obs, next_act) are
/// apart; CrossQ (Bhatt et al. 2024, arXiv:1902.05605) joins them, and needs no targets.
#pragma once

#include "nn/learner.h"
#include "nn/mlp.h"

typedef struct mr_critic mr_critic;

typedef struct {
    size_t n; // nets
    size_t obs_dim, act_dim;
    mr_mlp_spec net;
    bool weight_norm; // rows of weights are kept at norm 1
    mr_adam adam;
    uint64_t seed, stream; // parameters are drawn from stream (seed, init, stream)
    int n_threads;
} mr_critic_options;

/// Critics; the targets start equal to them. The caller frees them.
mr_status mr_critic_new(const mr_critic_options *options, mr_critic **out);
void mr_critic_free(mr_critic *critic);

/// Their parameters, optimizer and targets. Owned by it.
mr_learner *mr_critic_learner(mr_critic *critic);
mr_params *mr_critic_params(const mr_critic *critic);
mr_params *mr_critic_target(const mr_critic *critic);

/// Adds the values of critic `i` [rows x 1] to a graph.
///
///   params  mr_critic_params or mr_critic_target of this critic
///   x       [rows x (obs_dim + act_dim)] observations and actions in (-1, 1), side by side
mr_node *mr_critic_build(const mr_critic *critic, size_t i, mr_params *params, mr_node *x,
                         mr_mode mode);

/// Adds min_i Q_i(obs, act) [rows x 1] to a graph.
///
///   obs  [rows x obs_dim]
///   act  [rows x act_dim] in (-1, 1)
mr_node *mr_critic_min(const mr_critic *critic, mr_params *params, mr_node *obs, mr_node *act);

/// Adds the critics' loss on y, 1/2 sum_i (Q_i(obs, act) - y)^2 [rows x 1], to a graph.
///
///   y  [rows x 1]
///   q  out, the first critic's values [rows x 1]
mr_node *mr_critic_loss(const mr_critic *critic, mr_node *obs, mr_node *act, mr_node *y,
                        mr_node **q);
