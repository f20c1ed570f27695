/// Those who act with a policy's nets: any number of threads at once. Each takes a workspace (a
/// graph) out of a pool, or makes one if none is left, and puts it back. Private to
/// agents/policy*.c.
#pragma once

#include "agents/deterministic.h"

typedef struct mr_policy_actors mr_policy_actors;

/// Where the results go; what is not wanted is NULL.
typedef struct {
    mr_real *act;      // [n x act_dim] in (-1, 1)
    double *action;    // [n x act_dim] the task's own units
    mr_real *log_prob; // [n] nats; 0 if the policy is deterministic
} mr_policy_results;

/// Makes the pools of a net, which is borrowed. The caller frees them.
mr_status mr_policy_actors_new(const mr_policy_net *net, mr_policy_actors **out);
void mr_policy_actors_free(mr_policy_actors *actors);

/// Sets the action without noise, at first `base`. Both are borrowed. Not while anybody acts. Fails
/// with MR_ERR_MEMORY alone; the action is then `base`.
mr_status mr_policy_actors_set_deterministic(mr_policy_actors *actors,
                                             const mr_deterministic *deterministic,
                                             const mr_policy_critics *critics);

/// Makes the first workspaces: for one observation, and for up to `max_rows` at a time; acting then
/// allocates nothing until several threads do it at once. Not while anybody acts.
mr_status mr_policy_actors_prepare(mr_policy_actors *actors, size_t max_rows);

/// Acts on one observation [obs_dim] with noise [act_dim]; NULL: without noise. Fails with
/// MR_ERR_NUMERIC if a number is not finite, and with MR_ERR_USAGE if log_prob is wanted of an
/// action without noise that is not `base`.
mr_status mr_policy_actors_act(mr_policy_actors *actors, const double *obs, const mr_real *noise,
                               const mr_policy_results *out);

/// The same for obs [n x obs_dim], noise [n x act_dim]. Fails with MR_ERR_USAGE if that is more
/// than was prepared.
mr_status mr_policy_actors_sample(mr_policy_actors *actors, size_t n, const double *obs,
                                  const mr_real *noise, const mr_policy_results *out);

/// The log-densities [n] of given actions [n x act_dim] (mr_policy_log_prob).
mr_status mr_policy_actors_score(mr_policy_actors *actors, size_t n, const double *obs,
                                 const double *action, float *log_prob);
