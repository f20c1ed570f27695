// The policy: its spec, its nets, and those who act with them.

#include "agents/policy_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"

static const double usual_log_std_low = -5, usual_log_std_high = 2; // CleanRL's

bool mr_policy_has_usual_log_std(const mr_policy_spec *spec) {
    return spec->log_std_low == usual_log_std_low && spec->log_std_high == usual_log_std_high;
}

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
    own->norm = mr_arena_text(policy->arena, spec->norm ? spec->norm : "none");
    own->act_low = copy_bytes(policy->arena, spec->act_low, spec->act_dim * sizeof *spec->act_low);
    own->act_high =
        copy_bytes(policy->arena, spec->act_high, spec->act_dim * sizeof *spec->act_high);
    if (spec->log_std_low == 0 && spec->log_std_high == 0) {
        own->log_std_low = usual_log_std_low;
        own->log_std_high = usual_log_std_high;
    }
    if (spec->obs_mean) {
        const size_t size = spec->obs_dim * sizeof *spec->obs_mean;
        own->obs_mean = copy_bytes(policy->arena, spec->obs_mean, size);
        own->obs_std = copy_bytes(policy->arena, spec->obs_std, size);
    }
    const bool has_stats = own->obs_mean && own->obs_std;
    const bool whole = own->env && own->env_set && own->task && own->engine &&
                       own->engine_version && own->norm && own->act_low && own->act_high &&
                       has_stats == (spec->obs_mean != NULL);
    return whole ? MR_OK : mr_fail_memory("a policy");
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
    MR_TRY(mr_policy_net_declare(&policy->net, &policy->spec, seed, max_params));
    policy->spec.flow = mr_policy_net_text(&policy->net);
    MR_TRY(mr_policy_actors_new(&policy->net, &policy->actors));
    MR_TRY(mr_policy_set_deterministic(policy, spec->deterministic ? spec->deterministic
                                                                   : mr_deterministic_default));
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
    mr_policy_net_release(&policy->net);
    mr_critic_free(policy->own_critics);
    mr_arena_free(policy->arena);
    free(policy);
}

const mr_policy_spec *mr_policy_get_spec(const mr_policy *policy) {
    return policy != NULL ? &policy->spec : NULL;
}

mr_params *mr_policy_params(const mr_policy *policy) {
    return policy->net.params;
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
    return policy != NULL && policy->net.flow != NULL;
}

// The arena's copies, which the spec shows to readers alone.
void mr_policy_set_obs_stats(mr_policy *policy, const double *mean, const double *std) {
    const size_t size = policy->spec.obs_dim * sizeof *mean;
    memcpy((double *)policy->spec.obs_mean, mean, size);
    memcpy((double *)policy->spec.obs_std, std, size);
}

static void swap_numbers(size_t n, double *a, double *b) {
    for (size_t j = 0; j < n; j++) {
        const double other = a[j];
        a[j] = b[j];
        b[j] = other;
    }
}

void mr_policy_swap_obs_stats(mr_policy *policy, double *mean, double *std) {
    swap_numbers(policy->spec.obs_dim, (double *)policy->spec.obs_mean, mean);
    swap_numbers(policy->spec.obs_dim, (double *)policy->spec.obs_std, std);
}

// ---- The action without noise

void mr_policy_set_critics(mr_policy *policy, const mr_critic *critics, bool takes_mean) {
    policy->critics = (mr_policy_critics){critics, takes_mean};
}

mr_params *mr_policy_critic_params(const mr_policy *policy) {
    return mr_deterministic_needs_critics(&policy->deterministic)
               ? mr_critic_params(policy->critics.critics)
               : NULL;
}

mr_status mr_policy_check_deterministic(const char *action, bool *needs_critics) {
    mr_deterministic d;
    const mr_status status = mr_deterministic_read(action, &d);
    if (status == MR_OK && needs_critics)
        *needs_critics = mr_deterministic_needs_critics(&d);
    return status;
}

static void note_deterministic(mr_policy *policy, mr_deterministic d) {
    policy->deterministic = d;
    mr_deterministic_format(&d, policy->deterministic_text);
    policy->spec.deterministic = policy->deterministic_text;
}

mr_status mr_policy_set_deterministic(mr_policy *policy, const char *action) {
    mr_status status;
    mr_deterministic d;
    MR_REQUIRE(policy);
    MR_REQUIRE(action);
    MR_TRY(mr_deterministic_read(action, &d));
    if (mr_deterministic_is_base(&d, &policy->net))
        d = mr_deterministic_base;
    if (mr_deterministic_needs_critics(&d) && !policy->critics.critics)
        return mr_fail(
            MR_ERR_USAGE,
            "the policy has no critics to choose the deterministic action best by; train "
            "it with deterministic_action best, or choose base, mean or mode");
    note_deterministic(policy, d);
    status = mr_policy_actors_set_deterministic(policy->actors, &policy->deterministic,
                                                &policy->critics);
    if (status != MR_OK)
        note_deterministic(policy, mr_deterministic_base);
done:
    return status;
}

mr_policy_nodes mr_policy_build(const mr_policy *policy, mr_params *params, mr_graph *graph,
                                mr_node *obs, mr_node *noise, mr_mode mode) {
    return mr_policy_net_build(&policy->net, params, graph, obs, noise, mode);
}

mr_status mr_policy_keep_unit_rows(mr_policy *policy) {
    return mr_policy_net_keep_unit_rows(&policy->net);
}

mr_policy_density mr_policy_build_density(const mr_policy *policy, mr_params *params, mr_node *obs,
                                          mr_node *act, mr_mode mode) {
    return mr_policy_net_build_density(&policy->net, params, obs, act, mode);
}

mr_status mr_policy_check_volume(const mr_policy *policy) {
    return mr_flow_check_volume(policy->net.flow);
}

void mr_policy_scale(const mr_policy *policy, size_t n, const mr_real *units, double *action) {
    mr_policy_net_scale(&policy->net, n, units, action);
}

// ---- Acting

mr_status mr_policy_prepare(mr_policy *policy, size_t max_rows) {
    MR_REQUIRE(policy);
    return mr_policy_actors_prepare(policy->actors, max_rows);
}

mr_status mr_policy_sample_units(const mr_policy *policy, size_t n, const double *obs,
                                 const mr_real *noise, mr_real *act_out, mr_real *log_prob) {
    return mr_policy_actors_sample(policy->actors, n, obs, noise,
                                   &(mr_policy_results){.act = act_out, .log_prob = log_prob});
}

mr_status mr_policy_act_units(const mr_policy *policy, const double *obs, const mr_real *noise,
                              mr_real *act_out) {
    return mr_policy_actors_act(policy->actors, obs, noise, &(mr_policy_results){.act = act_out});
}

#ifndef MR_REAL_DOUBLE // the tests' library in double precision has no callers that speak float

mr_status mr_policy_act(const mr_policy *policy, const double *obs, const float *noise,
                        double *action) {
    MR_REQUIRE(policy);
    MR_REQUIRE(obs);
    MR_REQUIRE(action);
    return mr_policy_actors_act(policy->actors, obs, noise, &(mr_policy_results){.action = action});
}

mr_status mr_policy_sample(const mr_policy *policy, size_t n, const double *obs, const float *noise,
                           double *action, float *log_prob) {
    MR_REQUIRE(policy);
    MR_REQUIRE(obs);
    MR_REQUIRE(action);
    return mr_policy_actors_sample(policy->actors, n, obs, noise,
                                   &(mr_policy_results){.action = action, .log_prob = log_prob});
}

mr_status mr_policy_log_prob(const mr_policy *policy, size_t n, const double *obs,
                             const double *action, float *log_prob) {
    MR_REQUIRE(policy);
    MR_REQUIRE(obs);
    MR_REQUIRE(action);
    MR_REQUIRE(log_prob);
    return mr_policy_actors_score(policy->actors, n, obs, action, log_prob);
}

mr_status mr_policy_noise(const mr_policy *policy, uint64_t seed, uint64_t index, float *noise) {
    MR_REQUIRE(policy);
    MR_REQUIRE(noise);
    mr_random random = mr_random_stream(seed, MR_STREAM_ACTION, index);
    mr_random_fill_normal(&random, policy->spec.act_dim, noise);
    return MR_OK;
}

#endif
