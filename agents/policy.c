// The policy: its nets, its graph for acting.

#include "agents/policy.h"

#include "agents/policy_internal.h"
#include "flows/base.h"
#include "flows/flow.h"
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

// Bounds of the base's log-deviation: CleanRL's, reached smoothly.
static const double log_std_low = -5, log_std_high = 2;

static const char deterministic[] = "deterministic"; // in place of a flow's text

/// A graph for acting on up to `max_rows` observations.
typedef struct {
    mr_graph *graph;
    size_t max_rows;
    mr_node *obs, *noise;
    mr_policy_nodes nodes;
} actor;

struct mr_policy {
    mr_arena *arena; // the spec's texts and arrays
    mr_policy_spec spec;
    mr_params *params;
    mr_mlp trunk;          // observation -> embedding
    mr_base base;          // embedding -> mean, log-deviation
    mr_flow *flow;         // NULL: deterministic, by the output layer
    mr_param weight, bias; // of the output layer: embedding -> action before the tanh
    actor actor;
    actor single; // on one, as if it were the only one ever
};

static void *copy_bytes(mr_arena *arena, const void *bytes, size_t n) {
    void *copy = mr_arena_alloc(arena, n);
    return copy ? memcpy(copy, bytes, n) : NULL;
}

static mr_status copy_spec(mr_policy *policy, const mr_policy_spec *spec) {
    mr_policy_spec *own = &policy->spec;
    *own = *spec;
    own->env = mr_arena_text(policy->arena, spec->env);
    own->env_set = mr_arena_text(policy->arena, spec->env_set ? spec->env_set : "");
    own->task = mr_arena_text(policy->arena, spec->task ? spec->task : "");
    own->engine = mr_arena_text(policy->arena, spec->engine ? spec->engine : "");
    own->engine_version =
        mr_arena_text(policy->arena, spec->engine_version ? spec->engine_version : "");
    own->act_low = copy_bytes(policy->arena, spec->act_low, spec->act_dim * sizeof *spec->act_low);
    own->act_high =
        copy_bytes(policy->arena, spec->act_high, spec->act_dim * sizeof *spec->act_high);
    const bool whole = own->env && own->env_set && own->task && own->engine &&
                       own->engine_version && own->act_low && own->act_high;
    return whole ? MR_OK : mr_fail_memory("a policy");
}

static mr_status declare(mr_policy *policy, const char *flow, uint64_t seed) {
    const mr_policy_spec *spec = &policy->spec;
    const size_t embedding_dim = spec->hidden.width[spec->hidden.n - 1];
    mr_random random = mr_random_stream(seed, MR_STREAM_INIT, 0);
    policy->trunk =
        mr_mlp_declare(policy->params, "trunk", spec->obs_dim, &spec->hidden, 0, MR_INIT_FAN_IN);
    if (strcmp(flow, deterministic) == 0) {
        policy->weight = mr_params_add(policy->params, "output.weight", spec->act_dim,
                                       embedding_dim, MR_INIT_FAN_IN, embedding_dim, NULL);
        policy->bias = mr_params_add(policy->params, "output.bias", 1, spec->act_dim,
                                     MR_INIT_FAN_IN, embedding_dim, NULL);
        policy->spec.flow = deterministic;
        return mr_params_alloc(policy->params, &random);
    }
    policy->base = mr_base_declare(policy->params, "base", spec->act_dim, embedding_dim,
                                   log_std_low, log_std_high);
    const mr_status status = mr_flow_new(flow, MR_FLOW_TO_SAMPLE, spec->act_dim, embedding_dim,
                                         policy->params, "flow", &policy->flow);
    if (status != MR_OK)
        return status;
    policy->spec.flow = mr_flow_text(policy->flow);
    return mr_params_alloc(policy->params, &random);
}

mr_status mr_policy_new(const mr_policy_spec *spec, uint64_t seed, mr_policy **out) {
    return mr_policy_new_within(spec, seed, SIZE_MAX, out);
}

mr_status mr_policy_new_within(const mr_policy_spec *spec, uint64_t seed, size_t max_params,
                               mr_policy **out) {
    mr_status status;
    mr_policy *policy = calloc(1, sizeof *policy);
    if (policy)
        policy->arena = mr_arena_new();
    if (!policy || !policy->arena) {
        status = mr_fail_memory("a policy");
        goto done;
    }
    MR_TRY(copy_spec(policy, spec));
    MR_TRY(mr_params_new(&policy->params));
    mr_params_limit(policy->params, max_params);
    MR_TRY(declare(policy, spec->flow, seed));
    *out = policy;
    policy = NULL;
done:
    mr_policy_free(policy);
    return status;
}

void mr_policy_free(mr_policy *policy) {
    if (!policy)
        return;
    mr_graph_free(policy->actor.graph);
    mr_graph_free(policy->single.graph);
    mr_flow_free(policy->flow);
    mr_params_free(policy->params);
    mr_arena_free(policy->arena);
    free(policy);
}

const mr_policy_spec *mr_policy_get_spec(const mr_policy *policy) {
    return &policy->spec;
}

mr_params *mr_policy_params(const mr_policy *policy) {
    return policy->params;
}

mr_status mr_policy_check_env(const mr_policy *policy, const mr_env_spec *env) {
    const mr_policy_spec *spec = &policy->spec;
    if (spec->obs_dim != env->obs_dim || spec->act_dim != env->act_dim)
        return mr_fail(
            MR_ERR_INPUT,
            "the policy was trained on %s (%zu observations, %zu actions) but %s has %zu and "
            "%zu; use it with the task it was trained on",
            spec->env, spec->obs_dim, spec->act_dim, env->name, env->obs_dim, env->act_dim);
    for (size_t j = 0; j < spec->act_dim; j++)
        if (spec->act_low[j] != env->act_low[j] || spec->act_high[j] != env->act_high[j])
            return mr_fail(
                MR_ERR_INPUT,
                "the policy was trained on %s with action %zu in [%g, %g], but %s has [%g, "
                "%g]; use it with the task it was trained on",
                spec->env, j, spec->act_low[j], spec->act_high[j], env->name, env->act_low[j],
                env->act_high[j]);
    return MR_OK;
}

bool mr_policy_is_stochastic(const mr_policy *policy) {
    return policy->flow != NULL;
}

mr_policy_nodes mr_policy_build(const mr_policy *policy, mr_params *params, mr_graph *graph,
                                mr_node *obs, mr_node *noise) {
    mr_policy_nodes nodes;
    mr_node *embedding = mr_mlp_build(&policy->trunk, params, obs);
    if (!policy->flow)
        return (mr_policy_nodes){
            .act = mr_linear(embedding, params, policy->weight, policy->bias, MR_TANH)};
    const mr_gaussian base = mr_base_build(&policy->base, params, graph, embedding);
    mr_node *log_det = NULL;
    mr_node *z = mr_gaussian_sample(base, noise, &nodes.log_prob);
    mr_node *x = mr_flow_forward(policy->flow, params, z, embedding, &log_det);
    if (log_det)
        nodes.log_prob = mr_sub(nodes.log_prob, log_det);
    nodes.act = mr_squash(x, &nodes.log_prob);
    return nodes;
}

// ---- Acting

// In a graph that was just made; `old` is then replaced.
static mr_status build_actor(mr_policy *policy, mr_graph *graph, size_t max_rows, actor *old) {
    actor a = {.graph = graph, .max_rows = max_rows};
    a.obs = mr_input(graph, policy->spec.obs_dim, false);
    a.noise = mr_input(graph, policy->spec.act_dim, false);
    a.nodes = mr_policy_build(policy, policy->params, graph, a.obs, a.noise);
    mr_keep(a.nodes.act);
    if (a.nodes.log_prob)
        mr_keep(a.nodes.log_prob);
    const mr_status status = mr_graph_plan(graph, NULL, 0, NULL);
    if (status != MR_OK) {
        mr_graph_free(graph);
        return status;
    }
    mr_graph_free(old->graph);
    *old = a;
    return MR_OK;
}

mr_status mr_policy_prepare(mr_policy *policy, size_t max_rows) {
    mr_status status;
    mr_graph *graph;
    MR_TRY(mr_graph_new(max_rows, 1, &graph));
    MR_TRY(build_actor(policy, graph, max_rows, &policy->actor));
    MR_TRY(mr_graph_new_for_one(&graph));
    MR_TRY(build_actor(policy, graph, 1, &policy->single));
done:
    return status;
}

static mr_status check_finite(const char *what, size_t n_rows, size_t n_cols,
                              const mr_real *values) {
    for (size_t i = 0; i < n_rows * n_cols; i++)
        if (!isfinite(values[i]))
            return mr_fail(
                MR_ERR_NUMERIC,
                "policy: %s %zu of observation row %zu is %g; are the observation and the "
                "policy's parameters finite?",
                what, i % n_cols, i / n_cols, (double)values[i]);
    return MR_OK;
}

static mr_status run_actor(const mr_policy *policy, actor *a, size_t n, const double *obs,
                           const mr_real *noise, mr_real *act, mr_real *log_prob) {
    mr_status status;
    if (n > a->max_rows)
        return mr_fail(MR_ERR_USAGE,
                       "policy: %zu observations at a time, but it is prepared for %zu; prepare it "
                       "for as many",
                       n, a->max_rows);
    if (n == 0)
        return MR_OK;
    const size_t n_obs = n * policy->spec.obs_dim, n_act = n * policy->spec.act_dim;
    mr_real *obs_in = mr_node_value(a->obs), *noise_in = mr_node_value(a->noise);
    for (size_t i = 0; i < n_obs; i++)
        obs_in[i] = (mr_real)obs[i];
    if (noise)
        memcpy(noise_in, noise, n_act * sizeof *noise);
    else
        memset(noise_in, 0, n_act * sizeof *noise_in);
    MR_TRY(check_finite("component", n, policy->spec.obs_dim, obs_in));
    mr_graph_run(a->graph, n);
    MR_TRY(check_finite("action", n, policy->spec.act_dim, mr_node_value(a->nodes.act)));
    if (log_prob && a->nodes.log_prob)
        MR_TRY(check_finite("log-density", n, 1, mr_node_value(a->nodes.log_prob)));
    memcpy(act, mr_node_value(a->nodes.act), n_act * sizeof *act);
    if (log_prob && a->nodes.log_prob)
        memcpy(log_prob, mr_node_value(a->nodes.log_prob), n * sizeof *log_prob);
    else if (log_prob)
        memset(log_prob, 0, n * sizeof *log_prob);
done:
    return status;
}

mr_status mr_policy_sample(mr_policy *policy, size_t n, const double *obs, const mr_real *noise,
                           mr_real *act, mr_real *log_prob) {
    return run_actor(policy, &policy->actor, n, obs, noise, act, log_prob);
}

mr_status mr_policy_act(mr_policy *policy, const double *obs, const mr_real *noise, mr_real *act) {
    return run_actor(policy, &policy->single, 1, obs, noise, act, NULL);
}

void mr_policy_scale(const mr_policy *policy, size_t n, const mr_real *act, double *action) {
    const mr_policy_spec *spec = &policy->spec;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < spec->act_dim; j++) {
            const double low = spec->act_low[j], high = spec->act_high[j];
            const double unit = (double)act[i * spec->act_dim + j];
            action[i * spec->act_dim + j] = (float)(low + (unit + 1) / 2 * (high - low));
        }
}
