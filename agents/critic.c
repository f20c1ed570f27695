// Twin critics.

#include "agents/critic.h"

#include <stdlib.h>

struct mr_critic {
    mr_params *params, *target;
    mr_mlp net[2];
};

mr_status mr_critic_new(size_t obs_dim, size_t act_dim, const mr_widths *hidden, uint64_t seed,
                        uint64_t index, mr_critic **out) {
    mr_status status;
    mr_random random = mr_random_stream(seed, MR_STREAM_INIT, index);
    mr_critic *critic = calloc(1, sizeof *critic);
    if (!critic)
        return mr_fail_memory("the critics");
    MR_TRY(mr_params_new(&critic->params));
    critic->net[0] =
        mr_mlp_declare(critic->params, "q1", obs_dim + act_dim, hidden, 1, MR_INIT_FAN_IN);
    critic->net[1] =
        mr_mlp_declare(critic->params, "q2", obs_dim + act_dim, hidden, 1, MR_INIT_FAN_IN);
    MR_TRY(mr_params_alloc(critic->params, &random));
    MR_TRY(mr_params_copy(critic->params, &critic->target));
    *out = critic;
    critic = NULL;
done:
    mr_critic_free(critic);
    return status;
}

void mr_critic_free(mr_critic *critic) {
    if (!critic)
        return;
    mr_params_free(critic->params);
    mr_params_free(critic->target);
    free(critic);
}

mr_params *mr_critic_params(const mr_critic *critic) {
    return critic->params;
}

mr_params *mr_critic_target(const mr_critic *critic) {
    return critic->target;
}

mr_critic_nodes mr_critic_build(const mr_critic *critic, mr_params *params, mr_node *obs,
                                mr_node *act) {
    mr_node *in = mr_concat(obs, act);
    return (mr_critic_nodes){
        {mr_mlp_build(&critic->net[0], params, in), mr_mlp_build(&critic->net[1], params, in)}};
}
