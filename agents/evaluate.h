/// Plays whole episodes with a policy.
#pragma once

#include "agents/policy.h"
#include "envs/vec_env.h"

/// The episodes, one by one, and their mean and deviation.
typedef struct {
    size_t n;
    double *returns; // [n] undiscounted
    size_t *lengths; // [n] steps
    double mean_return;
    double std_return; // over the episodes, n in the denominator, as numpy's std
    double mean_length;
} mr_evaluation;

/// Room for `n` episodes. The caller frees it.
mr_status mr_evaluation_new(size_t n, mr_evaluation **out);
void mr_evaluation_free(mr_evaluation *evaluation);

/// Someone who looks on.
typedef struct {
    void *self;
    /// Called for each copy whose episode has begun or has been stepped (`n_steps` times so far),
    /// before anything else happens to it. A failure ends the evaluation. NULL: nobody.
    mr_status (*look)(void *self, size_t copy, size_t episode, size_t n_steps);
    /// Called for each state that a step leads to, obs [obs_dim], with `visitor`. NULL: nobody.
    mr_status (*visited)(void *visitor, const double *obs);
    void *visitor;
} mr_eval_watcher;

/// Plays evaluation->n episodes, as many at a time as `envs` has copies; episode i is reset with
/// seed `seed` + i. One that is lost (mr_step.lost) is played again. The policy must be prepared
/// for that many rows.
///
///   deterministic  the base's mean pushed through the flow; else samples, from stream (seed,
///   evaluation, i)
///   watcher        NULL: nobody
mr_status mr_evaluate(mr_policy *policy, mr_vec_env *envs, uint64_t seed, bool deterministic,
                      const mr_eval_watcher *watcher, mr_evaluation *evaluation);
