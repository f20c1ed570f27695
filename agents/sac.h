/// Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905).
///
/// An ensemble of critics with slow targets, a reparameterised policy, a temperature that is
/// learned or fixed. An intrinsic reward that is valued apart has critics of its own, whose value
/// the policy maximises along with the task's (Burda et al. 2018, arXiv:1810.12894).
#pragma once

#include "agents/batch.h"
#include "agents/critic.h"
#include "agents/policy.h"

typedef struct mr_sac mr_sac;

typedef struct {
    size_t batch_size;
    mr_widths hidden; // of the task's critics
    double tau;       // of the targets' averaging
    double actor_lr;  // the temperature's too
    double critic_lr;
    bool learns_alpha;
    double alpha;               // if it is not learned; it starts at 1 if it is
    double target_entropy;      // nats
    size_t policy_delay;        // critic updates for each update of policy and temperature
    bool has_intrinsic;         // batches bring intrinsic rewards to be valued apart
    mr_widths intrinsic_hidden; // of the critics of the intrinsic reward
    uint64_t seed;
    int n_threads;
} mr_sac_options;

/// Metrics of the latest update. Means over the batch.
typedef struct {
    double critic_loss; // 1/2 the sum of all critics' mean squared errors
    double q_mean;      // of the task's first critic on the batch
    double actor_loss;  // alpha log pi - min Q, less beta min Q of the intrinsic reward
    double alpha;
    double alpha_loss; // -log alpha (log pi + target_entropy); NaN if alpha is fixed
    double entropy;    // -log pi
} mr_sac_metrics;

/// An agent around `policy`, which it trains and borrows. The caller frees it.
mr_status mr_sac_new(mr_policy *policy, const mr_sac_options *options, mr_sac **out);
void mr_sac_free(mr_sac *sac);

/// One update of the critics and, every policy_delay times, of policy and temperature. The noise
/// comes from a stream indexed by the number of the update. Allocates nothing. Fails with
/// MR_ERR_NUMERIC if a loss or gradient is not finite (the message names it); the parameters that
/// it would have changed are then as before.
mr_status mr_sac_update(mr_sac *sac, const mr_batch *batch);

/// Computes the losses and their gradients on a batch, and changes no parameter: for checks against
/// other implementations. The gradients are then in the sets' own blocks, the losses in the
/// metrics.
///
///   next_noise  [batch_size x act_dim] standard normals, for the actions at next_obs
///   noise       [batch_size x act_dim] standard normals, for the actions at obs
void mr_sac_compute(mr_sac *sac, const mr_batch *batch, const mr_real *next_noise,
                    const mr_real *noise);

/// Metrics of the latest update.
const mr_sac_metrics *mr_sac_get_metrics(const mr_sac *sac);

/// Updates of the critics done so far.
uint64_t mr_sac_n_updates(const mr_sac *sac);

/// The agent's critics, those of the intrinsic reward (NULL: it has none of its own) and its
/// temperature (log alpha, alone), owned by it.
mr_critic *mr_sac_critic(const mr_sac *sac);
mr_critic *mr_sac_intrinsic_critic(const mr_sac *sac);
mr_params *mr_sac_temperature(const mr_sac *sac);

/// Adds all of the agent's state (policy, critics, targets, temperature, moments and counts) to a
/// file.
mr_status mr_sac_write(const mr_sac *sac, mr_tensors_writer *writer);

/// Reads the same back into an agent that was built alike. On failure its state is partly
/// overwritten.
mr_status mr_sac_read(mr_sac *sac, const mr_tensors *file);
