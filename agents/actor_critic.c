// What agents with a policy and critics have in common.

#include "agents/actor_critic.h"

enum { TASK_STREAM = 1, INTRINSIC_STREAM = 3 };

mr_batch_inputs mr_batch_inputs_add(mr_graph *graph, const mr_policy_spec *spec,
                                    const mr_agent_setup *setup) {
    mr_batch_inputs in = {0}; // in a fixed order, which an initializer has not
    in.obs = mr_input(graph, spec->obs_dim, false);
    in.act = mr_input(graph, spec->act_dim, false);
    in.reward = mr_input(graph, 1, false);
    in.discount = mr_input(graph, 1, false);
    in.next_obs = mr_input(graph, spec->obs_dim, false);
    if (setup->has_weights)
        in.weight = mr_input(graph, 1, false);
    if (setup->has_intrinsic)
        in.intrinsic = mr_input(graph, 1, false);
    return in;
}

void mr_batch_inputs_fill(const mr_batch_inputs *in, const mr_batch *batch) {
    mr_input_fill(in->obs, batch->n, batch->obs);
    mr_input_fill(in->act, batch->n, batch->act);
    mr_input_fill(in->reward, batch->n, batch->reward);
    mr_input_fill(in->discount, batch->n, batch->discount);
    mr_input_fill(in->next_obs, batch->n, batch->next_obs);
    if (in->weight)
        mr_input_fill(in->weight, batch->n, batch->weight);
    if (in->intrinsic)
        mr_input_fill(in->intrinsic, batch->n, batch->intrinsic);
}

mr_critic_step mr_batch_inputs_step(const mr_batch_inputs *in, mr_node *reward, mr_node *next_act,
                                    mr_node *entropy_cost) {
    return (mr_critic_step){.obs = in->obs,
                            .act = in->act,
                            .next_obs = in->next_obs,
                            .next_act = next_act,
                            .backup = {reward, in->discount, entropy_cost}};
}

mr_node *mr_batch_inputs_weigh(const mr_batch_inputs *in, mr_node *loss) {
    mr_keep(loss);
    return in->weight ? mr_mul(loss, in->weight) : loss;
}

void mr_beta_fill(mr_node *beta, const mr_batch *batch) {
    for (size_t i = 0; beta && i < batch->n; i++)
        mr_node_value(beta)[i] = (mr_real)batch->beta;
}

mr_adam mr_agent_adam(const mr_agent_setup *setup, double lr) {
    mr_adam adam = mr_adam_new(lr);
    adam.beta1 = setup->adam_beta1;
    adam.weight_decay = setup->weight_decay;
    return adam;
}

mr_status mr_critics_new(const mr_agent_setup *setup, const mr_policy_spec *spec, double lr,
                         mr_critic **task, mr_critic **intrinsic) {
    mr_critic_options options = {.ensemble = setup->ensemble,
                                 .obs_dim = spec->obs_dim,
                                 .act_dim = spec->act_dim,
                                 .net = setup->critic,
                                 .has_targets = setup->critic_targets,
                                 .weight_norm = setup->weight_norm,
                                 .adam = mr_agent_adam(setup, lr),
                                 .seed = setup->seed,
                                 .stream = TASK_STREAM,
                                 .n_threads = setup->n_threads};
    const mr_status status = mr_critic_new(&options, task);
    if (status != MR_OK || !setup->has_intrinsic)
        return status;
    options.ensemble = mr_twin_critics;
    options.net.hidden = setup->intrinsic_hidden;
    options.net.dropout = 0;
    options.stream = INTRINSIC_STREAM;
    return mr_critic_new(&options, intrinsic);
}
