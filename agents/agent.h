/// Agents: they act, and learn from batches.
///
/// A kind of agent is a row of functions and tables (mr_agent_ops): SAC is one, TD3 another. The
/// training loop knows only this page. To add one: a file in agents/ and a line in agent.c.
#pragma once

#include "agents/batch.h"
#include "agents/critic.h"
#include "agents/exploration_noise.h"
#include "agents/policy.h"
#include "agents/settings.h"
#include "nn/learner.h"
#include "nn/lr_schedule.h"

/// The sizes and seeds that every agent is built from.
typedef struct {
    size_t batch_size;
    size_t n_envs;              // observations that it explores from at a time
    mr_mlp_spec critic;         // the net of each critic
    mr_ensemble ensemble;       // the critics of the task; those of intrinsic rewards are twins
    bool critic_targets;        // slow copies of the critics make the targets, else they themselves
    bool has_weights;           // batches bring weights of the critics' losses
    bool has_intrinsic;         // batches bring intrinsic rewards, to be valued apart
    mr_widths intrinsic_hidden; // widths of the critics of the intrinsic reward, else as `critic`
    mr_exploration_options exploration;
    mr_lr_schedule lr_schedule; // of all learners
    bool weight_norm;           // rows of weights of policy and critics are kept at norm 1
    double weight_decay;        // of policy and critics (mr_adam)
    double adam_beta1;          // likewise
    uint64_t reset_every;       // updates between resets of all nets; 0: never
    double policy_ema;          // what the average of the policy keeps of itself at each update; 0:
                                // there is none
    uint64_t seed;
    int n_threads; // 0: mr_agent_default_threads
} mr_agent_setup;

/// A learner of an agent, with its name in files and messages.
typedef struct {
    const char *name; // "critic"
    mr_learner *learner;
    bool is_set; // by an option: not taken from another run
} mr_agent_learner;

enum { MR_MAX_LEARNERS = 8, MR_MAX_AGENT_METRICS = 16 };

/// A metric: a double in the agent's struct of metrics. A row of progress.csv has its mean over the
/// updates since the row before.
typedef struct {
    const char *name; // "train/critic_loss"
    size_t offset;
    bool is_latest;    // a row of progress.csv has its latest value instead
    const char *brief; // its name in the line of progress; NULL: not shown there
} mr_agent_metric;

typedef struct {
    const char *name;          // "sac"
    const char *summary;       // one line, with the paper
    size_t options_size;       // of the struct of its options
    const mr_setting *options; // rows about that struct
    size_t n_options;
    /// Names of settings of every run that mean nothing to it, up to a NULL; NULL: none. Another
    /// value than the default is refused.
    const char *const *unused;
    /// Names of options that mean nothing if critics have no slow copies, up to a NULL; NULL: none.
    const char *const *of_targets;
    const mr_agent_metric
        *metrics; // of the struct that `metrics_of` returns, in the columns' order
    size_t n_metrics;

    /// The text of the policy that the options ask for (mr_policy_spec.flow).
    const char *(*policy)(const void *options);
    /// Builds the agent around a policy, which it borrows.
    mr_status (*create)(mr_policy *policy, const mr_agent_setup *setup, const void *options,
                        void **out);
    void (*destroy)(void *self);
    /// Actions to explore with: act [n x act_dim] in [-1, 1] at obs [n x obs_dim], by standard
    /// normals noise [n x act_dim].
    mr_status (*act)(void *self, size_t n, const double *obs, const mr_real *noise, mr_real *act);
    /// One update, the `index`th, on a batch; noise comes from `random`.
    mr_status (*update)(void *self, const mr_batch *batch, uint64_t index, mr_random *random);
    /// Losses and gradients on a batch with given noise, without a change of parameters: for
    /// checks.
    void (*compute)(void *self, const mr_batch *batch, const mr_real *next_noise,
                    const mr_real *noise);
    /// The critics' loss on each row of the latest batch [n], not weighted.
    const mr_real *(*critic_losses)(void *self);
    /// The critics that a deterministic action may be chosen by, and whether by their mean (else by
    /// the least). NULL: there are none, or no actions to choose from.
    const mr_critic *(*critics)(void *self, bool *takes_mean);
    /// Lists the learners; returns how many there are.
    size_t (*learners)(void *self, mr_agent_learner out[MR_MAX_LEARNERS]);
    /// The struct of the metrics of the latest update.
    void *(*metrics_of)(void *self);
} mr_agent_ops;

extern const mr_agent_ops mr_agent_sac;
extern const mr_agent_ops mr_agent_td3;
extern const mr_agent_ops mr_agent_meow;

/// The kinds of agent, in the order of lists.
size_t mr_agent_count(void);
const mr_agent_ops *mr_agent_at(size_t i);

/// The kind of that name; NULL: there is none.
const mr_agent_ops *mr_agent_find(const char *name);

typedef struct mr_agent mr_agent;

/// An agent, with a policy of its own. The caller frees it.
///
///   spec     of the policy; its flow is the agent's to choose. `deterministic` may be of critics
///   options  the kind's struct of options
///
/// Fails with MR_ERR_USAGE if the policy's text is not understood.
mr_status mr_agent_new(const mr_agent_ops *ops, const mr_policy_spec *spec,
                       const mr_agent_setup *setup, const void *options, mr_agent **out);
void mr_agent_free(mr_agent *agent);

const mr_agent_ops *mr_agent_get_ops(const mr_agent *agent);

/// The policy that it acts with and trains. Owned by it.
mr_policy *mr_agent_policy(const mr_agent *agent);

/// Exchanges the policy's parameters with their average, which is what is evaluated and saved; once
/// more, and it acts and trains as before. Does nothing without an average, or before an update.
void mr_agent_swap_average(mr_agent *agent);

/// The threads that compute its updates.
int mr_agent_n_threads(const mr_agent *agent);

/// The number of threads that the work of an update is worth, up to the number of cores: by the
/// weights of policy and critics and the size of a batch, so that the same run has the same number
/// on every machine with as many cores.
int mr_agent_default_threads(const mr_policy *policy, const mr_agent_setup *setup);

/// Actions to explore with at the training loop's step `step`; the noise is that of the step, or
/// kept from one before (exploration_noise.h).
///
///   obs  [n x obs_dim]  in; n at most what the policy was prepared for
///   act  [n x act_dim]  out, in [-1, 1]
mr_status mr_agent_act(mr_agent *agent, size_t n, const double *obs, uint64_t step, mr_real *act);

/// One update on a batch. The noise comes from a stream indexed by the number of the update.
/// Allocates nothing, unless the update is followed by a reset. Fails with MR_ERR_NUMERIC if a loss
/// or gradient is not finite (the message names it); the parameters that it would have changed are
/// then as before.
mr_status mr_agent_update(mr_agent *agent, const mr_batch *batch);

/// Updates done so far.
uint64_t mr_agent_n_updates(const mr_agent *agent);

/// The kind's struct of the metrics of the latest update. Borrowed.
const void *mr_agent_metrics(const mr_agent *agent);

/// The value there of the kind's metric `i`.
double mr_agent_metric_value(const mr_agent *agent, size_t i);

/// The critics' loss on each row of the latest batch [n], not weighted: how wrong they were there.
/// Borrowed.
const mr_real *mr_agent_critic_losses(const mr_agent *agent);

/// Computes the losses and their gradients on a batch, and changes no parameter: for checks against
/// other implementations. The gradients are then in the learners' parameters, the losses in the
/// metrics.
///
///   next_noise  [batch_size x act_dim] standard normals, for the actions at next_obs
///   noise       [batch_size x act_dim] standard normals, for the actions at obs
void mr_agent_compute(mr_agent *agent, const mr_batch *batch, const mr_real *next_noise,
                      const mr_real *noise);

/// The learner of that name; NULL: there is none.
mr_learner *mr_agent_learner_of(const mr_agent *agent, const char *name);

/// Adds all of the agent's state to a file. The data is borrowed until it is written.
mr_status mr_agent_write(const mr_agent *agent, mr_tensors_writer *writer);

/// Reads the nets alone from a checkpoint of another run, whose agent was built alike; optimizers
/// and metrics stay as they are. A net that the file does not have stays as well, and so does one
/// that is set by an option. On failure nets are partly overwritten.
mr_status mr_agent_read_nets(mr_agent *agent, const mr_tensors *file);

/// Reads all back into an agent that was built alike, from files of this version and of 0.1.
/// On failure its state is partly overwritten.
mr_status mr_agent_read(mr_agent *agent, const mr_tensors *file);
