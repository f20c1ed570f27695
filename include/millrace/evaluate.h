/// Plays whole episodes with a policy.
#pragma once

#include <millrace/policy.h>
#include <millrace/vec_env.h>

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The episodes, one by one, and their mean and deviation.
typedef struct {
    size_t n;        // to be played
    size_t n_ended;  // n, or fewer if the evaluation was stopped
    size_t n_cut;    // of these, cut off by max_steps
    double *returns; // [n_ended] undiscounted
    size_t *lengths; // [n_ended] steps
    double mean_return;
    double std_return; // over the episodes, n_ended in the denominator, as numpy's std
    double mean_length;
} mr_evaluation;

/// Makes room for `n` episodes, at least 1. The caller frees it.
MR_API mr_status mr_evaluation_new(size_t n, mr_evaluation **out);

/// Frees it; NULL is fine.
MR_API void mr_evaluation_free(mr_evaluation *evaluation);

/// The beginning or a step of an episode.
typedef struct {
    size_t copy;          // of the environment, in which it is played
    size_t episode;       // from 0
    const double *obs;    // [obs_dim] after it
    const double *action; // [act_dim] of the step, in the task's own units; NULL: the episode
                          // begins, or begins again if it was lost
    const mr_step *step;  // NULL: the episode begins
    bool ends;            // the step ended the episode, or it is cut off after it
} mr_eval_step;

/// Callbacks while episodes are played. All 0: none.
typedef struct {
    void *self;
    /// Called for each copy whose episode has begun or has been stepped (`n_steps` times so far),
    /// before anything else happens to it. A failure ends the evaluation. NULL: not called.
    mr_status (*look)(void *self, size_t copy, size_t episode, size_t n_steps);
    /// Called for each state that a step leads to, obs [obs_dim], with `visitor`. NULL: not
    /// called.
    mr_status (*visited)(void *visitor, size_t episode, const double *obs);
    void *visitor;
    /// Called for the beginning and each step of each episode, with `recorder`. NULL: not called.
    mr_status (*stepped)(void *recorder, const mr_eval_step *step);
    void *recorder;
} mr_eval_watcher;

/// How episodes are played. All 0 is valid: seeds from 0 on, samples, no limit. A later version may
/// add fields: begin with `= {0}`.
typedef struct {
    uint64_t seed;      // of the first episode; the next ones count on from it
    bool deterministic; // the policy's deterministic action (policy.h); else samples
    size_t max_steps;   // an episode that has not ended after so many ends there; 0: none does
    const volatile sig_atomic_t *stop; // becomes non-zero: plays no further; may be NULL
    const mr_eval_watcher *watcher;    // NULL: none
} mr_eval_options;

/// Plays evaluation->n episodes, as many at a time as `envs` has copies. One that is lost
/// (mr_step.lost) is played again.
///
/// An episode depends on its own seed alone, bit for bit, whatever is played beside it: it is reset
/// with that seed, its noise is stream (seed, evaluation, 0), and the policy acts on one row at a
/// time.
///
/// Returns MR_STOPPED if `stop` asked for the end; `evaluation` then holds the episodes that ended
/// before, in their order.
MR_API mr_status mr_evaluate(const mr_policy *policy, mr_vec_env *envs,
                             const mr_eval_options *options, mr_evaluation *evaluation);

#ifdef __cplusplus
}
#endif
