// Soft actor-critic: two graphs, built once; the update; the agent in files.

#include "agents/sac.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/// The critics' loss on a batch: y = r + discount (min Q_target(s', a') - alpha log pi(a'|s')),
/// a' ~ pi(s'); L = 1/2 sum_i (Q_i(s, a) - y)^2.
typedef struct {
    mr_graph *graph;
    mr_node *obs, *act, *reward, *discount, *next_obs; // a batch
    mr_node *intrinsic;                                // NULL: not valued apart
    mr_node *next_noise;
    mr_node *q; // of the task's first critic
    mr_node *loss;
} critic_graph;

/// The policy's loss, alpha log pi(a|s) - min Q(s, a) - beta min Q_intrinsic(s, a), a ~ pi(s), and
/// the temperature's, -log alpha (log pi + target_entropy).
typedef struct {
    mr_graph *graph;
    mr_node *obs, *noise;
    mr_node *beta; // [rows x 1]; NULL: not valued apart
    mr_node *log_prob;
    mr_node *actor_loss;
    mr_node *alpha_loss; // NULL: the temperature is fixed
} actor_graph;

struct mr_sac {
    mr_sac_options options;
    mr_policy *policy; // borrowed
    mr_learner actor;
    mr_critic *critic;
    mr_critic *intrinsic_critic; // NULL: the intrinsic reward is part of the reward
    mr_params *temperature;      // log alpha, alone
    mr_param log_alpha;
    mr_learner alpha;
    critic_graph critic_graph;
    actor_graph actor_graph;
    uint64_t n_updates;
    mr_sac_metrics metrics;
};

// ---- The losses

static mr_node *build_alpha(const mr_sac *sac, mr_graph *graph) {
    return mr_exp(mr_param_rows(graph, sac->temperature, sac->log_alpha));
}

// y = reward + discount value(next_obs)
static mr_node *build_return(const critic_graph *g, mr_node *reward, mr_node *next_value) {
    return mr_add(reward, mr_mul(g->discount, next_value));
}

// Beside critics of the intrinsic reward, the task's critics value the task alone. The entropy's
// temperature begins at 1, and what that adds to a value takes 1 / ((1 - gamma) tau) = 20,000
// updates to fade: until then a reward of 1 that ends the episode would count as a loss. Ball et
// al. 2023 (arXiv:2302.02948) leave it out for sparse rewards too; novelty explores in its place.
static mr_node *build_task_loss(const mr_sac *sac, critic_graph *g, const mr_policy_nodes *next) {
    mr_node *value =
        mr_critic_min(sac->critic, mr_critic_target(sac->critic), g->next_obs, next->act);
    if (!sac->intrinsic_critic)
        value = mr_sub(value, mr_mul(build_alpha(sac, g->graph), next->log_prob));
    return mr_critic_loss(sac->critic, g->obs, g->act, build_return(g, g->reward, value), &g->q);
}

static mr_node *build_intrinsic_loss(const mr_sac *sac, const critic_graph *g,
                                     const mr_policy_nodes *next) {
    mr_node *q;
    const mr_critic *critic = sac->intrinsic_critic;
    mr_node *value = mr_critic_min(critic, mr_critic_target(critic), g->next_obs, next->act);
    return mr_critic_loss(critic, g->obs, g->act, build_return(g, g->intrinsic, value), &q);
}

static mr_status build_critic_graph(mr_sac *sac) {
    critic_graph *g = &sac->critic_graph;
    const mr_policy_spec *spec = mr_policy_get_spec(sac->policy);
    mr_params *trained[2] = {mr_critic_params(sac->critic)};
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
    g->loss = build_task_loss(sac, g, &next);
    if (sac->intrinsic_critic) {
        trained[1] = mr_critic_params(sac->intrinsic_critic);
        g->intrinsic = mr_input(g->graph, 1, false);
        g->loss = mr_add(g->loss, build_intrinsic_loss(sac, g, &next));
    }
    mr_keep(g->q);
    return mr_graph_plan(g->graph, g->loss, sac->intrinsic_critic ? 2 : 1, trained);
}

// The intrinsic critics value b itself: a beta that falls counts at once, and they have nothing to
// unlearn.
static mr_node *build_value(const mr_sac *sac, actor_graph *g, mr_node *act) {
    mr_node *value = mr_critic_min(sac->critic, mr_critic_params(sac->critic), g->obs, act);
    const mr_critic *intrinsic = sac->intrinsic_critic;
    if (!intrinsic)
        return value;
    g->beta = mr_input(g->graph, 1, false);
    mr_node *novelty = mr_critic_min(intrinsic, mr_critic_params(intrinsic), g->obs, act);
    return mr_add(value, mr_mul(g->beta, novelty));
}

static mr_status build_actor_graph(mr_sac *sac) {
    actor_graph *g = &sac->actor_graph;
    const mr_policy_spec *spec = mr_policy_get_spec(sac->policy);
    mr_params *trained[] = {mr_policy_params(sac->policy), sac->temperature};
    const mr_status status =
        mr_graph_new(sac->options.batch_size, sac->options.n_threads, &g->graph);
    if (status != MR_OK)
        return status;
    g->obs = mr_input(g->graph, spec->obs_dim, false);
    g->noise = mr_input(g->graph, spec->act_dim, false);
    const mr_policy_nodes now = mr_policy_build(sac->policy, g->graph, g->obs, g->noise);
    mr_node *value = build_value(sac, g, now.act);
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

// ---- Building

// Streams (seed, init, 0) and (seed, init, 2) are the policy's and the temperature's.
static mr_status make_critics(mr_sac *sac) {
    const mr_sac_options *o = &sac->options;
    const mr_policy_spec *spec = mr_policy_get_spec(sac->policy);
    mr_critic_options options = {.n = 2,
                                 .obs_dim = spec->obs_dim,
                                 .act_dim = spec->act_dim,
                                 .hidden = o->hidden,
                                 .lr = o->critic_lr,
                                 .seed = o->seed,
                                 .stream = 1,
                                 .n_threads = o->n_threads};
    const mr_status status = mr_critic_new(&options, &sac->critic);
    if (status != MR_OK || !o->has_intrinsic)
        return status;
    options.hidden = o->intrinsic_hidden;
    options.stream = 3;
    return mr_critic_new(&options, &sac->intrinsic_critic);
}

static mr_status make_temperature(mr_sac *sac) {
    mr_status status;
    mr_random unused = mr_random_stream(sac->options.seed, MR_STREAM_INIT, 2);
    MR_TRY(mr_params_new(&sac->temperature));
    sac->log_alpha = mr_params_add(sac->temperature, "log_alpha", 1, 1, MR_INIT_ZERO, 1, NULL);
    MR_TRY(mr_params_alloc(sac->temperature, &unused));
    if (!sac->options.learns_alpha)
        mr_params_value(sac->temperature)[0] = (mr_real)log(sac->options.alpha);
    MR_TRY(mr_learner_init(&sac->alpha, sac->temperature, sac->options.actor_lr, 0, 1));
done:
    return status;
}

mr_status mr_sac_new(mr_policy *policy, const mr_sac_options *options, mr_sac **out) {
    mr_status status;
    mr_sac *sac = calloc(1, sizeof *sac);
    if (!sac)
        return mr_fail_memory("the agent");
    sac->options = *options;
    sac->policy = policy;
    MR_TRY(mr_learner_init(&sac->actor, mr_policy_params(policy), options->actor_lr, 0,
                           options->n_threads));
    MR_TRY(make_critics(sac));
    MR_TRY(make_temperature(sac));
    MR_TRY(build_critic_graph(sac));
    MR_TRY(build_actor_graph(sac));
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
    mr_learner_release(&sac->actor);
    mr_learner_release(&sac->alpha);
    mr_params_free(sac->temperature);
    mr_critic_free(sac->critic);
    mr_critic_free(sac->intrinsic_critic);
    free(sac);
}

// ---- The update

static void compute_critics(mr_sac *sac, const mr_batch *batch) {
    const critic_graph *g = &sac->critic_graph;
    mr_input_fill(g->obs, batch->n, batch->obs);
    mr_input_fill(g->act, batch->n, batch->act);
    mr_input_fill(g->reward, batch->n, batch->reward);
    mr_input_fill(g->discount, batch->n, batch->discount);
    mr_input_fill(g->next_obs, batch->n, batch->next_obs);
    if (g->intrinsic)
        mr_input_fill(g->intrinsic, batch->n, batch->intrinsic);
    mr_graph_run(g->graph, batch->n);
    sac->metrics.critic_loss = mr_node_mean(g->loss, batch->n);
    sac->metrics.q_mean = mr_node_mean(g->q, batch->n);
}

static void compute_actor(mr_sac *sac, const mr_batch *batch) {
    const actor_graph *g = &sac->actor_graph;
    mr_input_fill(g->obs, batch->n, batch->obs);
    for (size_t i = 0; g->beta && i < batch->n; i++)
        mr_node_value(g->beta)[i] = (mr_real)batch->beta;
    mr_graph_run(g->graph, batch->n);
    sac->metrics.actor_loss = mr_node_mean(g->actor_loss, batch->n);
    sac->metrics.alpha_loss =
        sac->options.learns_alpha ? mr_node_mean(g->alpha_loss, batch->n) : NAN;
    sac->metrics.entropy = -mr_node_mean(g->log_prob, batch->n);
    sac->metrics.alpha = exp((double)mr_params_read(sac->temperature)[0]);
}

static void draw_noise(mr_sac *sac, size_t n_rows) {
    const size_t n = n_rows * mr_node_cols(sac->actor_graph.noise);
    mr_random random = mr_random_stream(sac->options.seed, MR_STREAM_NOISE, sac->n_updates);
    mr_random_fill_normal(&random, n, mr_node_value(sac->critic_graph.next_noise));
    mr_random_fill_normal(&random, n, mr_node_value(sac->actor_graph.noise));
}

mr_status mr_sac_update(mr_sac *sac, const mr_batch *batch) {
    mr_status status;
    mr_learner *critics[] = {mr_critic_learner(sac->critic),
                             sac->intrinsic_critic ? mr_critic_learner(sac->intrinsic_critic)
                                                   : NULL};
    const size_t n_critics = sac->intrinsic_critic ? 2 : 1;
    draw_noise(sac, batch->n);
    compute_critics(sac, batch);
    for (size_t i = 0; i < n_critics; i++)
        MR_TRY(mr_learner_check(critics[i], "critic", sac->metrics.critic_loss));
    for (size_t i = 0; i < n_critics; i++)
        mr_learner_step(critics[i]);
    if (sac->n_updates % sac->options.policy_delay == 0) {
        compute_actor(sac, batch);
        MR_TRY(mr_learner_check(&sac->actor, "actor", sac->metrics.actor_loss));
        mr_learner_step(&sac->actor);
        if (sac->options.learns_alpha)
            mr_learner_step(&sac->alpha);
    }
    for (size_t i = 0; i < n_critics; i++)
        mr_learner_move_target(critics[i], sac->options.tau);
    sac->n_updates++;
done:
    return status;
}

void mr_sac_compute(mr_sac *sac, const mr_batch *batch, const mr_real *next_noise,
                    const mr_real *noise) {
    mr_input_fill(sac->critic_graph.next_noise, batch->n, next_noise);
    mr_input_fill(sac->actor_graph.noise, batch->n, noise);
    compute_critics(sac, batch);
    compute_actor(sac, batch);
}

const mr_sac_metrics *mr_sac_get_metrics(const mr_sac *sac) {
    return &sac->metrics;
}

uint64_t mr_sac_n_updates(const mr_sac *sac) {
    return sac->n_updates;
}

mr_critic *mr_sac_critic(const mr_sac *sac) {
    return sac->critic;
}

mr_critic *mr_sac_intrinsic_critic(const mr_sac *sac) {
    return sac->intrinsic_critic;
}

mr_params *mr_sac_temperature(const mr_sac *sac) {
    return sac->temperature;
}

// ---- Files

static const size_t n_metrics = sizeof(mr_sac_metrics) / sizeof(double);

static const mr_learner_names actor_names = {
    .trained = {"policy.", "moment1.policy.", "moment2.policy."},
    .n_steps = "actor_adam_steps",
};
static const mr_learner_names alpha_names = {
    .trained = {"temperature.", "moment1.temperature.", "moment2.temperature."},
    .n_steps = "alpha_adam_steps",
};
static const mr_learner_names critic_names = {
    .trained = {"critic.", "moment1.critic.", "moment2.critic."},
    .target = "target.",
    .n_steps = "critic_adam_steps",
};
static const mr_learner_names intrinsic_names = {
    .trained = {"bonus_critic.", "moment1.bonus_critic.", "moment2.bonus_critic."},
    .target = "bonus_target.",
    .n_steps = "bonus_adam_steps",
};

mr_status mr_sac_write(const mr_sac *sac, mr_tensors_writer *writer) {
    mr_status status;
    MR_TRY(mr_tensors_writer_note_count(writer, "n_updates", sac->n_updates));
    MR_TRY(mr_tensors_writer_add(writer, "figures", MR_F64, 1, &n_metrics, &sac->metrics));
    MR_TRY(mr_learner_write(&sac->actor, &actor_names, writer));
    MR_TRY(mr_learner_write(mr_critic_learner(sac->critic), &critic_names, writer));
    MR_TRY(mr_learner_write(&sac->alpha, &alpha_names, writer));
    if (sac->intrinsic_critic)
        MR_TRY(
            mr_learner_write(mr_critic_learner(sac->intrinsic_critic), &intrinsic_names, writer));
done:
    return status;
}

mr_status mr_sac_read(mr_sac *sac, const mr_tensors *file) {
    mr_status status;
    const void *metrics;
    MR_TRY(mr_tensors_get_count(file, "n_updates", &sac->n_updates));
    MR_TRY(mr_tensors_get(file, "figures", MR_F64, 1, &n_metrics, &metrics));
    memcpy(&sac->metrics, metrics, sizeof sac->metrics);
    MR_TRY(mr_learner_read(&sac->actor, &actor_names, file));
    MR_TRY(mr_learner_read(mr_critic_learner(sac->critic), &critic_names, file));
    MR_TRY(mr_learner_read(&sac->alpha, &alpha_names, file));
    if (sac->intrinsic_critic)
        MR_TRY(mr_learner_read(mr_critic_learner(sac->intrinsic_critic), &intrinsic_names, file));
done:
    return status;
}
