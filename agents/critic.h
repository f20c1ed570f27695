/// An ensemble of critics: N nets of (observation, action) and, if wanted, slow copies of all of
/// them. What their outputs mean is their value head's to say (value_head.h): with the scalar head,
/// a critic is Q.
///
/// A policy is trained on the minimum of their values, and targets are made of it, against the
/// overestimation of a single net. Source: Fujimoto et al. 2018 (arXiv:1802.09477), with N = 2.
/// With more, targets may be made of a few that are drawn anew for each update, and the policy
/// trained on the mean: REDQ (Chen et al. 2021, arXiv:2101.05982).
///
/// The nets may have batch norms. In the loss they take their statistics over (obs, act) and
/// (next_obs, next_act) together: CrossQ's joint pass (Bhatt et al. 2024, arXiv:1902.05605), with
/// which critics need no slow copies. Copies, if there are any, make such a pass of their own (XQC,
/// Palenicek et al. 2025, arXiv:2509.25174). Everything else goes by the running statistics.
/// Whoever steps the optimizer on the loss then calls mr_graph_update_buffers.
#pragma once

#include "agents/value_head.h"
#include "nn/learner.h"
#include "nn/mlp.h"

typedef struct mr_critic mr_critic;

enum { MR_MAX_CRITICS = 16 };

/// How many critics there are, and what their outputs mean.
typedef struct {
    size_t n;        // nets, at most MR_MAX_CRITICS
    size_t n_target; // of them that a target is made of; less than n: drawn for each update
    const mr_value_head *head;
    mr_value_options value; // of the head
} mr_ensemble;

/// Two critics with the scalar head.
extern const mr_ensemble mr_twin_critics;

typedef struct {
    mr_ensemble ensemble;
    size_t obs_dim, act_dim;
    mr_mlp_spec net;
    bool has_targets; // slow copies
    bool weight_norm; // rows of weights are kept at norm 1
    mr_adam adam;
    uint64_t seed, stream; // parameters are drawn from stream (seed, init, stream)
    int n_threads;
    size_t max_params; // numbers that they may have together (mr_params_limit); 0: any
} mr_critic_options;

/// Critics; targets start equal to them. The caller frees them. Fails with MR_ERR_MEMORY, or with
/// MR_ERR_INPUT if they would have more than `max_params` numbers.
mr_status mr_critic_new(const mr_critic_options *options, mr_critic **out);
void mr_critic_free(mr_critic *critic);

/// Their parameters, optimizer and targets, if they have any. Owned by it.
mr_learner *mr_critic_learner(mr_critic *critic);
mr_params *mr_critic_params(const mr_critic *critic);

/// The outputs of the first `n` critics in one pass, each [rows x head's n_outputs].
typedef struct {
    size_t n;
    mr_node *of[MR_MAX_CRITICS];
} mr_critic_outputs;

/// How many there are, and their head. Owned by it.
const mr_ensemble *mr_critic_ensemble(const mr_critic *critic);

/// The net of each.
const mr_mlp_spec *mr_critic_net(const mr_critic *critic);

/// Draws the critics that the next targets are made of, if not all are.
void mr_critic_draw(mr_critic *critic, mr_random *random);

/// Adds a pass of the first `n` critics to a graph.
///
///   params  mr_critic_params of these critics, or the learner's target
///   obs     [rows x obs_dim]
///   act     [rows x act_dim] in (-1, 1)
mr_critic_outputs mr_critic_build(const mr_critic *critic, size_t n, mr_params *params,
                                  mr_node *obs, mr_node *act, mr_mode mode);

/// Adds the expected return by critic `i` of a pass, the least of all in it, their mean [rows x 1].
mr_node *mr_critic_value(const mr_critic *critic, const mr_critic_outputs *outputs, size_t i);
mr_node *mr_critic_min(const mr_critic *critic, const mr_critic_outputs *outputs);
mr_node *mr_critic_mean(const mr_critic *critic, const mr_critic_outputs *outputs);

/// The nodes that the critics' loss is made of.
typedef struct {
    mr_node *obs, *act;           // [rows x obs_dim], [rows x act_dim] in (-1, 1)
    mr_node *next_obs, *next_act; // likewise
    mr_backup backup;
} mr_critic_step;

/// Adds the critics' loss [rows x 1] to a graph: the sum of their head's losses at (obs, act), on
/// the target that it makes of the slow copies, or of the critics themselves, at (next_obs,
/// next_act).
///
///   q  out, the first critic's expected return at (obs, act) [rows x 1]
mr_node *mr_critic_loss(const mr_critic *critic, const mr_critic_step *step, mr_node **q);

/// Adds critics to the file of a policy: their nets and head in the metadata, their parameters
/// under "critic.".
mr_status mr_critic_write(const mr_critic *critic, mr_tensors_writer *writer);

/// Reads them back. The caller frees them. Fails with MR_ERR_INPUT, or with MR_ERR_NUMERIC if a
/// parameter is not finite.
mr_status mr_critic_read(const mr_tensors *file, size_t obs_dim, size_t act_dim, mr_critic **out);
