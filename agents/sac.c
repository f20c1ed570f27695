// Soft actor-critic: two graphs, built once, and the update.

#include "agents/sac.h"

#include "agents/actor_critic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/// The critics' loss on a batch: y = r + discount (min Q_target(s', a') - alpha log pi(a'|s')),
/// a' ~ pi(s'); L = 1/2 sum_i (Q_i(s, a) - y)^2. With another value head than the scalar one, what
/// it has in their places.
typedef struct {
    mr_graph *graph;
    mr_batch_inputs batch;
    mr_node *next_noise;
    mr_node *q;        // of the task's first critic
    mr_node *row_loss; // not weighted
    mr_node *loss;
} critic_graph;

/// The policy's loss, alpha log pi(a|s) - min Q(s, a) - beta min Q_intrinsic(s, a), a ~ pi(s), with
/// the mean in place of min if the options say so; and the temperature's, -log alpha (log pi +
/// target_entropy).
typedef struct {
    mr_graph *graph;
    mr_node *obs, *noise;
    mr_node *beta; // [rows x 1]; NULL: not valued apart
    mr_node *log_prob;
    mr_node *actor_loss;
    mr_node *alpha_loss; // NULL: the temperature is fixed
} actor_graph;

typedef struct {
    mr_sac_options options;
    mr_agent_setup setup;
    mr_policy *policy; // borrowed
    mr_learner actor;
    mr_critic *critic;
    mr_critic *intrinsic_critic; // NULL: the intrinsic reward is part of the reward
    mr_params *temperature;      // log alpha, alone
    mr_param log_alpha;
    mr_learner alpha;
    critic_graph critic_graph;
    actor_graph actor_graph;
    mr_sac_metrics metrics;
} sac_agent;

// ---- The losses

static mr_node *build_alpha(const sac_agent *sac, mr_graph *graph) {
    return mr_exp(mr_param_rows(graph, sac->temperature, sac->log_alpha));
}

// Beside critics of the intrinsic reward, the task's critics value the task alone. The entropy's
// temperature begins at 1, and what that adds to a value takes 1 / ((1 - gamma) tau) = 20,000
// updates to fade: until then a reward of 1 that ends the episode would count as a loss. Ball et
// al. 2023 (arXiv:2302.02948) leave it out for sparse rewards too; novelty explores in its place.
static mr_node *build_task_loss(const sac_agent *sac, critic_graph *g,
                                const mr_policy_nodes *next) {
    mr_node *entropy_cost =
        sac->intrinsic_critic ? NULL : mr_mul(build_alpha(sac, g->graph), next->log_prob);
    const mr_critic_step step =
        mr_batch_inputs_step(&g->batch, g->batch.reward, next->act, entropy_cost);
    return mr_critic_loss(sac->critic, &step, &g->q);
}

static mr_node *build_intrinsic_loss(const sac_agent *sac, const critic_graph *g,
                                     const mr_policy_nodes *next) {
    mr_node *q;
    const mr_critic_step step =
        mr_batch_inputs_step(&g->batch, g->batch.intrinsic, next->act, NULL);
    return mr_critic_loss(sac->intrinsic_critic, &step, &q);
}

static mr_status build_critic_graph(sac_agent *sac) {
    critic_graph *g = &sac->critic_graph;
    const mr_policy_spec *spec = mr_policy_get_spec(sac->policy);
    mr_params *trained[2] = {mr_critic_params(sac->critic)};
    const mr_status status = mr_graph_new(sac->setup.batch_size, sac->setup.n_threads, &g->graph);
    if (status != MR_OK)
        return status;
    g->batch = mr_batch_inputs_add(g->graph, spec, &sac->setup);
    g->next_noise = mr_input(g->graph, spec->act_dim, false);
    const mr_policy_nodes next =
        mr_policy_build(sac->policy, mr_policy_params(sac->policy), g->graph, g->batch.next_obs,
                        g->next_noise, MR_ACTING);
    g->loss = build_task_loss(sac, g, &next);
    if (sac->intrinsic_critic) {
        trained[1] = mr_critic_params(sac->intrinsic_critic);
        g->loss = mr_add(g->loss, build_intrinsic_loss(sac, g, &next));
    }
    mr_keep(g->q);
    g->row_loss = g->loss;
    g->loss = mr_batch_inputs_weigh(&g->batch, g->row_loss);
    return mr_graph_plan(g->graph, g->loss, sac->intrinsic_critic ? 2 : 1, trained);
}

static bool takes_mean(const sac_agent *sac, const mr_critic *critic) {
    const char *chosen = sac->options.actor_value;
    return strcmp(chosen, "auto") == 0 ? mr_critic_ensemble(critic)->head->policy_takes_mean
                                       : strcmp(chosen, "mean") == 0;
}

static mr_node *build_expected(const sac_agent *sac, const mr_critic *critic, mr_node *obs,
                               mr_node *act) {
    const mr_critic_outputs outputs = mr_critic_build(
        critic, mr_critic_ensemble(critic)->n, mr_critic_params(critic), obs, act, MR_CONSTANT);
    return takes_mean(sac, critic) ? mr_critic_mean(critic, &outputs)
                                   : mr_critic_min(critic, &outputs);
}

// The intrinsic critics value b itself: a beta that falls counts at once, and they have nothing to
// unlearn.
static mr_node *build_value(const sac_agent *sac, actor_graph *g, mr_node *act) {
    mr_node *value = build_expected(sac, sac->critic, g->obs, act);
    if (!sac->intrinsic_critic)
        return value;
    g->beta = mr_input(g->graph, 1, false);
    return mr_add(value, mr_mul(g->beta, build_expected(sac, sac->intrinsic_critic, g->obs, act)));
}

double mr_sac_target_entropy(const mr_sac_options *o, size_t act_dim) {
    if (!o->target_entropy.automatic)
        return o->target_entropy.value;
    if (o->target_sigma.automatic)
        return -(double)act_dim;
    const double sigma = o->target_sigma.value;
    return (double)act_dim / 2 * log(2 * M_PI * M_E * sigma * sigma);
}

static mr_status build_actor_graph(sac_agent *sac) {
    actor_graph *g = &sac->actor_graph;
    const mr_policy_spec *spec = mr_policy_get_spec(sac->policy);
    mr_params *trained[] = {mr_policy_params(sac->policy), sac->temperature};
    const mr_status status = mr_graph_new(sac->setup.batch_size, sac->setup.n_threads, &g->graph);
    if (status != MR_OK)
        return status;
    g->obs = mr_input(g->graph, spec->obs_dim, false);
    g->noise = mr_input(g->graph, spec->act_dim, false);
    const mr_policy_nodes now = mr_policy_build(sac->policy, mr_policy_params(sac->policy),
                                                g->graph, g->obs, g->noise, MR_TRAINING);
    mr_node *value = build_value(sac, g, now.act);
    mr_node *alpha = mr_stop_gradient(build_alpha(sac, g->graph));
    g->log_prob = mr_keep(now.log_prob);
    g->actor_loss = mr_keep(mr_sub(mr_mul(alpha, now.log_prob), value));
    if (!sac->options.alpha.automatic)
        return mr_graph_plan(g->graph, g->actor_loss, 1, trained);
    mr_node *log_alpha = mr_param_rows(g->graph, sac->temperature, sac->log_alpha);
    const double target = mr_sac_target_entropy(&sac->options, spec->act_dim);
    mr_node *surplus = mr_stop_gradient(mr_affine(now.log_prob, 1, target));
    g->alpha_loss = mr_keep(mr_affine(mr_mul(log_alpha, surplus), -1, 0));
    return mr_graph_plan(g->graph, mr_add(g->actor_loss, g->alpha_loss), 2, trained);
}

// ---- Building

// Streams (seed, init, 0) to 3 are those of policy, critics, temperature, intrinsic critics.
static mr_status make_temperature(sac_agent *sac) {
    mr_status status;
    mr_random unused = mr_random_stream(sac->setup.seed, MR_STREAM_INIT, 2);
    MR_TRY(mr_params_new(&sac->temperature));
    sac->log_alpha = mr_params_add(sac->temperature, "log_alpha", 1, 1, MR_INIT_ZERO, 1, NULL);
    MR_TRY(mr_params_alloc(sac->temperature, &unused));
    const mr_sac_options *o = &sac->options;
    const double alpha = o->alpha.automatic ? o->initial_alpha : o->alpha.value;
    mr_params_value(sac->temperature)[0] = (mr_real)log(alpha);
    MR_TRY(mr_learner_init(&sac->alpha, sac->temperature, mr_adam_new(o->actor_lr), 0, 1));
done:
    return status;
}

static void sac_destroy(void *self) {
    sac_agent *sac = self;
    mr_graph_free(sac->critic_graph.graph);
    mr_graph_free(sac->actor_graph.graph);
    mr_learner_release(&sac->actor);
    mr_learner_release(&sac->alpha);
    mr_params_free(sac->temperature);
    mr_critic_free(sac->critic);
    mr_critic_free(sac->intrinsic_critic);
    free(sac);
}

static mr_status sac_create(mr_policy *policy, const mr_agent_setup *setup, const void *options,
                            void **out) {
    mr_status status;
    if (!mr_policy_is_stochastic(policy))
        return mr_fail(MR_ERR_USAGE, "sac needs a policy that is stochastic, such as gaussian or "
                                     "real_nvp; td3 is for deterministic ones");
    sac_agent *sac = calloc(1, sizeof *sac);
    if (!sac)
        return mr_fail_memory("the agent");
    sac->options = *(const mr_sac_options *)options;
    sac->setup = *setup;
    sac->policy = policy;
    MR_TRY(mr_learner_init(&sac->actor, mr_policy_params(policy),
                           mr_agent_adam(setup, sac->options.actor_lr), 0, setup->n_threads));
    MR_TRY(mr_critics_new(setup, mr_policy_get_spec(policy), sac->options.critic_lr, &sac->critic,
                          &sac->intrinsic_critic));
    MR_TRY(make_temperature(sac));
    MR_TRY(build_critic_graph(sac));
    MR_TRY(build_actor_graph(sac));
    *out = sac;
    sac = NULL;
done:
    if (sac)
        sac_destroy(sac);
    return status;
}

static const char *sac_policy(const void *options) {
    return ((const mr_sac_options *)options)->policy;
}

// ---- Acting

static mr_status sac_act(void *self, size_t n, const double *obs, const mr_real *noise,
                         mr_real *act) {
    return mr_policy_sample_units(((const sac_agent *)self)->policy, n, obs, noise, act, NULL);
}

// ---- The update

static void compute_critics(sac_agent *sac, const mr_batch *batch) {
    const critic_graph *g = &sac->critic_graph;
    mr_batch_inputs_fill(&g->batch, batch);
    mr_graph_run(g->graph, batch->n);
    sac->metrics.critic_loss = mr_node_mean(g->loss, batch->n);
    sac->metrics.q_mean = mr_node_mean(g->q, batch->n);
}

static void compute_actor(sac_agent *sac, const mr_batch *batch) {
    const actor_graph *g = &sac->actor_graph;
    mr_input_fill(g->obs, batch->n, batch->obs);
    mr_beta_fill(g->beta, batch);
    mr_graph_run(g->graph, batch->n);
    sac->metrics.actor_loss = mr_node_mean(g->actor_loss, batch->n);
    sac->metrics.alpha_loss =
        sac->options.alpha.automatic ? mr_node_mean(g->alpha_loss, batch->n) : NAN;
    sac->metrics.entropy = -mr_node_mean(g->log_prob, batch->n);
    sac->metrics.alpha = exp((double)mr_params_read(sac->temperature)[0]);
}

static void draw_noise(sac_agent *sac, size_t n_rows, mr_random *random) {
    const size_t n = n_rows * mr_node_cols(sac->actor_graph.noise);
    mr_random_fill_normal(random, n, mr_node_value(sac->critic_graph.next_noise));
    mr_random_fill_normal(random, n, mr_node_value(sac->actor_graph.noise));
    mr_critic_draw(sac->critic, random);
    mr_graph_draw(sac->critic_graph.graph, n_rows, random);
}

static mr_status sac_update(void *self, const mr_batch *batch, uint64_t index, mr_random *random) {
    mr_status status;
    sac_agent *sac = self;
    const size_t n_critics = sac->intrinsic_critic ? 2 : 1;
    mr_learner *critics[2] = {mr_critic_learner(sac->critic)};
    if (sac->intrinsic_critic)
        critics[1] = mr_critic_learner(sac->intrinsic_critic);
    draw_noise(sac, batch->n, random);
    compute_critics(sac, batch);
    for (size_t i = 0; i < n_critics; i++)
        MR_TRY(mr_learner_check(critics[i], "critic", sac->metrics.critic_loss));
    for (size_t i = 0; i < n_critics; i++)
        mr_learner_step(critics[i]);
    mr_graph_update_buffers(sac->critic_graph.graph);
    if (index % sac->options.policy_delay == 0) {
        mr_graph_draw(sac->actor_graph.graph, batch->n, random);
        compute_actor(sac, batch);
        MR_TRY(mr_learner_check(&sac->actor, "actor", sac->metrics.actor_loss));
        mr_learner_step(&sac->actor);
        mr_graph_update_buffers(sac->actor_graph.graph);
        if (sac->options.alpha.automatic)
            mr_learner_step(&sac->alpha);
    }
    for (size_t i = 0; i < n_critics; i++)
        mr_learner_move_target(critics[i], sac->options.tau);
done:
    return status;
}

static void sac_compute(void *self, const mr_batch *batch, const mr_real *next_noise,
                        const mr_real *noise) {
    sac_agent *sac = self;
    mr_input_fill(sac->critic_graph.next_noise, batch->n, next_noise);
    mr_input_fill(sac->actor_graph.noise, batch->n, noise);
    compute_critics(sac, batch);
    compute_actor(sac, batch);
}

// ---- The registry's row

#define AT(field) offsetof(mr_sac_options, field)

static const mr_setting options[] = {
    {"policy", MR_SETTING_TEXT, AT(policy), "real_nvp", 0, 0, "FLOW",
     "what actions are drawn from: gaussian, or a flow, as in real_nvp:layers=2 or "
     "[lu, coupling(spline)]*3 (`millrace flow list`)",
     MR_ROLE_OF_NETS},
    {"tau", MR_SETTING_REAL, AT(tau), "0.005", 1e-9, 1, "X",
     "fraction by which target networks approach the critics at each update (Polyak averaging)",
     MR_ROLE_TUNABLE},
    {"actor_lr", MR_SETTING_REAL, AT(actor_lr), "0.0003", 1e-9, 1, "X",
     "learning rate of the actor and of the temperature", MR_ROLE_TUNABLE},
    {"critic_lr", MR_SETTING_REAL, AT(critic_lr), "0.001", 1e-9, 1, "X",
     "learning rate of the critics", MR_ROLE_TUNABLE},
    {"alpha", MR_SETTING_AUTO, AT(alpha), "auto", 0, 1000, "auto|X",
     "entropy temperature; auto: learned", MR_ROLE_FIXED},
    {"initial_alpha", MR_SETTING_REAL, AT(initial_alpha), "1", 1e-9, 1000, "X",
     "what the learned temperature starts from", MR_ROLE_FIXED},
    {"target_entropy", MR_SETTING_AUTO, AT(target_entropy), "auto", -1e6, 1e6, "auto|X",
     "entropy (nats) that the learned temperature aims at; auto: by target_sigma", MR_ROLE_TUNABLE},
    {"target_sigma", MR_SETTING_AUTO, AT(target_sigma), "auto", 1e-6, 1e6, "auto|X",
     "standard deviation of actions in (-1, 1) whose Gaussian has the target entropy; auto: the "
     "target entropy is minus the number of actuators",
     MR_ROLE_TUNABLE},
    {"policy_delay", MR_SETTING_COUNT, AT(policy_delay), "1", 1, 1000, "N",
     "critic updates for each update of the actor", MR_ROLE_TUNABLE},
    {"actor_value", MR_SETTING_CHOICE, AT(actor_value), "auto", 0, 0, "auto|min|mean",
     "what the actor maximises: the least of the critics' values, or their mean; auto: mean for "
     "critic_head quantile, else min",
     MR_ROLE_TUNABLE},
};

#undef AT

static const char *const of_targets[] = {"tau", NULL};

static size_t sac_learners(void *self, mr_agent_learner out[MR_MAX_LEARNERS]) {
    sac_agent *sac = self;
    out[0] = (mr_agent_learner){.name = "policy", .learner = &sac->actor};
    out[1] = (mr_agent_learner){.name = "critic", .learner = mr_critic_learner(sac->critic)};
    out[2] = (mr_agent_learner){
        .name = "temperature", .learner = &sac->alpha, .is_set = !sac->options.alpha.automatic};
    if (!sac->intrinsic_critic)
        return 3;
    out[3] = (mr_agent_learner){.name = "bonus_critic",
                                .learner = mr_critic_learner(sac->intrinsic_critic)};
    return 4;
}

static const mr_critic *sac_critics(void *self, bool *by_mean) {
    const sac_agent *sac = self;
    *by_mean = takes_mean(sac, sac->critic);
    return sac->critic;
}

static const mr_real *sac_critic_losses(void *self) {
    return mr_node_value(((sac_agent *)self)->critic_graph.row_loss);
}

static void *sac_metrics_of(void *self) {
    return &((sac_agent *)self)->metrics;
}

#define AT(field) offsetof(mr_sac_metrics, field)

// Names: Stable-Baselines3's logger, if it has them.
static const mr_agent_metric metrics[] = {
    {"train/actor_loss", AT(actor_loss), false, NULL},
    {"train/critic_loss", AT(critic_loss), false, NULL},
    {"train/ent_coef", AT(alpha), true, "alpha"},
    {"train/ent_coef_loss", AT(alpha_loss), false, NULL},
    {"train/entropy", AT(entropy), false, NULL},
    {"train/q_mean", AT(q_mean), false, NULL},
};

const mr_agent_ops mr_agent_sac = {
    .name = "sac",
    .summary = "soft actor-critic with a flow policy (Haarnoja et al. 2018)",
    .options_size = sizeof(mr_sac_options),
    .options = options,
    .n_options = MR_COUNT(options),
    .of_targets = of_targets,
    .metrics = metrics,
    .n_metrics = MR_COUNT(metrics),
    .policy = sac_policy,
    .create = sac_create,
    .destroy = sac_destroy,
    .act = sac_act,
    .update = sac_update,
    .compute = sac_compute,
    .critic_losses = sac_critic_losses,
    .critics = sac_critics,
    .learners = sac_learners,
    .metrics_of = sac_metrics_of,
};
