/// The intrinsic reward of a run (its exploration bonus), paid for states that are novel:
///
///     r_intrinsic = beta_t b(s'),   b = clip((novelty - mean) / std, -5, 5)
///
/// A net (novelty.h) computes the novelty of chosen features of the observation, each standardised
/// by its mean and standard deviation over all visited states. mean and std are running statistics
/// of the novelty. beta_t decays with the number t of visited states. A batch is scored before the
/// net is trained on it.
#pragma once

#include "agents/features.h"
#include "flows/density.h"

typedef struct mr_bonus mr_bonus;

typedef struct {
    const char *kind;      // of net: "density", "rnd"
    const char *flow;      // of "density"
    double scale;          // beta_0
    const char *decay;     // "none"; "linear": to 0 at n_steps; "exponential": (1 - decay_rate)^t
    double decay_rate;     // of "exponential"
    const char *features;  // mr_features_parse
    const char *normalize; // "standard": b as above; "scale": without the mean; "none": b is the
                           // novelty; "auto": the default of the kind of net
    size_t n_steps;        // states that the run will visit
    size_t batch_size;
    size_t n_envs; // states that are visited at a time
    double lr;     // 0: the default of the kind of net
    uint64_t seed;
    int n_threads;
} mr_bonus_options;

/// Builds the intrinsic reward for a task. The caller frees it. Fails with MR_ERR_USAGE if an
/// option is not understood.
///
///   env  borrowed for its life
mr_status mr_bonus_new(const mr_bonus_options *options, const mr_env_spec *env, mr_bonus **out);
void mr_bonus_free(mr_bonus *bonus);

/// Counts new states: scores them for the metrics and for the novelty's mean, then adds them to the
/// features' running statistics and to the coverage. Allocates nothing.
///
///   visited  [n_envs] false: the environment has gone to no new state, its row does not count;
///            NULL: all true
///   obs      [n_envs x obs_dim]
void mr_bonus_visit(mr_bonus *bonus, const bool *visited, const double *obs);

/// Scores a batch of states: the b of each, out [batch_size]. All are 0 before batch_size states
/// have been visited. The first call after that builds the net on the features that have varied
/// (mr_bonus_note names the others), and fails with MR_ERR_INPUT if none has. Later calls allocate
/// nothing and do not fail.
///
///   obs  [batch_size x obs_dim]
mr_status mr_bonus_score(mr_bonus *bonus, const mr_real *obs, mr_real *out);

/// Scores other states by the net and the statistics as they are, and changes neither: the b of
/// each, out [batch_size]; 0 before the net is built. Allocates nothing.
///
///   obs  [batch_size x obs_dim]
void mr_bonus_score_more(mr_bonus *bonus, const mr_real *obs, mr_real *out);

/// Trains the net on the batch that mr_bonus_score scored last, at every
/// train_every-th call (mr_novelty_ops). Does nothing before the net is built. Allocates nothing.
void mr_bonus_train(mr_bonus *bonus);

/// beta_t, the present weight of b.
double mr_bonus_beta(const mr_bonus *bonus);

/// A note for the user: the features that were left out because they had not varied. NULL: none.
const char *mr_bonus_note(const mr_bonus *bonus);

/// Metrics since they were last taken; NaN if there is none.
typedef struct {
    double state_log_prob; // mean log-density of new states before the net was trained on them,
                           // nats, in the features' own units
    double mean, std;      // of the batches' novelty, before it is normalised
    double beta;
    double coverage;   // mr_coverage_fraction
    double n_restarts; // of the net, in all
} mr_bonus_metrics;

mr_bonus_metrics mr_bonus_take_metrics(mr_bonus *bonus);

/// The net as a density in the features' own units, which knows their columns in the observation.
/// Owned by the bonus. NULL: the net is not a density, or not built yet.
const mr_density *mr_bonus_get_density(mr_bonus *bonus);

/// Adds all of its state to a checkpoint; the data is borrowed until the file is written.
mr_status mr_bonus_write(mr_bonus *bonus, mr_tensors_writer *writer);

/// Reads it back into one that was built from the same options. On failure it is partly
/// overwritten.
mr_status mr_bonus_read(mr_bonus *bonus, const mr_tensors *file);
