// Deep deterministic policy gradient (Lillicrap et al. 2016, arXiv:1509.02971): the example of an
// agent in docs/extending.md. A policy mu and critics Q, both with slow copies:
//
//     y = r + discount Q'(s', mu'(s')),   L_Q = 1/2 (Q(s, a) - y)^2,   L_mu = -Q(s, mu(s))

#include "agents/actor_critic.h"

#include <stdlib.h>

typedef struct {
    double tau, actor_lr, critic_lr, exploration_noise;
} ddpg_options;

typedef struct {
    double actor_loss, critic_loss;
} ddpg_metrics;

typedef struct {
    ddpg_options options;
    mr_policy *policy; // borrowed
    mr_learner actor;
    mr_critic *critic;
    mr_graph *critic_graph, *actor_graph;
    mr_batch_inputs batch;                  // of critic_graph
    mr_node *critic_row_loss, *critic_loss; // likewise; the first is not weighted
    mr_node *obs, *actor_loss;              // of actor_graph
    ddpg_metrics metrics;
} ddpg_agent;

// ---- The losses

static mr_status build_critic_graph(ddpg_agent *ddpg, const mr_agent_setup *setup) {
    mr_params *trained = mr_critic_params(ddpg->critic);
    mr_node *q;
    const mr_status status = mr_graph_new(setup->batch_size, setup->n_threads, &ddpg->critic_graph);
    if (status != MR_OK)
        return status;
    ddpg->batch = mr_batch_inputs_add(ddpg->critic_graph, mr_policy_get_spec(ddpg->policy), setup);
    mr_node *next_act = mr_policy_build(ddpg->policy, ddpg->actor.target, ddpg->critic_graph,
                                        ddpg->batch.next_obs, NULL, MR_ACTING)
                            .act;
    const mr_critic_step step =
        mr_batch_inputs_step(&ddpg->batch, ddpg->batch.reward, next_act, NULL);
    ddpg->critic_row_loss = mr_critic_loss(ddpg->critic, &step, &q);
    ddpg->critic_loss = mr_batch_inputs_weigh(&ddpg->batch, ddpg->critic_row_loss);
    return mr_graph_plan(ddpg->critic_graph, ddpg->critic_loss, 1, &trained);
}

static mr_status build_actor_graph(ddpg_agent *ddpg, const mr_agent_setup *setup) {
    mr_params *trained = mr_policy_params(ddpg->policy);
    const mr_status status = mr_graph_new(setup->batch_size, setup->n_threads, &ddpg->actor_graph);
    if (status != MR_OK)
        return status;
    ddpg->obs = mr_input(ddpg->actor_graph, mr_policy_get_spec(ddpg->policy)->obs_dim, false);
    mr_node *act =
        mr_policy_build(ddpg->policy, trained, ddpg->actor_graph, ddpg->obs, NULL, MR_TRAINING).act;
    const mr_critic_outputs q = mr_critic_build(ddpg->critic, 1, mr_critic_params(ddpg->critic),
                                                ddpg->obs, act, MR_CONSTANT);
    ddpg->actor_loss = mr_affine(mr_critic_value(ddpg->critic, &q, 0), -1, 0);
    return mr_graph_plan(ddpg->actor_graph, ddpg->actor_loss, 1, &trained);
}

// ---- Building

static void ddpg_destroy(void *self) {
    ddpg_agent *ddpg = self;
    mr_graph_free(ddpg->critic_graph);
    mr_graph_free(ddpg->actor_graph);
    mr_learner_release(&ddpg->actor);
    mr_critic_free(ddpg->critic);
    free(ddpg);
}

static mr_status ddpg_create(mr_policy *policy, const mr_agent_setup *setup, const void *options,
                             void **out) {
    mr_status status;
    mr_critic *intrinsic = NULL;
    if (setup->has_intrinsic)
        return mr_fail(MR_ERR_USAGE, "ddpg has no critic of the intrinsic reward alone; "
                                     "--bonus-critic shared adds it to the task's");
    ddpg_agent *ddpg = calloc(1, sizeof *ddpg);
    if (!ddpg)
        return mr_fail_memory("the agent");
    ddpg->options = *(const ddpg_options *)options;
    ddpg->policy = policy;
    MR_TRY(mr_learner_init(&ddpg->actor, mr_policy_params(policy),
                           mr_agent_adam(setup, ddpg->options.actor_lr), MR_LEARNER_TARGET,
                           setup->n_threads));
    MR_TRY(mr_critics_new(setup, mr_policy_get_spec(policy), ddpg->options.critic_lr, &ddpg->critic,
                          &intrinsic));
    MR_TRY(build_critic_graph(ddpg, setup));
    MR_TRY(build_actor_graph(ddpg, setup));
    *out = ddpg;
    ddpg = NULL;
done:
    if (ddpg)
        ddpg_destroy(ddpg);
    return status;
}

static const char *ddpg_policy(const void *options) {
    (void)options; // it has no other
    return "deterministic";
}

// ---- Acting

static mr_status ddpg_act(void *self, size_t n, const double *obs, const mr_real *noise,
                          mr_real *act) {
    const ddpg_agent *ddpg = self;
    const size_t n_numbers = n * mr_policy_get_spec(ddpg->policy)->act_dim;
    const mr_status status = mr_policy_sample_units(ddpg->policy, n, obs, NULL, act, NULL);
    for (size_t i = 0; i < n_numbers && status == MR_OK; i++) {
        const mr_real noisy = act[i] + (mr_real)ddpg->options.exploration_noise * noise[i];
        act[i] = noisy > 1 ? 1 : noisy < -1 ? -1 : noisy;
    }
    return status;
}

// ---- The update

static void compute_critic(ddpg_agent *ddpg, const mr_batch *batch) {
    mr_batch_inputs_fill(&ddpg->batch, batch);
    mr_graph_run(ddpg->critic_graph, batch->n);
    ddpg->metrics.critic_loss = mr_node_mean(ddpg->critic_loss, batch->n);
}

static void compute_actor(ddpg_agent *ddpg, const mr_batch *batch) {
    mr_input_fill(ddpg->obs, batch->n, batch->obs);
    mr_graph_run(ddpg->actor_graph, batch->n);
    ddpg->metrics.actor_loss = mr_node_mean(ddpg->actor_loss, batch->n);
}

static mr_status ddpg_update(void *self, const mr_batch *batch, uint64_t index, mr_random *random) {
    mr_status status;
    ddpg_agent *ddpg = self;
    mr_learner *critic = mr_critic_learner(ddpg->critic);
    (void)index;
    mr_critic_draw(ddpg->critic, random);
    mr_graph_draw(ddpg->critic_graph, batch->n, random);
    compute_critic(ddpg, batch);
    MR_TRY(mr_learner_check(critic, "critic", ddpg->metrics.critic_loss));
    mr_learner_step(critic);
    mr_graph_update_buffers(ddpg->critic_graph);
    mr_graph_draw(ddpg->actor_graph, batch->n, random);
    compute_actor(ddpg, batch);
    MR_TRY(mr_learner_check(&ddpg->actor, "actor", ddpg->metrics.actor_loss));
    mr_learner_step(&ddpg->actor);
    mr_graph_update_buffers(ddpg->actor_graph);
    mr_learner_move_target(critic, ddpg->options.tau);
    mr_learner_move_target(&ddpg->actor, ddpg->options.tau);
done:
    return status;
}

static void ddpg_compute(void *self, const mr_batch *batch, const mr_real *next_noise,
                         const mr_real *noise) {
    (void)next_noise; // the policy has none
    (void)noise;
    compute_critic(self, batch);
    compute_actor(self, batch);
}

// ---- The registry's row

#define AT(field) offsetof(ddpg_options, field)

static const mr_setting options[] = {
    {"tau", MR_SETTING_REAL, AT(tau), "0.001", 1e-9, 1, "X",
     "fraction by which target networks approach actor and critics at each update",
     MR_ROLE_TUNABLE},
    {"actor_lr", MR_SETTING_REAL, AT(actor_lr), "0.0001", 1e-9, 1, "X",
     "learning rate of the actor", MR_ROLE_TUNABLE},
    {"critic_lr", MR_SETTING_REAL, AT(critic_lr), "0.001", 1e-9, 1, "X",
     "learning rate of the critics", MR_ROLE_TUNABLE},
    {"exploration_noise", MR_SETTING_REAL, AT(exploration_noise), "0.2", 0, 10, "X",
     "standard deviation of the noise on actions in (-1, 1)", MR_ROLE_TUNABLE},
};

#undef AT

static size_t ddpg_learners(void *self, mr_agent_learner out[MR_MAX_LEARNERS]) {
    ddpg_agent *ddpg = self;
    out[0] = (mr_agent_learner){.name = "policy", .learner = &ddpg->actor};
    out[1] = (mr_agent_learner){.name = "critic", .learner = mr_critic_learner(ddpg->critic)};
    return 2;
}

static const mr_real *ddpg_critic_losses(void *self) {
    return mr_node_value(((ddpg_agent *)self)->critic_row_loss);
}

static void *ddpg_metrics_of(void *self) {
    return &((ddpg_agent *)self)->metrics;
}

static const mr_agent_metric metrics[] = {
    {"train/actor_loss", offsetof(ddpg_metrics, actor_loss), false, NULL},
    {"train/critic_loss", offsetof(ddpg_metrics, critic_loss), false, NULL},
};

const mr_agent_ops mr_agent_ddpg = {
    .name = "ddpg",
    .summary = "deep deterministic policy gradient (Lillicrap et al. 2016)",
    .options_size = sizeof(ddpg_options),
    .options = options,
    .n_options = MR_COUNT(options),
    .metrics = metrics,
    .n_metrics = MR_COUNT(metrics),
    .policy = ddpg_policy,
    .create = ddpg_create,
    .destroy = ddpg_destroy,
    .act = ddpg_act,
    .update = ddpg_update,
    .compute = ddpg_compute,
    .critic_losses = ddpg_critic_losses,
    .learners = ddpg_learners,
    .metrics_of = ddpg_metrics_of,
};
