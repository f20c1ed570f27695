// An ensemble of critics.

#include "agents/critic.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 32 };

struct mr_critic {
    mr_params *params;
    mr_learner learner;
    const mr_value_head *head;
    size_t n;
    mr_mlp net[]; // [n]
};

mr_status mr_critic_new(const mr_critic_options *o, mr_critic **out) {
    mr_status status;
    mr_random random = mr_random_stream(o->seed, MR_STREAM_INIT, o->stream);
    assert(o->n >= 1 && o->n <= MR_MAX_CRITICS);
    mr_critic *critic = calloc(1, sizeof *critic + o->n * sizeof critic->net[0]);
    if (!critic)
        return mr_fail_memory("the critics");
    critic->n = o->n;
    critic->head = o->head;
    MR_TRY(mr_params_new(&critic->params));
    for (size_t i = 0; i < o->n; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "q%zu", i + 1);
        critic->net[i] = mr_mlp_declare_spec(critic->params, name, o->obs_dim + o->act_dim, &o->net,
                                             o->head->n_outputs, MR_INIT_FAN_IN);
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

size_t mr_critic_count(const mr_critic *critic) {
    return critic->n;
}

mr_critic_outputs mr_critic_build(const mr_critic *critic, size_t n, mr_params *params,
                                  mr_node *obs, mr_node *act, mr_mode mode) {
    mr_critic_outputs outputs = {.n = n};
    mr_node *x = mr_concat(obs, act);
    for (size_t i = 0; i < n; i++)
        outputs.of[i] = mr_mlp_build_mode(&critic->net[i], params, x, mode);
    return outputs;
}

mr_node *mr_critic_value(const mr_critic *critic, const mr_critic_outputs *outputs, size_t i) {
    return critic->head->value(outputs->of[i]);
}

mr_node *mr_critic_min(const mr_critic *critic, const mr_critic_outputs *outputs) {
    mr_node *least = mr_critic_value(critic, outputs, 0);
    for (size_t i = 1; i < outputs->n; i++)
        least = mr_min(least, mr_critic_value(critic, outputs, i));
    return least;
}

mr_node *mr_critic_loss(const mr_critic *critic, const mr_critic_step *step, mr_node **q) {
    const mr_critic_outputs next = mr_critic_build(critic, critic->n, mr_critic_target(critic),
                                                   step->next_obs, step->next_act, MR_ACTING);
    const mr_critic_outputs now =
        mr_critic_build(critic, critic->n, critic->params, step->obs, step->act, MR_TRAINING);
    mr_node *y = mr_stop_gradient(critic->head->target(next.n, next.of, &step->backup));
    mr_node *loss = critic->head->loss(now.of[0], y);
    for (size_t i = 1; i < now.n; i++)
        loss = mr_add(loss, critic->head->loss(now.of[i], y));
    *q = mr_critic_value(critic, &now, 0);
    return loss;
}
