/// A policy: a net over the observation, a conditional Gaussian base, a flow, a tanh.
///
/// The net embeds the observation. Mean and deviation of the base come from the embedding; a flow
/// (none for the plain Gaussian) conditioned on it bends the sample; tanh squashes it into (-1, 1),
/// which stands for the task's action bounds. A policy called "deterministic" has neither base nor
/// flow: its action is the tanh of a linear layer over the embedding. Source: Haarnoja et al. 2018
/// (arXiv:1812.05905); Ward et al. 2019 (arXiv:1906.02771).
#pragma once

#include "envs/env.h"
#include "nn/mlp.h"

typedef struct mr_policy mr_policy;

/// What a policy is for and how it is built; kept in the metadata of a policy file.
typedef struct {
    const char *env;     // name of the task
    const char *env_set; // how it is opened (mr_env_options); NULL or "": as it is by default
    const char *task;
    const char *engine; // what simulated it in training, and which version; NULL or "": not known
    const char *engine_version;
    const char *flow; // text of the flow: "gaussian", "real_nvp:layers=4"; or "deterministic"
    size_t obs_dim;
    size_t act_dim;
    const double *act_low;  // [act_dim]
    const double *act_high; // [act_dim]
    mr_widths hidden;
} mr_policy_spec;

/// Builds a policy with parameters drawn from stream (seed, init, 0). Copies the spec. The caller
/// frees it. Fails with MR_ERR_USAGE when the flow's text is not understood.
mr_status mr_policy_new(const mr_policy_spec *spec, uint64_t seed, mr_policy **out);
void mr_policy_free(mr_policy *policy);

/// The policy's own copy of its spec.
const mr_policy_spec *mr_policy_get_spec(const mr_policy *policy);

/// Its parameters, owned by it.
mr_params *mr_policy_params(const mr_policy *policy);

/// Reads a policy file. Fails with one clear line on anything that is not a whole millrace policy.
mr_status mr_policy_load(const char *path, mr_policy **out);

/// A note for the metadata of a policy file.
typedef struct {
    const char *key;
    const char *value;
} mr_note;

/// Writes a policy file (safetensors; the spec and `notes[n_notes]` in its metadata), replaced
/// atomically.
mr_status mr_policy_save(const mr_policy *policy, const char *path, size_t n_notes,
                         const mr_note *notes);

/// Fails with MR_ERR_INPUT when the policy's sizes or bounds are not those of `env`.
mr_status mr_policy_check_env(const mr_policy *policy, const mr_env_spec *env);

/// The outputs of a policy in a graph.
typedef struct {
    mr_node *act;      // [n x act_dim] in (-1, 1)
    mr_node *log_prob; // [n x 1] nats, with respect to act; NULL: the policy is deterministic
} mr_policy_nodes;

/// Whether its actions depend on noise.
bool mr_policy_is_stochastic(const mr_policy *policy);

/// Adds the policy to a graph.
///
///   params  mr_policy_params of this policy, or a copy of that set (a target)
///   obs     [n x obs_dim]
///   noise   [n x act_dim] standard normals; a deterministic policy leaves it alone
mr_policy_nodes mr_policy_build(const mr_policy *policy, mr_params *params, mr_graph *graph,
                                mr_node *obs, mr_node *noise);

/// Makes ready to act on up to `max_rows` observations at a time. Calls of mr_policy_sample and
/// mr_policy_act allocate nothing after it.
mr_status mr_policy_prepare(mr_policy *policy, size_t max_rows);

/// Samples actions and their log-densities for a batch of observations.
///
///   obs       [n x obs_dim]  in, the task's own units; n at most what was prepared
///   noise     [n x act_dim]  in, standard normals; NULL: zeros, the deterministic action
///   act       [n x act_dim]  out, each in [-1, 1] (the bounds are reached by rounding only)
///   log_prob  [n]            out, nats, with respect to act; may be NULL; a deterministic policy
///                            has none and writes 0
///
/// Reparameterised: the same noise and parameters give the same action.
/// Fails with MR_ERR_NUMERIC when an action is not finite (the observation's row is named), and
/// with MR_ERR_USAGE when there are more rows than were prepared.
mr_status mr_policy_sample(mr_policy *policy, size_t n, const double *obs, const mr_real *noise,
                           mr_real *act, mr_real *log_prob);

/// The action for one observation, obs [obs_dim], noise [act_dim] or NULL, act [act_dim], as in
/// mr_policy_sample. It depends on these and the parameters alone, to the last bit, whatever else
/// is going on; the rows of a batch round otherwise where there are more or fewer of them.
mr_status mr_policy_act(mr_policy *policy, const double *obs, const mr_real *noise, mr_real *act);

/// Scales actions from (-1, 1) to the task's bounds.
///
///   act     [n x act_dim]  in
///   action  [n x act_dim]  out, the task's own units, rounded to float32 as Gymnasium's actions
///   are
void mr_policy_scale(const mr_policy *policy, size_t n, const mr_real *act, double *action);
