/// Policies (millrace/policy.h), and what agents and the training loop do with them.
#pragma once

#include "millrace/policy.h"
#include "agents/critic.h"
#include "envs/env.h"
#include "nn/mlp.h"

/// Builds a policy with parameters drawn from stream (seed, init, 0). Copies the spec. The caller
/// frees it. Fails with MR_ERR_USAGE when the flow's text is not understood.
mr_status mr_policy_new(const mr_policy_spec *spec, uint64_t seed, mr_policy **out);

/// Its parameters, owned by it.
mr_params *mr_policy_params(const mr_policy *policy);

/// The deterministic actions, as --help lists them.
#define MR_DETERMINISTIC_WORDS "base|mean|mode|best"

extern const char mr_deterministic_default[]; // "base": of files that name none

/// Gives a policy the critics that it may choose its deterministic action by; borrowed, and trained
/// meanwhile.
///
///   takes_mean  actions are valued by the mean of the critics, else by the least
void mr_policy_set_critics(mr_policy *policy, const mr_critic *critics, bool takes_mean);

/// The parameters of the critics that it chooses its deterministic action by. They are saved with
/// it. NULL: it needs none.
mr_params *mr_policy_critic_params(const mr_policy *policy);

/// Fails with MR_ERR_USAGE if a text names no deterministic action (mr_policy_set_deterministic).
///
///   needs_critics  out; may be NULL
mr_status mr_policy_check_deterministic(const char *action, bool *needs_critics);

/// Keeps the rows of the embedding's weights and of those of mean, deviation or output at norm 1
/// (mr_mlp_keep_unit_rows). A flow's own nets start as the identity and stay free.
mr_status mr_policy_keep_unit_rows(mr_policy *policy);

/// Gives a policy whose spec has obs_mean and obs_std other ones [obs_dim], which are copied. Not
/// while anybody acts.
void mr_policy_set_obs_stats(mr_policy *policy, const double *mean, const double *std);

/// Exchanges these statistics of a normalising policy with others, mean and std [obs_dim].
void mr_policy_swap_obs_stats(mr_policy *policy, double *mean, double *std);

/// The outputs of a policy in a graph.
typedef struct {
    mr_node *act;      // [n x act_dim] in (-1, 1)
    mr_node *log_prob; // [n x 1] nats, with respect to act; NULL: the policy is deterministic
} mr_policy_nodes;

/// Adds the policy to a graph.
///
///   params  mr_policy_params of this policy, or a copy of that set (a target)
///   obs     [n x obs_dim], standardised already if the spec says so
///   noise   [n x act_dim] standard normals; a deterministic policy leaves it alone
///   mode    MR_TRAINING: batch norms take the statistics of the batch
mr_policy_nodes mr_policy_build(const mr_policy *policy, mr_params *params, mr_graph *graph,
                                mr_node *obs, mr_node *noise, mr_mode mode);

/// The log-density of given actions in a graph.
typedef struct {
    mr_node *log_prob; // [n x 1] nats, with respect to act; NULL: no actions are given
    mr_node *log_peak; // [n x 1] nats, that of the Gaussian at its mean, before flow and tanh
} mr_policy_density;

/// Adds it to a graph. The policy is stochastic.
///
///   params  as of mr_policy_build
///   obs     [n x obs_dim]
///   act     [n x act_dim] in [-1, 1]; NULL: log_peak alone
///   mode    as of mr_policy_build
mr_policy_density mr_policy_build_density(const mr_policy *policy, mr_params *params, mr_node *obs,
                                          mr_node *act, mr_mode mode);

/// Fails with MR_ERR_USAGE, naming the part, unless the flow of a stochastic policy keeps volumes.
/// Before the tanh, its action without noise is then the mode.
mr_status mr_policy_check_volume(const mr_policy *policy);

/// mr_policy_sample in the nets' own numbers, before actions are scaled to the task's bounds.
///
///   obs       [n x obs_dim]  in; n at most what was prepared
///   noise     [n x act_dim]  in, standard normals; NULL: the deterministic action
///   act       [n x act_dim]  out, each in [-1, 1] (the bounds are reached by rounding only)
///   log_prob  [n]            out, nats, with respect to act; may be NULL
///
/// Reparameterised: the same noise and parameters give the same action.
mr_status mr_policy_sample_units(const mr_policy *policy, size_t n, const double *obs,
                                 const mr_real *noise, mr_real *act, mr_real *log_prob);

/// mr_policy_act in the same way: obs [obs_dim], noise [act_dim] or NULL, act [act_dim].
mr_status mr_policy_act_units(const mr_policy *policy, const double *obs, const mr_real *noise,
                              mr_real *act);

/// Scales actions from (-1, 1) to the task's bounds.
///
///   act     [n x act_dim]  in
///   action  [n x act_dim]  out, the task's own units, rounded to float32 as in Gymnasium
void mr_policy_scale(const mr_policy *policy, size_t n, const mr_real *act, double *action);

/// The inverse of mr_policy_scale for one number of an action.
///
///   low, high  its bounds
///   act        out, in [-1, 1]
///
/// False, and `act` is left alone, if the number is outside of its bounds by more than rounding to
/// float32 explains, or NaN. Within that it counts as its bound.
bool mr_policy_unscale(double low, double high, double action, mr_real *act);
