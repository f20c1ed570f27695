// The policy: its nets.

#include "agents/policy_internal.h"

#include <stdlib.h>
#include <string.h>

// Bounds of the base's log-deviation: CleanRL's, reached smoothly.
static const double log_std_low = -5, log_std_high = 2;

static const char deterministic[] = "deterministic"; // in place of a flow's text

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
    MR_TRY(mr_policy_actors_new(&policy->actors));
    *out = policy;
    policy = NULL;
done:
    mr_policy_free(policy);
    return status;
}

void mr_policy_free(mr_policy *policy) {
    if (!policy)
        return;
    mr_policy_actors_free(policy->actors);
    mr_flow_free(policy->flow);
    mr_params_free(policy->params);
    mr_arena_free(policy->arena);
    free(policy);
}

const mr_policy_spec *mr_policy_get_spec(const mr_policy *policy) {
    return policy != NULL ? &policy->spec : NULL;
}

mr_params *mr_policy_params(const mr_policy *policy) {
    return policy->params;
}

mr_status mr_policy_check_env(const mr_policy *policy, const mr_env_spec *env) {
    MR_REQUIRE(policy);
    MR_REQUIRE(env);
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
    return policy != NULL && policy->flow != NULL;
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
