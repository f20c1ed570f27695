// MEow: one graph, built once, and the update.

#include "agents/meow.h"

#include "agents/actor_critic.h"

#include <stdio.h>
#include <stdlib.h>

enum { POLICY, SHIFT, N_LEARNERS };
enum { N_SHIFTS = 2, SHIFT_STREAM = 1 };

typedef struct {
    mr_meow_options options;
    mr_agent_setup setup;
    mr_policy *policy; // borrowed
    mr_mlp shift[N_SHIFTS];
    mr_params *params[N_LEARNERS]; // the policy's, borrowed; those of the shifts, owned
    mr_learner learner[N_LEARNERS];
    mr_graph *graph;
    mr_batch_inputs batch;
    mr_node *q, *v;    // by the first shift
    mr_node *row_loss; // not weighted
    mr_node *loss;
    mr_meow_metrics metrics;
} meow_agent;

// ---- The loss

// V(s) = alpha (b(s) - log_peak(s)). -log_peak = sum log sigma + act_dim/2 log(2 pi): minus the
// log-det of the flow's linear part, from the state's Gaussian to the standard one, and that one's
// constant.
static mr_node *build_value(const meow_agent *meow, mr_node *shift, mr_node *log_peak) {
    return mr_affine(mr_sub(shift, log_peak), meow->options.alpha.value, 0);
}

// y = r + discount min_i V_target,i(s')
static mr_node *build_return(const meow_agent *meow) {
    mr_node *next_obs = meow->batch.next_obs;
    mr_params *target = meow->learner[SHIFT].target;
    const mr_policy_density next = mr_policy_build_density(
        meow->policy, meow->learner[POLICY].target, next_obs, NULL, MR_ACTING);
    mr_node *shift = mr_mlp_build(&meow->shift[0], target, next_obs);
    for (size_t i = 1; i < N_SHIFTS; i++)
        shift = mr_min(shift, mr_mlp_build(&meow->shift[i], target, next_obs));
    mr_node *value = build_value(meow, shift, next.log_peak);
    return mr_add(meow->batch.reward, mr_mul(meow->batch.discount, value));
}

// L = 1/2 sum_i (Q_i(s, a) - y)^2,   Q_i(s, a) = V_i(s) + alpha log pi(a|s)
static mr_node *build_loss(meow_agent *meow, mr_node *y) {
    mr_node *sum = NULL;
    const mr_policy_density now = mr_policy_build_density(
        meow->policy, meow->params[POLICY], meow->batch.obs, meow->batch.act, MR_TRAINING);
    mr_node *advantage = mr_affine(now.log_prob, meow->options.alpha.value, 0);
    for (size_t i = 0; i < N_SHIFTS; i++) {
        mr_node *shift =
            mr_mlp_build_mode(&meow->shift[i], meow->params[SHIFT], meow->batch.obs, MR_TRAINING);
        mr_node *v = build_value(meow, shift, now.log_peak);
        mr_node *q = mr_add(v, advantage);
        mr_node *error = mr_square(mr_sub(q, y));
        meow->v = i == 0 ? mr_keep(v) : meow->v;
        meow->q = i == 0 ? mr_keep(q) : meow->q;
        sum = sum ? mr_add(sum, error) : error;
    }
    return mr_affine(sum, 0.5, 0);
}

static mr_status build_graph(meow_agent *meow) {
    const mr_policy_spec *spec = mr_policy_get_spec(meow->policy);
    const mr_status status =
        mr_graph_new(meow->setup.batch_size, meow->setup.n_threads, &meow->graph);
    if (status != MR_OK)
        return status;
    meow->batch = mr_batch_inputs_add(meow->graph, spec, &meow->setup);
    meow->row_loss = build_loss(meow, build_return(meow));
    meow->loss = mr_batch_inputs_weigh(&meow->batch, meow->row_loss);
    return mr_graph_plan(meow->graph, meow->loss, N_LEARNERS, meow->params);
}

// ---- Building

static mr_status make_shifts(meow_agent *meow) {
    mr_status status;
    mr_random random = mr_random_stream(meow->setup.seed, MR_STREAM_INIT, SHIFT_STREAM);
    mr_params **params = &meow->params[SHIFT];
    MR_TRY(mr_params_new(params));
    for (size_t i = 0; i < N_SHIFTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "b%zu", i + 1);
        meow->shift[i] =
            mr_mlp_declare_spec(*params, name, mr_policy_get_spec(meow->policy)->obs_dim,
                                &meow->setup.critic, 1, MR_INIT_FAN_IN);
    }
    MR_TRY(mr_params_alloc(*params, &random));
    for (size_t i = 0; i < N_SHIFTS && meow->setup.weight_norm; i++)
        MR_TRY(mr_mlp_keep_unit_rows(&meow->shift[i], *params));
done:
    return status;
}

static mr_status check_policy(const mr_policy *policy) {
    char cause[1024];
    if (!mr_policy_is_stochastic(policy))
        return mr_fail(MR_ERR_USAGE, "meow needs a policy that is stochastic, such as gaussian or "
                                     "[coupling(shift)]*4; td3 is for deterministic ones");
    const mr_status status = mr_policy_check_volume(policy);
    if (status == MR_OK)
        return MR_OK;
    snprintf(cause, sizeof cause, "%s", mr_error_message());
    return mr_fail(status,
                   "meow needs a policy that keeps volumes, so that its action without noise has "
                   "the largest Q: %s",
                   cause);
}

static mr_status check(const mr_policy *policy, const mr_agent_setup *setup,
                       const mr_meow_options *options) {
    if (options->alpha.automatic || options->alpha.value <= 0)
        return mr_fail(MR_ERR_USAGE,
                       "alpha is %s, but meow's is a fixed number above 0: Q is alpha times a "
                       "log-density; give one, such as 0.25",
                       options->alpha.automatic ? "auto" : "0");
    if (setup->has_intrinsic)
        return mr_fail(MR_ERR_USAGE, "meow has one Q, and no critics for the intrinsic reward "
                                     "apart; give bonus_critic shared");
    return check_policy(policy);
}

static void meow_destroy(void *self) {
    meow_agent *meow = self;
    mr_graph_free(meow->graph);
    for (size_t k = 0; k < N_LEARNERS; k++)
        mr_learner_release(&meow->learner[k]);
    mr_params_free(meow->params[SHIFT]);
    free(meow);
}

static mr_status meow_create(mr_policy *policy, const mr_agent_setup *setup, const void *options,
                             void **out) {
    mr_status status = check(policy, setup, options);
    if (status != MR_OK)
        return status;
    meow_agent *meow = calloc(1, sizeof *meow);
    if (!meow)
        return mr_fail_memory("the agent");
    meow->options = *(const mr_meow_options *)options;
    meow->setup = *setup;
    meow->policy = policy;
    meow->params[POLICY] = mr_policy_params(policy);
    MR_TRY(make_shifts(meow));
    for (size_t k = 0; k < N_LEARNERS; k++)
        MR_TRY(mr_learner_init(&meow->learner[k], meow->params[k],
                               mr_agent_adam(setup, meow->options.lr), MR_LEARNER_TARGET,
                               setup->n_threads));
    MR_TRY(build_graph(meow));
    *out = meow;
    meow = NULL;
done:
    if (meow)
        meow_destroy(meow);
    return status;
}

static const char *meow_policy(const void *options) {
    return ((const mr_meow_options *)options)->policy;
}

// ---- Acting

static mr_status meow_act(void *self, size_t n, const double *obs, const mr_real *noise,
                          mr_real *act) {
    return mr_policy_sample_units(((const meow_agent *)self)->policy, n, obs, noise, act, NULL);
}

// ---- The update

static void compute(meow_agent *meow, const mr_batch *batch) {
    mr_batch_inputs_fill(&meow->batch, batch);
    mr_graph_run(meow->graph, batch->n);
    meow->metrics.loss = mr_node_mean(meow->loss, batch->n);
    meow->metrics.q_mean = mr_node_mean(meow->q, batch->n);
    meow->metrics.v_mean = mr_node_mean(meow->v, batch->n);
}

static mr_status meow_update(void *self, const mr_batch *batch, uint64_t index, mr_random *random) {
    mr_status status = MR_OK;
    meow_agent *meow = self;
    (void)index, (void)random; // every update is alike, and has no noise
    compute(meow, batch);
    for (size_t k = 0; k < N_LEARNERS; k++)
        MR_TRY(mr_learner_check(&meow->learner[k], "Q", meow->metrics.loss));
    meow->metrics.grad_norm =
        mr_grad_clip_all(N_LEARNERS, meow->params, meow->options.max_grad_norm);
    for (size_t k = 0; k < N_LEARNERS; k++) {
        mr_learner_step(&meow->learner[k]);
        mr_learner_move_target(&meow->learner[k], meow->options.tau);
    }
    mr_graph_update_buffers(meow->graph);
done:
    return status;
}

static void meow_compute(void *self, const mr_batch *batch, const mr_real *next_noise,
                         const mr_real *noise) {
    (void)next_noise, (void)noise;
    compute(self, batch);
}

// ---- The registry's row

#define AT(field) offsetof(mr_meow_options, field)

// The defaults are those of the paper's implementation for Hopper-v4.
static const mr_setting options[] = {
    {"policy", MR_SETTING_TEXT, AT(policy), "[coupling(shift)]*4", 0, 0, "FLOW",
     "flow that is policy and Q: of coupling(shift), autoregressive(shift), permutation and "
     "reverse; or gaussian",
     MR_ROLE_OF_NETS},
    {"tau", MR_SETTING_REAL, AT(tau), "0.005", 1e-9, 1, "X",
     "fraction by which target networks approach policy and shifts at each update (Polyak "
     "averaging)",
     MR_ROLE_TUNABLE},
    {"lr", MR_SETTING_REAL, AT(lr), "0.001", 1e-9, 1, "X", "learning rate of policy and shifts",
     MR_ROLE_TUNABLE},
    {"alpha", MR_SETTING_AUTO, AT(alpha), "0.25", 0, 1000, "X",
     "entropy temperature, fixed and above 0", MR_ROLE_FIXED},
    {"max_grad_norm", MR_SETTING_REAL, AT(max_grad_norm), "30", 1e-6, 1e9, "X",
     "norm that the gradient is clipped to", MR_ROLE_TUNABLE},
};

#undef AT

static const char *const unused[] = {"bonus_critic_hidden",  "critic_targets",   "critics",
                                     "critic_target_subset", "critic_head",      "critic_atoms",
                                     "critic_value_min",     "critic_value_max", "critic_quantiles",
                                     "critic_drop",          "critic_dropout",   NULL};

static const mr_real *meow_critic_losses(void *self) {
    return mr_node_value(((meow_agent *)self)->row_loss);
}

static size_t meow_learners(void *self, mr_agent_learner out[MR_MAX_LEARNERS]) {
    meow_agent *meow = self;
    out[0] = (mr_agent_learner){.name = "policy", .learner = &meow->learner[POLICY]};
    out[1] = (mr_agent_learner){.name = "shift", .learner = &meow->learner[SHIFT]};
    return N_LEARNERS;
}

static void *meow_metrics_of(void *self) {
    return &((meow_agent *)self)->metrics;
}

#define AT(field) offsetof(mr_meow_metrics, field)

static const mr_agent_metric metrics[] = {
    {"train/grad_norm", AT(grad_norm), false, NULL},
    {"train/loss", AT(loss), false, NULL},
    {"train/q_mean", AT(q_mean), false, NULL},
    {"train/v_mean", AT(v_mean), false, NULL},
};

const mr_agent_ops mr_agent_meow = {
    .name = "meow",
    .summary = "one energy-based flow as policy and soft Q function (Chao et al. 2024)",
    .options_size = sizeof(mr_meow_options),
    .options = options,
    .n_options = MR_COUNT(options),
    .unused = unused,
    .metrics = metrics,
    .n_metrics = MR_COUNT(metrics),
    .policy = meow_policy,
    .create = meow_create,
    .destroy = meow_destroy,
    .act = meow_act,
    .update = meow_update,
    .compute = meow_compute,
    .critic_losses = meow_critic_losses,
    .learners = meow_learners,
    .metrics_of = meow_metrics_of,
};
