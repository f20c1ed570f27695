/// Twin critics with targets: two nets Q(observation, action), and slow copies of both.
/// Source: Fujimoto et al. 2018 (arXiv:1802.09477), as used by SAC.
#pragma once

#include "nn/mlp.h"

typedef struct mr_critic mr_critic;

/// Critics with parameters drawn from stream (seed, init, index); the targets start equal to them.
/// The caller frees them.
mr_status mr_critic_new(size_t obs_dim, size_t act_dim, const mr_widths *hidden, uint64_t seed,
                        uint64_t index, mr_critic **out);
void mr_critic_free(mr_critic *critic);

/// The parameters of both critics, and of both targets (the same layout). Owned by it.
mr_params *mr_critic_params(const mr_critic *critic);
mr_params *mr_critic_target(const mr_critic *critic);

/// Both values of a batch.
typedef struct {
    mr_node *q[2]; // [rows x 1] each
} mr_critic_nodes;

/// Adds both nets to a graph.
///
///   params  mr_critic_params or mr_critic_target of this critic
///   obs     [rows x obs_dim]
///   act     [rows x act_dim] in (-1, 1)
mr_critic_nodes mr_critic_build(const mr_critic *critic, mr_params *params, mr_node *obs,
                                mr_node *act);
