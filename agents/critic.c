// An ensemble of critics.

#include "agents/critic.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 32 };

const mr_ensemble mr_twin_critics = {.n = 2, .n_target = 2, .head = &mr_value_head_scalar};

struct mr_critic {
    mr_params *params;
    mr_learner learner;
    mr_ensemble ensemble;
    size_t order[MR_MAX_CRITICS]; // targets are made of the first n_target of these critics
    mr_mlp net[];                 // [n]
};

mr_status mr_critic_new(const mr_critic_options *o, mr_critic **out) {
    mr_status status;
    mr_random random = mr_random_stream(o->seed, MR_STREAM_INIT, o->stream);
    const mr_ensemble *e = &o->ensemble;
    assert(e->n >= 1 && e->n <= MR_MAX_CRITICS && e->n_target >= 1 && e->n_target <= e->n);
    mr_critic *critic = calloc(1, sizeof *critic + e->n * sizeof critic->net[0]);
    if (!critic)
        return mr_fail_memory("the critics");
    critic->ensemble = *e;
    MR_TRY(mr_params_new(&critic->params));
    if (o->max_params > 0)
        mr_params_limit(critic->params, o->max_params);
    for (size_t i = 0; i < e->n; i++) {
        critic->order[i] = i;
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "q%zu", i + 1);
        critic->net[i] = mr_mlp_declare_spec(critic->params, name, o->obs_dim + o->act_dim, &o->net,
                                             e->head->n_outputs(&e->value), MR_INIT_FAN_IN);
    }
    MR_TRY(mr_params_alloc(critic->params, &random));
    for (size_t i = 0; i < e->n && o->weight_norm; i++)
        MR_TRY(mr_mlp_keep_unit_rows(&critic->net[i], critic->params));
    MR_TRY(mr_learner_init(&critic->learner, critic->params, o->adam,
                           o->has_targets ? MR_LEARNER_TARGET : 0, o->n_threads));
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

const mr_ensemble *mr_critic_ensemble(const mr_critic *critic) {
    return &critic->ensemble;
}

const mr_mlp_spec *mr_critic_net(const mr_critic *critic) {
    return &critic->net[0].spec;
}

// The first steps of a Fisher-Yates shuffle, from the identity, so that a draw depends on nothing
// before it.
void mr_critic_draw(mr_critic *critic, mr_random *random) {
    const mr_ensemble *e = &critic->ensemble;
    for (size_t i = 0; i < e->n; i++)
        critic->order[i] = i;
    for (size_t i = 0; i < e->n_target && e->n_target < e->n; i++) {
        const size_t k = i + mr_random_below(random, e->n - i), drawn = critic->order[k];
        critic->order[k] = critic->order[i];
        critic->order[i] = drawn;
    }
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
    return critic->ensemble.head->value(&critic->ensemble.value, outputs->of[i]);
}

mr_node *mr_critic_min(const mr_critic *critic, const mr_critic_outputs *outputs) {
    mr_node *least = mr_critic_value(critic, outputs, 0);
    for (size_t i = 1; i < outputs->n; i++)
        least = mr_min(least, mr_critic_value(critic, outputs, i));
    return least;
}

mr_node *mr_critic_mean(const mr_critic *critic, const mr_critic_outputs *outputs) {
    mr_node *sum = mr_critic_value(critic, outputs, 0);
    for (size_t i = 1; i < outputs->n; i++)
        sum = mr_add(sum, mr_critic_value(critic, outputs, i));
    return mr_affine(sum, 1 / (double)outputs->n, 0);
}

// ---- The passes of the loss: now, by the critics at (obs, act); next, by the targets, or by the
// critics if there are none, at (next_obs, next_act).

static mr_params *next_params(const mr_critic *critic) {
    return critic->learner.target ? critic->learner.target : critic->params;
}

static void build_apart(const mr_critic *critic, const mr_critic_step *step, mr_critic_outputs *now,
                        mr_critic_outputs *next) {
    const size_t n = critic->ensemble.n;
    *next = mr_critic_build(critic, n, next_params(critic), step->next_obs, step->next_act,
                            MR_CONSTANT);
    *now = mr_critic_build(critic, n, critic->params, step->obs, step->act, MR_TRAINING);
}

// Both ends of a transition are points of one row, side by side in the result as well.
static mr_node *build_both(const mr_mlp *net, mr_params *params, mr_node *ends) {
    return mr_join_rows(mr_mlp_build_mode(net, params, mr_split_rows(ends, 2), MR_TRAINING), 2);
}

// Actions of the replay buffer and actions of the policy differ in mean and variance. A batch norm
// whose statistics are those of both suits both (Bhatt et al. 2024).
static void build_joint(const mr_critic *critic, const mr_critic_step *step, mr_critic_outputs *now,
                        mr_critic_outputs *next) {
    mr_node *const parts[] = {step->obs, step->act, step->next_obs, step->next_act};
    mr_node *ends = mr_concat_all(MR_COUNT(parts), parts);
    const mr_ensemble *e = &critic->ensemble;
    const size_t n_outputs = e->head->n_outputs(&e->value);
    now->n = next->n = e->n;
    for (size_t i = 0; i < e->n; i++) {
        const mr_mlp *net = &critic->net[i];
        mr_node *both = build_both(net, critic->params, ends);
        mr_node *by_target =
            critic->learner.target ? build_both(net, critic->learner.target, ends) : both;
        now->of[i] = mr_slice(both, 0, n_outputs);
        next->of[i] = mr_slice(by_target, n_outputs, n_outputs);
    }
}

// ---- The loss

// The head's target, made of the outputs of the critics that have been drawn.
static mr_node *build_target(const mr_critic *critic, const mr_critic_outputs *next,
                             const mr_backup *backup) {
    const mr_ensemble *e = &critic->ensemble;
    mr_node *drawn[MR_MAX_CRITICS];
    for (size_t i = 0; i < e->n_target; i++)
        drawn[i] =
            e->n_target < e->n ? mr_select(next->n, next->of, &critic->order[i]) : next->of[i];
    return mr_stop_gradient(e->head->target(&e->value, e->n_target, drawn, backup));
}

mr_node *mr_critic_loss(const mr_critic *critic, const mr_critic_step *step, mr_node **q) {
    const mr_value_head *head = critic->ensemble.head;
    mr_critic_outputs now = {0}, next = {0};
    if (mr_norm_is_of_batch(critic->net[0].spec.norm))
        build_joint(critic, step, &now, &next);
    else
        build_apart(critic, step, &now, &next);
    mr_node *y = build_target(critic, &next, &step->backup);
    mr_node *loss = head->loss(now.of[0], y);
    for (size_t i = 1; i < now.n; i++)
        loss = mr_add(loss, head->loss(now.of[i], y));
    *q = mr_critic_value(critic, &now, 0);
    return loss;
}
