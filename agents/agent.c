// Agents: the registry, and what all kinds have in common.

#include "agents/agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 64 };

enum { RESET_STREAM = 1000 }; // (seed, init, RESET_STREAM + i): the seed of the nets of reset i

static const mr_agent_ops *const kinds[] = {&mr_agent_sac, &mr_agent_td3, &mr_agent_meow};

size_t mr_agent_count(void) {
    return MR_COUNT(kinds);
}

const mr_agent_ops *mr_agent_at(size_t i) {
    return kinds[i];
}

const mr_agent_ops *mr_agent_find(const char *name) {
    for (size_t i = 0; i < MR_COUNT(kinds); i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

struct mr_agent {
    const mr_agent_ops *ops;
    mr_policy *policy;
    void *self;
    mr_agent_setup setup;
    mr_agent_options options; // of the kind's own type
    mr_exploration_noise *noise;
    uint64_t n_updates;
    mr_params *average;  // owned, of the policy's parameters; NULL: there is none
    uint64_t n_averaged; // updates since the nets began
};

// ---- The default number of threads

enum {
    WORK_OF_THREAD = 16000000, // multiplications in an update, about 0.3 ms
    POLICY_PASSES = 4,         // next actions 1; actions 1, with their gradient 2 more
    CRITIC_PASSES = 6,         // targets 1; values and actions' values 2, gradients 3
};

static size_t count_weights(size_t in, const mr_widths *hidden) {
    size_t n = 0;
    for (size_t i = 0; i < hidden->n; in = hidden->width[i], i++)
        n += in * hidden->width[i];
    return n + in;
}

int mr_agent_default_threads(const mr_policy *policy, const mr_agent_setup *setup) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    const size_t of_policy = mr_params_count(mr_policy_params(policy));
    const size_t of_critic = count_weights(spec->obs_dim + spec->act_dim, &setup->critic.hidden);
    const size_t n_multiplied =
        POLICY_PASSES * of_policy + CRITIC_PASSES * setup->ensemble.n * of_critic;
    const size_t n = setup->batch_size * n_multiplied / WORK_OF_THREAD;
    const int most = mr_settings_threads(0);
    return n < 1 ? 1 : n < (size_t)most ? (int)n : most;
}

static mr_status set_deterministic(mr_agent *agent, const char *action) {
    bool takes_mean;
    if (agent->ops->critics) {
        const mr_critic *critics = agent->ops->critics(agent->self, &takes_mean);
        mr_policy_set_critics(agent->policy, critics, takes_mean);
    }
    return action ? mr_policy_set_deterministic(agent->policy, action) : MR_OK;
}

mr_status mr_agent_new(const mr_agent_ops *ops, const mr_policy_spec *spec,
                       const mr_agent_setup *setup, const void *options, mr_agent **out) {
    mr_status status;
    mr_policy_spec own = *spec;
    mr_agent *agent = calloc(1, sizeof *agent);
    if (!agent)
        return mr_fail_memory("the agent");
    *agent = (mr_agent){.ops = ops, .setup = *setup};
    memcpy(agent->options.bytes, options, ops->options_size);
    own.flow = ops->policy(options);
    own.deterministic = NULL; // until there are critics
    MR_TRY(mr_policy_new(&own, setup->seed, &agent->policy));
    if (setup->weight_norm)
        MR_TRY(mr_policy_keep_unit_rows(agent->policy));
    MR_TRY(
        mr_exploration_noise_new(&setup->exploration, setup->n_envs, spec->act_dim, &agent->noise));
    if (setup->n_threads == 0)
        agent->setup.n_threads = mr_agent_default_threads(agent->policy, setup);
    MR_TRY(ops->create(agent->policy, &agent->setup, options, &agent->self));
    if (setup->policy_ema > 0)
        MR_TRY(mr_params_copy(mr_policy_params(agent->policy), &agent->average));
    MR_TRY(set_deterministic(agent, spec->deterministic));
    *out = agent;
    agent = NULL;
done:
    mr_agent_free(agent);
    return status;
}

void mr_agent_free(mr_agent *agent) {
    if (!agent)
        return;
    if (agent->self)
        agent->ops->destroy(agent->self);
    mr_exploration_noise_free(agent->noise);
    mr_params_free(agent->average);
    mr_policy_free(agent->policy);
    free(agent);
}

const mr_agent_ops *mr_agent_get_ops(const mr_agent *agent) {
    return agent->ops;
}

mr_policy *mr_agent_policy(const mr_agent *agent) {
    return agent->policy;
}

int mr_agent_n_threads(const mr_agent *agent) {
    return agent->setup.n_threads;
}

mr_status mr_agent_act(mr_agent *agent, size_t n, const double *obs, uint64_t step, mr_real *act) {
    mr_random random = mr_random_stream(agent->setup.seed, MR_STREAM_ACTION, step);
    const mr_real *noise = mr_exploration_noise_draw(agent->noise, n, step, &random);
    return agent->ops->act(agent->self, n, obs, noise, act);
}

// Of few updates it is their mean: the nth moves it by 1/n as long as that is further. Unlike a
// target (mr_polyak), it averages running statistics, too: they belong to averaged weights.
static void move_average(mr_agent *agent) {
    if (!agent->average)
        return;
    const mr_params *policy = mr_policy_params(agent->policy);
    const double of_mean = 1 / (double)++agent->n_averaged, least = 1 - agent->setup.policy_ema;
    const mr_real share = (mr_real)(of_mean > least ? of_mean : least);
    const mr_real *present = mr_params_read(policy);
    mr_real *average = mr_params_value(agent->average);
    for (size_t i = 0; i < mr_params_size(policy); i++)
        average[i] += share * (present[i] - average[i]);
}

void mr_agent_swap_average(mr_agent *agent) {
    if (agent->n_averaged > 0)
        mr_params_swap(agent->average, mr_policy_params(agent->policy));
}

static void schedule_rates(mr_agent *agent) {
    mr_agent_learner learners[MR_MAX_LEARNERS];
    const size_t n = agent->ops->learners(agent->self, learners);
    const double factor = mr_lr_factor(&agent->setup.lr_schedule, agent->n_updates);
    for (size_t i = 0; i < n; i++)
        learners[i].learner->adam.lr_factor = factor;
}

// The seed of what the nets are drawn from after the agent's `index`th reset.
static uint64_t reset_seed(const mr_agent *agent, uint64_t index) {
    mr_random random = mr_random_stream(agent->setup.seed, MR_STREAM_INIT, RESET_STREAM + index);
    return mr_random_u64(&random);
}

// All that is trained, as in a new agent of another seed. Source: Nauman et al. 2024
// (arXiv:2405.16158), after Nikishin et al. 2022 (arXiv:2205.07802).
static mr_status reset(mr_agent *agent) {
    mr_agent *fresh;
    mr_agent_setup setup = agent->setup;
    mr_agent_learner from[MR_MAX_LEARNERS], to[MR_MAX_LEARNERS];
    setup.seed = reset_seed(agent, agent->n_updates / setup.reset_every);
    const mr_status status = mr_agent_new(agent->ops, mr_policy_get_spec(agent->policy), &setup,
                                          agent->options.bytes, &fresh);
    if (status != MR_OK)
        return status;
    const size_t n = agent->ops->learners(agent->self, to);
    agent->ops->learners(fresh->self, from);
    for (size_t i = 0; i < n; i++)
        mr_learner_copy(from[i].learner, to[i].learner);
    agent->n_averaged = 0;
    mr_agent_free(fresh);
    return MR_OK;
}

mr_status mr_agent_update(mr_agent *agent, const mr_batch *batch) {
    schedule_rates(agent);
    mr_random random = mr_random_stream(agent->setup.seed, MR_STREAM_NOISE, agent->n_updates);
    const mr_status status = agent->ops->update(agent->self, batch, agent->n_updates, &random);
    if (status != MR_OK)
        return status;
    agent->n_updates++;
    move_average(agent);
    const uint64_t every = agent->setup.reset_every;
    return every > 0 && agent->n_updates % every == 0 ? reset(agent) : MR_OK;
}

uint64_t mr_agent_n_updates(const mr_agent *agent) {
    return agent->n_updates;
}

const void *mr_agent_metrics(const mr_agent *agent) {
    return agent->ops->metrics_of(agent->self);
}

const mr_real *mr_agent_critic_losses(const mr_agent *agent) {
    return agent->ops->critic_losses(agent->self);
}

static double *metric_at(const mr_agent *agent, size_t i) {
    char *metrics = agent->ops->metrics_of(agent->self);
    return (double *)(void *)(metrics + agent->ops->metrics[i].offset);
}

double mr_agent_metric_value(const mr_agent *agent, size_t i) {
    return *metric_at(agent, i);
}

void mr_agent_compute(mr_agent *agent, const mr_batch *batch, const mr_real *next_noise,
                      const mr_real *noise) {
    agent->ops->compute(agent->self, batch, next_noise, noise);
}

mr_learner *mr_agent_learner_of(const mr_agent *agent, const char *name) {
    mr_agent_learner learners[MR_MAX_LEARNERS];
    const size_t n = agent->ops->learners(agent->self, learners);
    for (size_t i = 0; i < n; i++)
        if (strcmp(learners[i].name, name) == 0)
            return learners[i].learner;
    return NULL;
}

// ---- Files

/// The names of a learner's arrays, made from the learner's.
typedef struct {
    char text[5][NAME_SIZE];
    mr_learner_names names;
} learner_names;

/// The names of some of SAC's arrays and counts in version 0.1.
static const struct {
    const char *learner, *target, *n_steps;
} names_of_0_1[] = {{"policy", NULL, "actor_adam_steps"},
                    {"critic", "target.", "critic_adam_steps"},
                    {"temperature", NULL, "alpha_adam_steps"},
                    {"bonus_critic", "bonus_target.", "bonus_adam_steps"}};

/// Version 0.1 has SAC's metrics in one array, in this order.
static const char metrics_of_0_1[] = "figures";
static const char *const order_of_0_1[] = {"train/critic_loss",   "train/q_mean",
                                           "train/actor_loss",    "train/ent_coef",
                                           "train/ent_coef_loss", "train/entropy"};

static const size_t one = 1;
static const char average_prefix[] = "average.policy.", average_count[] = "average.n_updates";

static void name_arrays(const mr_agent_learner *l, learner_names *out) {
    static const char *const forms[] = {"%s.", "moment1.%s.", "moment2.%s.", "target.%s.",
                                        "%s.n_steps"};
    for (size_t i = 0; i < MR_COUNT(forms); i++)
        snprintf(out->text[i], NAME_SIZE, forms[i], l->name);
    out->names = (mr_learner_names){.trained = {out->text[0], out->text[1], out->text[2]},
                                    .target = l->learner->target ? out->text[3] : NULL,
                                    .n_steps = out->text[4]};
}

static void use_names_of_0_1(const mr_tensors *file, const mr_agent_learner *l,
                             learner_names *out) {
    for (size_t i = 0; i < MR_COUNT(names_of_0_1); i++) {
        if (strcmp(names_of_0_1[i].learner, l->name) != 0 ||
            !mr_tensors_note(file, names_of_0_1[i].n_steps))
            continue;
        out->names.target = names_of_0_1[i].target;
        out->names.n_steps = names_of_0_1[i].n_steps;
    }
}

static void name_metric(const mr_agent_metric *metric, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "latest.%s", metric->name);
}

static mr_status read_metrics_of_0_1(mr_agent *agent, const mr_tensors *file) {
    const void *data;
    const size_t n = MR_COUNT(order_of_0_1);
    const mr_status status = mr_tensors_get(file, metrics_of_0_1, MR_F64, 1, &n, &data);
    for (size_t i = 0; i < agent->ops->n_metrics && status == MR_OK; i++)
        for (size_t k = 0; k < n; k++)
            if (strcmp(agent->ops->metrics[i].name, order_of_0_1[k]) == 0)
                *metric_at(agent, i) = ((const double *)data)[k];
    return status;
}

// A metric that the file does not have was added in a later version, and stays as in a new agent.
static mr_status read_metrics(mr_agent *agent, const mr_tensors *file) {
    mr_status status = MR_OK;
    mr_tensor found;
    if (mr_tensors_find(file, metrics_of_0_1, &found))
        return read_metrics_of_0_1(agent, file);
    for (size_t i = 0; i < agent->ops->n_metrics; i++) {
        char name[NAME_SIZE];
        const void *data;
        name_metric(&agent->ops->metrics[i], name);
        if (!mr_tensors_find(file, name, &found))
            continue;
        MR_TRY(mr_tensors_get(file, name, MR_F64, 1, &one, &data));
        *metric_at(agent, i) = *(const double *)data;
    }
done:
    return status;
}

mr_status mr_agent_write(const mr_agent *agent, mr_tensors_writer *writer) {
    mr_status status;
    mr_agent_learner learners[MR_MAX_LEARNERS];
    const size_t n = agent->ops->learners(agent->self, learners);
    MR_TRY(mr_tensors_writer_note(writer, "agent", agent->ops->name));
    MR_TRY(mr_tensors_writer_note_count(writer, "n_updates", agent->n_updates));
    MR_TRY(mr_exploration_noise_write(agent->noise, writer));
    for (size_t i = 0; i < agent->ops->n_metrics; i++) {
        char name[NAME_SIZE];
        name_metric(&agent->ops->metrics[i], name);
        MR_TRY(mr_tensors_writer_add(writer, name, MR_F64, 1, &one, metric_at(agent, i)));
    }
    for (size_t i = 0; i < n; i++) {
        learner_names names;
        name_arrays(&learners[i], &names);
        MR_TRY(mr_learner_write(learners[i].learner, &names.names, writer));
    }
    if (agent->average) {
        MR_TRY(mr_tensors_writer_note_count(writer, average_count, agent->n_averaged));
        MR_TRY(mr_params_write(agent->average, mr_params_read(agent->average), average_prefix,
                               writer));
    }
done:
    return status;
}

mr_status mr_agent_read(mr_agent *agent, const mr_tensors *file) {
    mr_status status;
    mr_agent_learner learners[MR_MAX_LEARNERS];
    const size_t n = agent->ops->learners(agent->self, learners);
    MR_TRY(mr_tensors_get_count(file, "n_updates", &agent->n_updates));
    MR_TRY(read_metrics(agent, file));
    MR_TRY(mr_exploration_noise_read(agent->noise, file));
    for (size_t i = 0; i < n; i++) {
        learner_names names;
        name_arrays(&learners[i], &names);
        use_names_of_0_1(file, &learners[i], &names);
        MR_TRY(mr_learner_read(learners[i].learner, &names.names, file));
    }
    if (agent->average && mr_tensors_note(file, average_count)) {
        MR_TRY(mr_tensors_get_count(file, average_count, &agent->n_averaged));
        MR_TRY(
            mr_params_load(agent->average, file, average_prefix, mr_params_value(agent->average)));
    }
done:
    return status;
}

// The average in the place of the policy, and of its target: it is what was evaluated.
static mr_status take_average(mr_learner *policy, const mr_tensors *file) {
    mr_status status;
    MR_TRY(mr_params_load(policy->params, file, average_prefix, mr_params_value(policy->params)));
    if (policy->target)
        status =
            mr_params_load(policy->target, file, average_prefix, mr_params_value(policy->target));
done:
    return status;
}

mr_status mr_agent_read_nets(mr_agent *agent, const mr_tensors *file) {
    mr_status status = MR_OK;
    const mr_params *policy = mr_policy_params(agent->policy);
    mr_agent_learner learners[MR_MAX_LEARNERS];
    const size_t n = agent->ops->learners(agent->self, learners);
    for (size_t i = 0; i < n; i++) {
        learner_names names;
        name_arrays(&learners[i], &names);
        use_names_of_0_1(file, &learners[i], &names);
        if (mr_tensors_note(file, names.names.n_steps) && !learners[i].is_set)
            MR_TRY(mr_learner_read_nets(learners[i].learner, &names.names, file));
        if (learners[i].learner->params == policy && mr_tensors_note(file, average_count))
            MR_TRY(take_average(learners[i].learner, file));
    }
done:
    return status;
}
