// An ensemble of critics.

#include "agents/critic.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 32 };

struct mr_critic {
    mr_params *params;
    mr_learner learner;
    size_t n;
    mr_mlp net[]; // [n]
};

mr_status mr_critic_new(const mr_critic_options *o, mr_critic **out) {
    mr_status status;
    mr_random random = mr_random_stream(o->seed, MR_STREAM_INIT, o->stream);
    mr_critic *critic = calloc(1, sizeof *critic + o->n * sizeof critic->net[0]);
    if (!critic)
        return mr_fail_memory("the critics");
    critic->n = o->n;
    MR_TRY(mr_params_new(&critic->params));
    for (size_t i = 0; i < o->n; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "q%zu", i + 1);
        critic->net[i] = mr_mlp_declare_spec(critic->params, name, o->obs_dim + o->act_dim, &o->net,
                                             1, MR_INIT_FAN_IN);
    }
    MR_TRY(mr_params_alloc(critic->params, &random));
    for (size_t i = 0; i < o->n && o->weight_norm; i++)
        MR_TRY(mr_mlp_keep_unit_rows(&critic->net[i], critic->params));
    MR_TRY(mr_learner_init(&critic->learner, critic->params, o->adam, MR_LEARNER_TARGET,
                           o->n_threads));
    *out = critic;
    critic = NULL;
done:
    mr_critic_free(critic);
    return status;
}

void mr_critic_free(mr_critic *critic) {
    if (!critic)
        return;
    mr_learner_release(&critic->learner);
    mr_params_free(critic->params);
    free(critic);
}

mr_learner *mr_critic_learner(mr_critic *critic) {
    return &critic->learner;
}

mr_params *mr_critic_params(const mr_critic *critic) {
    return critic->params;
}

mr_params *mr_critic_target(const mr_critic *critic) {
    return critic->learner.target;
}

mr_node *mr_critic_build(const mr_critic *critic, size_t i, mr_params *params, mr_node *x,
                         mr_mode mode) {
    return mr_mlp_build_mode(&critic->net[i], params, x, mode);
}

mr_node *mr_critic_min(const mr_critic *critic, mr_params *params, mr_node *obs, mr_node *act) {
    mr_node *x = mr_concat(obs, act);
    mr_node *least = mr_critic_build(critic, 0, params, x, MR_ACTING);
    for (size_t i = 1; i < critic->n; i++)
        least = mr_min(least, mr_critic_build(critic, i, params, x, MR_ACTING));
    return least;
}

mr_node *mr_critic_loss(const mr_critic *critic, mr_node *obs, mr_node *act, mr_node *y,
                        mr_node **q) {
    mr_node *x = mr_concat(obs, act), *sum = NULL;
    for (size_t i = 0; i < critic->n; i++) {
        mr_node *value = mr_critic_build(critic, i, critic->params, x, MR_TRAINING);
        mr_node *error = mr_square(mr_sub(value, y));
        *q = i == 0 ? value : *q;
        sum = sum ? mr_add(sum, error) : error;
    }
    return mr_affine(sum, 0.5, 0);
}
