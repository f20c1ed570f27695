/// The nets of a policy:
///
///     observation -> trunk -> embedding -> base, flow, tanh  (stochastic)
///                                       -> linear, tanh      (deterministic)
///
/// Private to agents/policy*.c.
#pragma once

#include "agents/policy.h"
#include "flows/base.h"
#include "flows/flow.h"

typedef struct {
    size_t obs_dim, act_dim;
    const double *act_low, *act_high; // [act_dim] the task's bounds; borrowed from the spec
    const double *obs_mean, *obs_std; // [obs_dim] likewise; NULL: observations stay as they are
    mr_params *params;
    mr_mlp trunk;          // observation -> embedding
    mr_base base;          // embedding -> mean, log-deviation
    mr_flow *flow;         // NULL: deterministic, by the output layer
    mr_param weight, bias; // of the output layer: embedding -> action before the tanh
} mr_policy_net;

/// Declares the nets that a spec describes and draws their parameters from stream (seed, init, 0).
/// The spec's arrays are borrowed.
///
/// mr_policy_net_release releases them, also after a failure. Fails with MR_ERR_USAGE if the flow's
/// text is not understood, with MR_ERR_INPUT if there would be more than `max_params` numbers,
/// before anything of that size is made.
mr_status mr_policy_net_declare(mr_policy_net *net, const mr_policy_spec *spec, uint64_t seed,
                                size_t max_params);
void mr_policy_net_release(mr_policy_net *net);

/// The flow's text with every option, or "deterministic". Owned by the net.
const char *mr_policy_net_text(const mr_policy_net *net);

/// A sample before the tanh.
typedef struct {
    mr_node *x;        // [n x act_dim]
    mr_node *log_prob; // [n x 1] nats, with respect to x
} mr_policy_point;

/// Adds the nets of a stochastic policy to a graph up to the tanh; otherwise as
/// mr_policy_net_build.
mr_policy_point mr_policy_net_sample(const mr_policy_net *net, mr_params *params, mr_graph *graph,
                                     mr_node *obs, mr_node *noise, mr_mode mode);

/// Adds the nets to a graph, as mr_policy_build does.
mr_policy_nodes mr_policy_net_build(const mr_policy_net *net, mr_params *params, mr_graph *graph,
                                    mr_node *obs, mr_node *noise, mr_mode mode);

/// mr_policy_keep_unit_rows.
mr_status mr_policy_net_keep_unit_rows(const mr_policy_net *net);

/// mr_policy_build_density.
mr_policy_density mr_policy_net_build_density(const mr_policy_net *net, mr_params *params,
                                              mr_node *obs, mr_node *act, mr_mode mode);

/// mr_policy_scale.
void mr_policy_net_scale(const mr_policy_net *net, size_t n, const mr_real *units, double *action);
