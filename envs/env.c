// What all environments share: the episode limit, the order of calls, and the promise that numbers
// are finite.

#include "envs/env_ops.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct mr_env {
    const mr_env_ops *ops;
    void *self;
    mr_env_spec spec;
    double *obs; // [obs_dim] owned; a failed call must leave the caller's untouched
    size_t n_steps;
    bool in_episode;
    size_t n_diverged, n_warned;
    const char *warning; // the first
};

static mr_status check_finite(const mr_env *env, const char *what, size_t n, const double *values,
                              const char *remedy) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return mr_fail(MR_ERR_NUMERIC, "%s: %s %zu is %g after %zu steps of the episode; %s",
                           env->spec.name, what, i, values[i], env->n_steps, remedy);
    return MR_OK;
}

static mr_status check_action(const mr_env *env, const double *action) {
    return check_finite(env, "action", env->spec.act_dim, action, "every action must be finite");
}

static mr_status check_obs(const mr_env *env) {
    return check_finite(env, "observation", env->spec.obs_dim, env->obs,
                        "the environment diverged; reset it, and look at the last action");
}

static mr_status check_reward(const mr_env *env, const mr_step *result) {
    if (isfinite(result->reward))
        return MR_OK;
    return mr_fail(MR_ERR_NUMERIC,
                   "%s: the reward is %g after %zu steps of the episode; the environment diverged; "
                   "reset it, and look at the last action",
                   env->spec.name, result->reward, env->n_steps);
}

mr_status mr_env_wrap(const mr_env_ops *ops, void *self, const mr_env_spec *spec, mr_env **out) {
    mr_env *env = calloc(1, sizeof *env);
    double *obs = calloc(spec->obs_dim + 1, sizeof *obs); // + 1: an empty observation is no error
    if (env == NULL || obs == NULL) {
        free(obs);
        free(env);
        ops->close(self);
        return mr_fail_memory("an environment");
    }
    *env = (mr_env){.ops = ops, .self = self, .spec = *spec, .obs = obs};
    *out = env;
    return MR_OK;
}

mr_status mr_env_copy(const mr_env *env, mr_env **out) {
    assert(env->ops->copy != NULL);
    return env->ops->copy(env->self, &env->spec, out);
}

void *mr_env_unwrap(const mr_env *env, const mr_env_ops *ops) {
    return env->ops == ops ? env->self : NULL;
}

void mr_env_close(mr_env *env) {
    if (env == NULL)
        return;
    env->ops->close(env->self);
    free(env->obs);
    free(env);
}

const mr_env_spec *mr_env_get_spec(const mr_env *env) {
    return env != NULL ? &env->spec : NULL;
}

static bool is_known(const char *text) {
    return text != NULL && text[0] != '\0';
}

bool mr_env_is_other_engine(const mr_env_spec *spec, const char *engine, const char *version) {
    if (!is_known(spec->engine) || !is_known(spec->engine_version) || !is_known(engine) ||
        !is_known(version))
        return false;
    return strcmp(spec->engine, engine) != 0 || strcmp(spec->engine_version, version) != 0;
}

void mr_env_set_infos(mr_env *env, size_t n_info, const char *const *names) {
    env->spec.n_info = n_info;
    env->spec.info_names = names;
}

size_t mr_env_info_count(const mr_env *env) {
    return env != NULL ? env->spec.n_info : 0;
}

const char *mr_env_info_name(const mr_env *env, size_t i) {
    return i < mr_env_info_count(env) ? env->spec.info_names[i] : NULL;
}

const double *mr_env_info(const mr_env *env) {
    return env != NULL ? env->spec.info : NULL;
}

size_t mr_env_n_diverged(const mr_env *env) {
    return env != NULL ? env->n_diverged : 0;
}

size_t mr_env_n_warned(const mr_env *env) {
    return env != NULL ? env->n_warned : 0;
}

const char *mr_env_warning(const mr_env *env) {
    return env != NULL ? env->warning : NULL;
}

mr_status mr_env_reset(mr_env *env, const uint64_t *seed, double *obs) {
    mr_status status;

    MR_REQUIRE(env);
    MR_REQUIRE(obs);
    env->in_episode = false; // should this fail, nothing may follow but another reset
    env->n_steps = 0;
    MR_TRY(env->ops->reset(env->self, seed, env->obs));
    MR_TRY(check_obs(env));
    env->in_episode = true;
    memcpy(obs, env->obs, env->spec.obs_dim * sizeof *obs);
done:
    return status;
}

// One step of the task: checks its results and applies the episode limit.
static mr_status advance(mr_env *env, const double *action, mr_step *result) {
    mr_status status;

    MR_TRY(env->ops->step(env->self, action, env->obs, result));
    env->n_steps++;
    MR_TRY(check_obs(env));
    MR_TRY(check_reward(env, result));
    if (env->spec.max_episode_steps > 0 && env->n_steps >= env->spec.max_episode_steps)
        result->truncated = true;
done:
    return status;
}

mr_status mr_env_step(mr_env *env, const double *action, double *obs, mr_step *result) {
    mr_status status;
    mr_step step = {0};

    MR_REQUIRE(env);
    MR_REQUIRE(action);
    MR_REQUIRE(obs);
    MR_REQUIRE(result);
    if (!env->in_episode)
        return mr_fail(MR_ERR_USAGE, "%s: step without an episode; reset the environment first",
                       env->spec.name);
    MR_TRY(check_action(env, action)); // refused before anything moved: the episode goes on
    status = advance(env, action, &step);
    env->in_episode = status == MR_OK && !step.terminated && !step.truncated;
    if (status != MR_OK)
        goto done;
    env->n_diverged += step.diverged;
    env->n_warned += step.warning != NULL;
    if (env->warning == NULL)
        env->warning = step.warning;
    memcpy(obs, env->obs, env->spec.obs_dim * sizeof *obs);
    *result = step;
done:
    return status;
}
