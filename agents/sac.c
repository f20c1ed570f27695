// The SAC update: two graphs, built once.

#include "agents/sac_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- Building

static mr_node *build_alpha(const mr_sac *sac, mr_graph *graph) {
    return mr_exp(mr_param_rows(graph, sac->temperature, sac->log_alpha));
}

// min Q(s, a) of twin critics.
static mr_node *build_value(const mr_critic *critic, mr_params *params, mr_node *obs,
                            mr_node *act) {
    const mr_critic_nodes q = mr_critic_build(critic, params, obs, act);
    return mr_min(q.q[0], q.q[1]);
}

// Both critics' squared errors, summed; `q`: the first one's values.
static mr_node *build_errors(const mr_critic *critic, const mr_sac_critic_graph *g, mr_node *reward,
                             mr_node *next_value, mr_node **q) {
    mr_node *target = mr_add(reward, mr_mul(g->discount, next_value));
    const mr_critic_nodes now = mr_critic_build(critic, mr_critic_params(critic), g->obs, g->act);
    *q = now.q[0];
    return mr_add(mr_square(mr_sub(now.q[0], target)), mr_square(mr_sub(now.q[1], target)));
}

// Beside critics of the bonus, the task's critics value the task alone. The entropy's temperature
// begins at 1, and what that adds to a value takes 1 / ((1 - gamma) tau) = 20,000 updates to fade:
// until then a reward of 1 that ends the episode would count as a loss. Ball et al. 2023
// (arXiv:2302.02948) leave it out for sparse rewards too; novelty explores in its place.
static mr_node *build_task_errors(const mr_sac *sac, const mr_sac_critic_graph *g,
                                  const mr_policy_nodes *next, mr_node **q) {
    mr_node *value =
        build_value(sac->critic, mr_critic_target(sac->critic), g->next_obs, next->act);
    mr_node *entropy_cost =
        sac->bonus_critic ? NULL : mr_mul(build_alpha(sac, g->graph), next->log_prob);
    return build_errors(sac->critic, g, g->reward,
                        entropy_cost ? mr_sub(value, entropy_cost) : value, q);
}

static mr_node *build_bonus_errors(const mr_sac *sac, const mr_sac_critic_graph *g,
                                   const mr_policy_nodes *next) {
    mr_node *q;
    const mr_critic *critic = sac->bonus_critic;
    mr_node *value = build_value(critic, mr_critic_target(critic), g->next_obs, next->act);
    return build_errors(critic, g, g->bonus, value, &q);
}

static size_t list_critics(const mr_sac *sac, mr_params *params[2]) {
    params[0] = mr_critic_params(sac->critic);
    if (!sac->bonus_critic)
        return 1;
    params[1] = mr_critic_params(sac->bonus_critic);
    return 2;
}

static mr_status build_critic_graph(mr_sac *sac) {
    mr_sac_critic_graph *g = &sac->critic_graph;
    const mr_policy_spec *spec = mr_policy_get_spec(sac->policy);
    mr_params *trained[2];
    const size_t n_trained = list_critics(sac, trained);
    const mr_status status =
        mr_graph_new(sac->options.batch_size, sac->options.n_threads, &g->graph);
    if (status != MR_OK)
        return status;
    g->obs = mr_input(g->graph, spec->obs_dim, false);
    g->act = mr_input(g->graph, spec->act_dim, false);
    g->reward = mr_input(g->graph, 1, false);
    g->discount = mr_input(g->graph, 1, false);
    g->next_obs = mr_input(g->graph, spec->obs_dim, false);
    g->next_noise = mr_input(g->graph, spec->act_dim, false);
    const mr_policy_nodes next = mr_policy_build(sac->policy, g->graph, g->next_obs, g->next_noise);
    mr_node *errors = build_task_errors(sac, g, &next, &g->q);
    if (sac->bonus_critic) {
        g->bonus = mr_input(g->graph, 1, false);
        errors = mr_add(errors, build_bonus_errors(sac, g, &next));
    }
    mr_keep(g->q);
    g->loss = mr_affine(errors, 0.5, 0);
    return mr_graph_plan(g->graph, g->loss, n_trained, trained);
}

// The bonus's critics value b itself: a beta that falls counts at once, and they have nothing to
// unlearn.
static mr_node *build_sum_of_values(const mr_sac *sac, mr_sac_actor_graph *g, mr_node *act) {
    mr_node *value = build_value(sac->critic, mr_critic_params(sac->critic), g->obs, act);
    const mr_critic *of_bonus = sac->bonus_critic;
    if (!of_bonus)
        return value;
    g->beta = mr_input(g->graph, 1, false);
    mr_node *novelty = build_value(of_bonus, mr_critic_params(of_bonus), g->obs, act);
    return mr_add(value, mr_mul(g->beta, novelty));
}

static mr_status build_actor_graph(mr_sac *sac) {
    mr_sac_actor_graph *g = &sac->actor_graph;
    const mr_policy_spec *spec = mr_policy_get_spec(sac->policy);
    mr_params *trained[] = {mr_policy_params(sac->policy), sac->temperature};
    const mr_status status =
        mr_graph_new(sac->options.batch_size, sac->options.n_threads, &g->graph);
    if (status != MR_OK)
        return status;
    g->obs = mr_input(g->graph, spec->obs_dim, false);
    g->noise = mr_input(g->graph, spec->act_dim, false);
    const mr_policy_nodes now = mr_policy_build(sac->policy, g->graph, g->obs, g->noise);
    mr_node *value = build_sum_of_values(sac, g, now.act);
    mr_node *alpha = mr_stop_gradient(build_alpha(sac, g->graph));
    g->log_prob = mr_keep(now.log_prob);
    g->actor_loss = mr_keep(mr_sub(mr_mul(alpha, now.log_prob), value));
    if (!sac->options.learns_alpha)
        return mr_graph_plan(g->graph, g->actor_loss, 1, trained);
    mr_node *log_alpha = mr_param_rows(g->graph, sac->temperature, sac->log_alpha);
    mr_node *surplus = mr_stop_gradient(mr_affine(now.log_prob, 1, sac->options.target_entropy));
    g->alpha_loss = mr_keep(mr_affine(mr_mul(log_alpha, surplus), -1, 0));
    return mr_graph_plan(g->graph, mr_add(g->actor_loss, g->alpha_loss), 2, trained);
}

// Streams (seed, init, 0) and (seed, init, 2) are the policy's and the temperature's.
static mr_status build_critics(mr_sac *sac) {
    const mr_sac_options *o = &sac->options;
    const mr_policy_spec *spec = mr_policy_get_spec(sac->policy);
    mr_status status =
        mr_critic_new(spec->obs_dim, spec->act_dim, &o->hidden, o->seed, 1, &sac->critic);
    if (status == MR_OK && o->bonus && o->separate_critic)
        status = mr_critic_new(spec->obs_dim, spec->act_dim, &o->bonus_hidden, o->seed, 3,
                               &sac->bonus_critic);
    return status;
}

static mr_status build_temperature(mr_sac *sac) {
    mr_random unused = mr_random_stream(sac->options.seed, MR_STREAM_INIT, 2);
    mr_status status = mr_params_new(&sac->temperature);
    if (status != MR_OK)
        return status;
    sac->log_alpha = mr_params_add(sac->temperature, "log_alpha", 1, 1, MR_INIT_ZERO, 1, NULL);
    status = mr_params_alloc(sac->temperature, &unused);
    if (status == MR_OK && !sac->options.learns_alpha)
        mr_params_value(sac->temperature)[0] = (mr_real)log(sac->options.alpha);
    return status;
}

mr_status mr_sac_new(mr_policy *policy, const mr_sac_options *options, mr_sac **out) {
    mr_status status;
    mr_sac *sac = calloc(1, sizeof *sac);
    if (!sac)
        return mr_fail_memory("the agent");
    sac->options = *options;
    sac->policy = policy;
    sac->critic_adam = mr_adam_new(options->critic_lr);
    sac->bonus_adam = mr_adam_new(options->critic_lr);
    sac->actor_adam = mr_adam_new(options->actor_lr);
    sac->alpha_adam = mr_adam_new(options->actor_lr);
    MR_TRY(build_critics(sac));
    MR_TRY(build_temperature(sac));
    MR_TRY(build_critic_graph(sac));
    MR_TRY(build_actor_graph(sac));
    sac->paid = calloc(options->batch_size, sizeof *sac->paid);
    if (!sac->paid)
        MR_TRY(mr_fail_memory("the agent"));
    *out = sac;
    sac = NULL;
done:
    mr_sac_free(sac);
    return status;
}

void mr_sac_free(mr_sac *sac) {
    if (!sac)
        return;
    mr_graph_free(sac->critic_graph.graph);
    mr_graph_free(sac->actor_graph.graph);
    mr_params_free(sac->temperature);
    mr_critic_free(sac->critic);
    mr_critic_free(sac->bonus_critic);
    free(sac->paid);
    free(sac);
}

// ---- Updating

static mr_status check(const char *what, double loss, size_t n, mr_params *const *params) {
    if (!isfinite(loss))
        return mr_fail(
            MR_ERR_NUMERIC,
            "the %s loss is %g; try a smaller learning rate or look at the rewards' scale", what,
            loss);
    for (size_t i = 0; i < n; i++)
        if (!mr_grad_is_finite(params[i]))
            return mr_fail(
                MR_ERR_NUMERIC,
                "the gradient of the %s loss, or its square, is not finite; try a smaller "
                "learning rate or look at the rewards' scale",
                what);
    return MR_OK;
}

static void copy_in(mr_node *input, size_t n_rows, const mr_real *values) {
    memcpy(mr_node_value(input), values, n_rows * mr_node_cols(input) * sizeof *values);
}

static void draw_batch(mr_sac *sac, const mr_replay *replay) {
    const mr_sac_critic_graph *g = &sac->critic_graph;
    const size_t n = sac->options.batch_size;
    mr_random which = mr_random_stream(sac->options.seed, MR_STREAM_REPLAY, sac->n_updates);
    mr_batch batch = {.obs = mr_node_value(g->obs),
                      .act = mr_node_value(g->act),
                      .reward = mr_node_value(g->reward),
                      .discount = mr_node_value(g->discount),
                      .next_obs = mr_node_value(g->next_obs)};
    mr_replay_sample(replay, &which, n, sac->options.gamma, &batch);
    memcpy(mr_node_value(sac->actor_graph.obs), batch.obs,
           n * mr_node_cols(g->obs) * sizeof *batch.obs);
}

// The bonus is that of the present moment: nothing of it is stored with the transitions.
static mr_status pay_bonus(mr_sac *sac) {
    const mr_sac_critic_graph *g = &sac->critic_graph;
    const size_t n = sac->options.batch_size;
    mr_real *reward = mr_node_value(g->reward);
    for (size_t i = 0; i < n; i++)
        reward[i] *= (mr_real)sac->options.reward_scale;
    if (!sac->options.bonus)
        return MR_OK;
    mr_real *paid = g->bonus ? mr_node_value(g->bonus) : sac->paid;
    const mr_status status = mr_bonus_pay(sac->options.bonus, mr_node_value(g->next_obs), paid);
    const mr_real beta = (mr_real)mr_bonus_beta(sac->options.bonus);
    for (size_t i = 0; i < n && status == MR_OK && !g->bonus; i++)
        reward[i] += beta * paid[i];
    return status;
}

static void draw_noise(mr_sac *sac) {
    const size_t n = sac->options.batch_size * mr_node_cols(sac->actor_graph.noise);
    mr_random random = mr_random_stream(sac->options.seed, MR_STREAM_NOISE, sac->n_updates);
    mr_random_fill_normal(&random, n, mr_node_value(sac->critic_graph.next_noise));
    mr_random_fill_normal(&random, n, mr_node_value(sac->actor_graph.noise));
}

static void run_critic(mr_sac *sac) {
    const mr_sac_critic_graph *g = &sac->critic_graph;
    mr_graph_run(g->graph, sac->options.batch_size);
    sac->figures.critic_loss = mr_node_mean(g->loss, sac->options.batch_size);
    sac->figures.q_mean = mr_node_mean(g->q, sac->options.batch_size);
}

static void fill(mr_node *input, size_t n, double value) {
    for (size_t i = 0; i < n; i++)
        mr_node_value(input)[i] = (mr_real)value;
}

static void run_actor(mr_sac *sac) {
    const mr_sac_actor_graph *g = &sac->actor_graph;
    const size_t n = sac->options.batch_size;
    if (g->beta)
        fill(g->beta, n, mr_bonus_beta(sac->options.bonus));
    mr_graph_run(g->graph, n);
    sac->figures.actor_loss = mr_node_mean(g->actor_loss, n);
    sac->figures.alpha_loss = sac->options.learns_alpha ? mr_node_mean(g->alpha_loss, n) : NAN;
    sac->figures.entropy = -mr_node_mean(g->log_prob, n);
    sac->figures.alpha = exp((double)mr_params_read(sac->temperature)[0]);
}

static mr_status update_critic(mr_sac *sac) {
    mr_params *params[2];
    mr_adam *adam[] = {&sac->critic_adam, &sac->bonus_adam};
    const size_t n = list_critics(sac, params);
    run_critic(sac);
    const mr_status status = check("critic", sac->figures.critic_loss, n, params);
    for (size_t i = 0; i < n && status == MR_OK; i++)
        mr_adam_step(adam[i], params[i], sac->options.n_threads);
    return status;
}

static mr_status update_actor(mr_sac *sac) {
    mr_params *params = mr_policy_params(sac->policy);
    run_actor(sac);
    const mr_status status = check("actor", sac->figures.actor_loss, 1, &params);
    if (status != MR_OK)
        return status;
    mr_adam_step(&sac->actor_adam, params, sac->options.n_threads);
    if (sac->options.learns_alpha)
        mr_adam_step(&sac->alpha_adam, sac->temperature, 1);
    return MR_OK;
}

static void move_target(const mr_sac *sac, const mr_critic *critic) {
    mr_polyak(mr_critic_target(critic), mr_critic_params(critic), sac->options.tau,
              sac->options.n_threads);
}

mr_status mr_sac_update(mr_sac *sac, const mr_replay *replay) {
    draw_batch(sac, replay);
    draw_noise(sac);
    mr_status status = pay_bonus(sac);
    if (status == MR_OK)
        status = update_critic(sac);
    if (status == MR_OK && sac->n_updates % sac->options.policy_delay == 0)
        status = update_actor(sac);
    if (status != MR_OK)
        return status;
    move_target(sac, sac->critic);
    if (sac->bonus_critic)
        move_target(sac, sac->bonus_critic);
    sac->n_updates++;
    return MR_OK;
}

void mr_sac_compute(mr_sac *sac, const mr_batch *batch, const mr_real *next_noise,
                    const mr_real *noise) {
    const mr_sac_critic_graph *c = &sac->critic_graph;
    const mr_sac_actor_graph *a = &sac->actor_graph;
    const size_t n = sac->options.batch_size;
    copy_in(c->obs, n, batch->obs);
    copy_in(c->act, n, batch->act);
    copy_in(c->reward, n, batch->reward);
    copy_in(c->discount, n, batch->discount);
    copy_in(c->next_obs, n, batch->next_obs);
    if (c->bonus)
        copy_in(c->bonus, n, batch->bonus);
    copy_in(c->next_noise, n, next_noise);
    copy_in(a->obs, n, batch->obs);
    copy_in(a->noise, n, noise);
    run_critic(sac);
    run_actor(sac);
}

const mr_sac_figures *mr_sac_get_figures(const mr_sac *sac) {
    return &sac->figures;
}

uint64_t mr_sac_n_updates(const mr_sac *sac) {
    return sac->n_updates;
}

const mr_critic *mr_sac_critic(const mr_sac *sac) {
    return sac->critic;
}

const mr_critic *mr_sac_bonus_critic(const mr_sac *sac) {
    return sac->bonus_critic;
}

mr_params *mr_sac_temperature(const mr_sac *sac) {
    return sac->temperature;
}
