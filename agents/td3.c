// TD3: two graphs, built once, and the update.

#include "agents/td3.h"

#include "agents/actor_critic.h"

#include <math.h>
#include <stdlib.h>

/// The critics' loss on a batch: a' = clip(pi_target(s') + noise, -1, 1),
/// y = r + discount min_i Q_target,i(s', a'); L = 1/2 sum_i (Q_i(s, a) - y)^2. With another value
/// head than the scalar one, what it has in their places.
typedef struct {
    mr_graph *graph;
    mr_batch_inputs batch;
    mr_node *noise;    // [rows x act_dim] of the target's action, clipped
    mr_node *q;        // of the task's first critic
    mr_node *row_loss; // not weighted
    mr_node *loss;
} critic_graph;

/// The policy's loss, -Q_1(s, pi(s)) - beta Q_intrinsic,1(s, pi(s)).
typedef struct {
    mr_graph *graph;
    mr_node *obs;
    mr_node *beta; // [rows x 1]; NULL: not valued apart
    mr_node *loss;
} actor_graph;

typedef struct {
    mr_td3_options options;
    mr_agent_setup setup;
    mr_policy *policy; // borrowed
    mr_learner actor;
    mr_critic *critic[2]; // the task's, the intrinsic reward's (NULL: part of the reward)
    critic_graph critic_graph;
    actor_graph actor_graph;
    mr_td3_metrics metrics;
} td3_agent;

// ---- The losses

static mr_node *build_loss(const mr_critic *critic, const critic_graph *g, mr_node *reward,
                           mr_node *next_act, mr_node **q) {
    const mr_critic_step step = mr_batch_inputs_step(&g->batch, reward, next_act, NULL);
    return mr_critic_loss(critic, &step, q);
}

static mr_status build_critic_graph(td3_agent *td3) {
    critic_graph *g = &td3->critic_graph;
    const mr_policy_spec *spec = mr_policy_get_spec(td3->policy);
    mr_params *trained[2] = {mr_critic_params(td3->critic[0])};
    const mr_status status = mr_graph_new(td3->setup.batch_size, td3->setup.n_threads, &g->graph);
    if (status != MR_OK)
        return status;
    g->batch = mr_batch_inputs_add(g->graph, spec, &td3->setup);
    g->noise = mr_input(g->graph, spec->act_dim, false);
    const mr_policy_nodes next = mr_policy_build(td3->policy, td3->actor.target, g->graph,
                                                 g->batch.next_obs, NULL, MR_ACTING);
    mr_node *next_act = mr_clamp(mr_add(next.act, g->noise), -1, 1);
    g->loss = build_loss(td3->critic[0], g, g->batch.reward, next_act, &g->q);
    mr_keep(g->q);
    if (td3->critic[1]) {
        mr_node *unused;
        trained[1] = mr_critic_params(td3->critic[1]);
        g->loss =
            mr_add(g->loss, build_loss(td3->critic[1], g, g->batch.intrinsic, next_act, &unused));
    }
    g->row_loss = g->loss;
    g->loss = mr_batch_inputs_weigh(&g->batch, g->row_loss);
    return mr_graph_plan(g->graph, g->loss, td3->critic[1] ? 2 : 1, trained);
}

static mr_node *build_first_value(const mr_critic *critic, mr_node *obs, mr_node *act) {
    const mr_critic_outputs outputs =
        mr_critic_build(critic, 1, mr_critic_params(critic), obs, act, MR_CONSTANT);
    return mr_critic_value(critic, &outputs, 0);
}

static mr_status build_actor_graph(td3_agent *td3) {
    actor_graph *g = &td3->actor_graph;
    mr_params *policy = mr_policy_params(td3->policy);
    const mr_status status = mr_graph_new(td3->setup.batch_size, td3->setup.n_threads, &g->graph);
    if (status != MR_OK)
        return status;
    g->obs = mr_input(g->graph, mr_policy_get_spec(td3->policy)->obs_dim, false);
    mr_node *act = mr_policy_build(td3->policy, policy, g->graph, g->obs, NULL, MR_TRAINING).act;
    mr_node *value = build_first_value(td3->critic[0], g->obs, act);
    if (td3->critic[1]) {
        g->beta = mr_input(g->graph, 1, false);
        value = mr_add(value, mr_mul(g->beta, build_first_value(td3->critic[1], g->obs, act)));
    }
    g->loss = mr_affine(value, -1, 0);
    return mr_graph_plan(g->graph, g->loss, 1, &policy);
}

// ---- Building

static void td3_destroy(void *self) {
    td3_agent *td3 = self;
    mr_graph_free(td3->critic_graph.graph);
    mr_graph_free(td3->actor_graph.graph);
    mr_learner_release(&td3->actor);
    for (size_t i = 0; i < MR_COUNT(td3->critic); i++)
        mr_critic_free(td3->critic[i]);
    free(td3);
}

static mr_status td3_create(mr_policy *policy, const mr_agent_setup *setup, const void *options,
                            void **out) {
    mr_status status;
    td3_agent *td3 = calloc(1, sizeof *td3);
    if (!td3)
        return mr_fail_memory("the agent");
    td3->options = *(const mr_td3_options *)options;
    td3->setup = *setup;
    td3->policy = policy;
    MR_TRY(mr_learner_init(&td3->actor, mr_policy_params(policy),
                           mr_agent_adam(setup, td3->options.actor_lr), MR_LEARNER_TARGET,
                           setup->n_threads));
    MR_TRY(mr_critics_new(setup, mr_policy_get_spec(policy), td3->options.critic_lr,
                          &td3->critic[0], &td3->critic[1]));
    MR_TRY(build_critic_graph(td3));
    MR_TRY(build_actor_graph(td3));
    *out = td3;
    td3 = NULL;
done:
    if (td3)
        td3_destroy(td3);
    return status;
}

static const char *td3_policy(const void *options) {
    (void)options; // it has no other
    return "deterministic";
}

// ---- Acting

static mr_real clip(mr_real x, mr_real bound) {
    return x > bound ? bound : x < -bound ? -bound : x;
}

static mr_status td3_act(void *self, size_t n, const double *obs, const mr_real *noise,
                         mr_real *act) {
    const td3_agent *td3 = self;
    const size_t n_numbers = n * mr_policy_get_spec(td3->policy)->act_dim;
    const mr_status status = mr_policy_sample_units(td3->policy, n, obs, NULL, act, NULL);
    for (size_t i = 0; i < n_numbers && status == MR_OK; i++)
        act[i] = clip(act[i] + (mr_real)td3->options.exploration_noise * noise[i], 1);
    return status;
}

// ---- The update

// Target policy smoothing: noise = clip(sigma N(0, 1), -c, c).
static void fill_noise(td3_agent *td3, size_t n_rows, const mr_real *normals) {
    const mr_td3_options *o = &td3->options;
    mr_real *noise = mr_node_value(td3->critic_graph.noise);
    for (size_t i = 0; i < n_rows * mr_node_cols(td3->critic_graph.noise); i++)
        noise[i] = clip((mr_real)o->target_noise * normals[i], (mr_real)o->target_noise_clip);
}

static void compute_critics(td3_agent *td3, const mr_batch *batch) {
    const critic_graph *g = &td3->critic_graph;
    mr_batch_inputs_fill(&g->batch, batch);
    mr_graph_run(g->graph, batch->n);
    td3->metrics.critic_loss = mr_node_mean(g->loss, batch->n);
    td3->metrics.q_mean = mr_node_mean(g->q, batch->n);
}

static void compute_actor(td3_agent *td3, const mr_batch *batch) {
    const actor_graph *g = &td3->actor_graph;
    mr_input_fill(g->obs, batch->n, batch->obs);
    mr_beta_fill(g->beta, batch);
    mr_graph_run(g->graph, batch->n);
    td3->metrics.actor_loss = mr_node_mean(g->loss, batch->n);
}

static mr_status td3_update(void *self, const mr_batch *batch, uint64_t index, mr_random *random) {
    mr_status status;
    td3_agent *td3 = self;
    mr_real *noise = mr_node_value(td3->critic_graph.noise);
    mr_learner *learners[3] = {&td3->actor, mr_critic_learner(td3->critic[0])};
    const size_t n_learners = td3->critic[1] ? 3 : 2;
    if (td3->critic[1])
        learners[2] = mr_critic_learner(td3->critic[1]);
    mr_random_fill_normal(random, batch->n * mr_node_cols(td3->critic_graph.noise), noise);
    fill_noise(td3, batch->n, noise);
    mr_critic_draw(td3->critic[0], random);
    mr_graph_draw(td3->critic_graph.graph, batch->n, random);
    compute_critics(td3, batch);
    for (size_t i = 1; i < n_learners; i++)
        MR_TRY(mr_learner_check(learners[i], "critic", td3->metrics.critic_loss));
    for (size_t i = 1; i < n_learners; i++)
        mr_learner_step(learners[i]);
    mr_graph_update_buffers(td3->critic_graph.graph);
    if (index % td3->options.policy_delay != 0)
        return MR_OK;
    mr_graph_draw(td3->actor_graph.graph, batch->n, random);
    compute_actor(td3, batch);
    MR_TRY(mr_learner_check(&td3->actor, "actor", td3->metrics.actor_loss));
    mr_learner_step(&td3->actor);
    mr_graph_update_buffers(td3->actor_graph.graph);
    for (size_t i = 0; i < n_learners; i++)
        mr_learner_move_target(learners[i], td3->options.tau);
done:
    return status;
}

static void td3_compute(void *self, const mr_batch *batch, const mr_real *next_noise,
                        const mr_real *noise) {
    (void)noise; // the policy has none
    fill_noise(self, batch->n, next_noise);
    compute_critics(self, batch);
    compute_actor(self, batch);
}

// ---- The registry's row

#define AT(field) offsetof(mr_td3_options, field)

// The defaults are the paper's implementation's (Fujimoto et al. 2018, appendix C).
static const mr_setting options[] = {
    {"tau", MR_SETTING_REAL, AT(tau), "0.005", 1e-9, 1, "X",
     "fraction by which target networks approach actor and critics at each update of the actor "
     "(Polyak averaging)",
     MR_ROLE_TUNABLE},
    {"actor_lr", MR_SETTING_REAL, AT(actor_lr), "0.0003", 1e-9, 1, "X",
     "learning rate of the actor", MR_ROLE_TUNABLE},
    {"critic_lr", MR_SETTING_REAL, AT(critic_lr), "0.0003", 1e-9, 1, "X",
     "learning rate of the critics", MR_ROLE_TUNABLE},
    {"policy_delay", MR_SETTING_COUNT, AT(policy_delay), "2", 1, 1000, "N",
     "critic updates for each update of the actor and of all targets", MR_ROLE_TUNABLE},
    {"exploration_noise", MR_SETTING_REAL, AT(exploration_noise), "0.1", 0, 10, "X",
     "standard deviation of the noise on actions in (-1, 1)", MR_ROLE_TUNABLE},
    {"target_noise", MR_SETTING_REAL, AT(target_noise), "0.2", 0, 10, "X",
     "standard deviation of the noise on the target's actions", MR_ROLE_TUNABLE},
    {"target_noise_clip", MR_SETTING_REAL, AT(target_noise_clip), "0.5", 0, 10, "X",
     "largest noise on the target's actions", MR_ROLE_TUNABLE},
};

#undef AT

static const char *const unused[] = {"log_std_min", "log_std_max", NULL};

static size_t td3_learners(void *self, mr_agent_learner out[MR_MAX_LEARNERS]) {
    td3_agent *td3 = self;
    out[0] = (mr_agent_learner){.name = "policy", .learner = &td3->actor};
    out[1] = (mr_agent_learner){.name = "critic", .learner = mr_critic_learner(td3->critic[0])};
    if (!td3->critic[1])
        return 2;
    out[2] =
        (mr_agent_learner){.name = "bonus_critic", .learner = mr_critic_learner(td3->critic[1])};
    return 3;
}

static const mr_real *td3_critic_losses(void *self) {
    return mr_node_value(((td3_agent *)self)->critic_graph.row_loss);
}

static void *td3_metrics_of(void *self) {
    return &((td3_agent *)self)->metrics;
}

#define AT(field) offsetof(mr_td3_metrics, field)

static const mr_agent_metric metrics[] = {
    {"train/actor_loss", AT(actor_loss), false, NULL},
    {"train/critic_loss", AT(critic_loss), false, NULL},
    {"train/q_mean", AT(q_mean), false, NULL},
};

const mr_agent_ops mr_agent_td3 = {
    .name = "td3",
    .summary = "twin delayed deterministic policy gradient (Fujimoto et al. 2018)",
    .options_size = sizeof(mr_td3_options),
    .options = options,
    .n_options = MR_COUNT(options),
    .unused = unused,
    .metrics = metrics,
    .n_metrics = MR_COUNT(metrics),
    .policy = td3_policy,
    .create = td3_create,
    .destroy = td3_destroy,
    .act = td3_act,
    .update = td3_update,
    .compute = td3_compute,
    .critic_losses = td3_critic_losses,
    .learners = td3_learners,
    .metrics_of = td3_metrics_of,
};
