/// What agents with a policy and critics have in common: the inputs of a batch in a graph, the
/// critics of the task, and separate critics of the intrinsic reward.
#pragma once

#include "agents/agent.h"
#include "agents/critic.h"

/// The input nodes of a batch.
typedef struct {
    mr_node *obs, *act, *reward, *discount, *next_obs;
    mr_node *weight;    // NULL: all are 1
    mr_node *intrinsic; // NULL: not valued apart
} mr_batch_inputs;

/// Adds the inputs to a graph: those that the setup's batches have.
mr_batch_inputs mr_batch_inputs_add(mr_graph *graph, const mr_policy_spec *spec,
                                    const mr_agent_setup *setup);

/// What a critic's loss is made of: (obs, act) of the batch, and the action at next_obs.
///
///   reward        the task's or the intrinsic one
///   entropy_cost  as in mr_backup; may be NULL
mr_critic_step mr_batch_inputs_step(const mr_batch_inputs *inputs, mr_node *reward,
                                    mr_node *next_act, mr_node *entropy_cost);

/// The critics' loss, by the batch's weights. The value of `loss` itself is kept, too.
mr_node *mr_batch_inputs_weigh(const mr_batch_inputs *inputs, mr_node *loss);

/// Copies a batch into the inputs.
void mr_batch_inputs_fill(const mr_batch_inputs *inputs, const mr_batch *batch);

/// Fills an input [rows x 1] with the batch's beta; NULL is fine.
void mr_beta_fill(mr_node *beta, const mr_batch *batch);

/// The optimizer of the policy or of critics.
mr_adam mr_agent_adam(const mr_agent_setup *setup, double lr);

/// The critics of the task and, if the setup has intrinsic rewards, two of those (else NULL). They
/// are drawn from streams (seed, init, 1) and (seed, init, 3). The caller frees both, also after a
/// failure.
mr_status mr_critics_new(const mr_agent_setup *setup, const mr_policy_spec *spec, double lr,
                         mr_critic **task, mr_critic **intrinsic);
