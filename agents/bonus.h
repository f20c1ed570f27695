/// The exploration bonus of a run: an intrinsic reward for states that are novel.
///
///     r_intrinsic = beta_t b(s'),   b = clip((novelty - mean) / std, -5, 5)
///
/// A net (bonus_kind.h) computes the novelty of the chosen features of the observation, each
/// standardised by its mean and standard deviation over all visited states. It is trained on the
/// agent's batches; each batch is scored first. Mean and std are running statistics of the novelty;
/// `normalize` says which of them are used. beta_t is the scale, which decays with the number of
/// visited states.
#pragma once

#include "agents/features.h"
#include "flows/density.h"

typedef struct mr_bonus mr_bonus;

typedef struct {
    const char *kind;      // a kind's name: "density", "rnd"
    const char *flow;      // of "density"
    double scale;          // beta_0
    const char *decay;     // "none"; "linear": to 0 at n_steps; "exponential": (1 - rate)^t
    double decay_rate;     // of "exponential"
    const char *features;  // mr_features_parse
    const char *normalize; // "auto": the kind's; "standard"; "scale": b = novelty / std; "none"
    size_t n_steps;        // states to be visited in all
    size_t batch_size;
    size_t n_envs; // states visited at a time
    double lr;     // 0: the kind's
    uint64_t seed;
    int n_threads;
} mr_bonus_options;

/// A bonus for a task. The caller frees it. Fails with MR_ERR_USAGE on a kind, a flow, features or
/// a word that is not known.
///
///   env  borrowed for its life
mr_status mr_bonus_new(const mr_bonus_options *options, const mr_env_spec *env, mr_bonus **out);
void mr_bonus_free(mr_bonus *bonus);

/// Adds states just visited: first the log-likelihood that the net gives them, unseen, to the
/// metrics, then the states to the features' running statistics and to the coverage. Allocates
/// nothing.
///
///   visited  [n_envs] whose environment has gone to a new state; NULL: all
///   obs      [n_envs x obs_dim]
void mr_bonus_visit(mr_bonus *bonus, const bool *visited, const double *obs);

/// Scores a batch of states: the b of each, out [batch_size]. It is 0 before batch_size states have
/// been visited. The first time that it is not, the net is built: features that have not varied are
/// left out (mr_bonus_note). Fails with MR_ERR_INPUT if none has varied, then and never later;
/// allocates nothing later.
///
///   obs  [batch_size x obs_dim]
mr_status mr_bonus_score(mr_bonus *bonus, const mr_real *obs, mr_real *out);

/// Scores other states by the net and the statistics as they are, and changes neither: the b of
/// each, out [batch_size]; 0 before the net is built. Allocates nothing.
///
///   obs  [batch_size x obs_dim]
void mr_bonus_score_more(mr_bonus *bonus, const mr_real *obs, mr_real *out);

/// Trains the net on the batch that mr_bonus_score scored last, if it is its turn
/// (mr_bonus_kind.train_every). Before the net is built it does nothing. Allocates nothing.
void mr_bonus_train(mr_bonus *bonus);

/// beta_t: what a b of 1 is worth now.
double mr_bonus_beta(const mr_bonus *bonus);

/// A note for the user: which features were left out. NULL: none were.
const char *mr_bonus_note(const mr_bonus *bonus);

/// Metrics since they were taken last; NaN if there is none.
typedef struct {
    double state_log_prob; // mean log-density of states before they were seen, nats, in the
                           // features' own units
    double mean, std;      // of the novelty of the batches, before it is normalised
    double beta;
    double coverage;   // mr_coverage_share
    double n_restarts; // of the net, in all
} mr_bonus_metrics;

mr_bonus_metrics mr_bonus_take_metrics(mr_bonus *bonus);

/// The density as it is now, in the features' own units; its columns say where they are in the
/// observation. Owned by the bonus. NULL where there is none (yet).
const mr_density *mr_bonus_get_density(mr_bonus *bonus);

/// Adds all of its state to a checkpoint; the data is borrowed until the file is written.
mr_status mr_bonus_write(mr_bonus *bonus, mr_tensors_writer *writer);

/// Reads the same back into a new one that was built alike. On failure it is partly overwritten.
mr_status mr_bonus_read(mr_bonus *bonus, const mr_tensors *file);
