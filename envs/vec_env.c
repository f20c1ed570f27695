// Several environments stepped together: copies opened here, or whatever a scheme opens at once.

#include "envs/env_ops.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

struct mr_vec_env {
    const mr_vec_env_ops *ops;
    void *self;
    const mr_env_spec *spec;
    size_t n;
    size_t n_warned;
    const char *warning; // the first
};

mr_status mr_vec_env_wrap(const mr_vec_env_ops *ops, void *self, const mr_env_spec *spec, size_t n,
                          mr_vec_env **out) {
    mr_vec_env *vec = malloc(sizeof *vec);
    if (vec == NULL) {
        ops->close(self);
        return mr_fail_memory("environments");
    }
    *vec = (mr_vec_env){.ops = ops, .self = self, .spec = spec, .n = n};
    *out = vec;
    return MR_OK;
}

void mr_vec_env_close(mr_vec_env *vec) {
    if (vec == NULL)
        return;
    vec->ops->close(vec->self);
    free(vec);
}

const mr_env_spec *mr_vec_env_get_spec(const mr_vec_env *vec) {
    return vec != NULL ? vec->spec : NULL;
}

size_t mr_vec_env_n(const mr_vec_env *vec) {
    return vec != NULL ? vec->n : 0;
}

size_t mr_vec_env_n_diverged(const mr_vec_env *vec) {
    return vec != NULL ? vec->ops->n_diverged(vec->self) : 0;
}

size_t mr_vec_env_n_warned(const mr_vec_env *vec) {
    return vec != NULL ? vec->n_warned : 0;
}

const char *mr_vec_env_warning(const mr_vec_env *vec) {
    return vec != NULL ? vec->warning : NULL;
}

mr_env *mr_vec_env_at(const mr_vec_env *vec, size_t i) {
    return vec->ops->at(vec->self, i);
}

const double *mr_vec_env_info(const mr_vec_env *vec, size_t i) {
    return vec->ops->info(vec->self, i);
}

mr_status mr_vec_env_infos(const mr_vec_env *vec, size_t n_info, double *infos) {
    MR_REQUIRE(vec);
    MR_REQUIRE(infos);
    for (size_t i = 0; i < vec->n; i++)
        for (size_t j = 0; j < n_info; j++)
            *infos++ = j < vec->spec->n_info ? mr_vec_env_info(vec, i)[j] : NAN;
    return MR_OK;
}

mr_status mr_vec_env_reset(mr_vec_env *vec, size_t i, const uint64_t *seed, double *obs) {
    MR_REQUIRE(vec);
    MR_REQUIRE(obs);
    if (i >= vec->n)
        return mr_fail(MR_ERR_USAGE, "%s: reset of environment %zu, but there are %zu",
                       vec->spec->name, i, vec->n);
    return vec->ops->reset(vec->self, i, seed, obs);
}

static void count_warnings(mr_vec_env *vec, const bool *active, const mr_step *results) {
    for (size_t i = 0; i < vec->n; i++) {
        if ((active != NULL && !active[i]) || results[i].warning == NULL)
            continue;
        vec->n_warned++;
        vec->warning = vec->warning != NULL ? vec->warning : results[i].warning;
    }
}

mr_status mr_vec_env_step(mr_vec_env *vec, const bool *active, const double *actions, double *obs,
                          mr_step *results) {
    MR_REQUIRE(vec);
    MR_REQUIRE(actions);
    MR_REQUIRE(obs);
    MR_REQUIRE(results);
    const mr_status status = vec->ops->step(vec->self, active, actions, obs, results);
    if (status == MR_OK)
        count_warnings(vec, active, results);
    return status;
}

// ---- Copies

enum { MESSAGE_SIZE = 1024 };

// The outcome of one environment's step. Messages are kept per thread, so that it is copied by the
// thread that set it.
typedef struct {
    mr_status status;
    char message[MESSAGE_SIZE];
} outcome;

/// Copies of an environment, opened here and stepped over the threads.
typedef struct {
    size_t n;
    int n_threads;
    mr_env **envs;     // [n] owned
    outcome *outcomes; // [n] owned
    double *info;      // [n x n_info] owned; after the last steps and resets
} copies;

// `envs` [n] holds the environments, or NULL for those that could not be opened.
static void close_envs(mr_env **envs, size_t n) {
    for (size_t i = 0; envs != NULL && i < n; i++)
        mr_env_close(envs[i]);
    free(envs);
}

static void close_copies(void *self) {
    copies *c = self;
    close_envs(c->envs, c->n);
    free(c->outcomes);
    free(c->info);
    free(c);
}

static size_t count_diverged(const void *self) {
    const copies *c = self;
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        n += mr_env_n_diverged(c->envs[i]);
    return n;
}

static mr_env *copy_at(const void *self, size_t i) {
    return ((const copies *)self)->envs[i];
}

static const double *info_of_copy(const void *self, size_t i) {
    const copies *c = self;
    return c->info + i * mr_env_info_count(c->envs[i]);
}

// Copies the infos at once, because environments of a caller may share one array of them.
static void keep_info(copies *c, size_t i) {
    const size_t n_info = mr_env_info_count(c->envs[i]);
    if (n_info > 0)
        memcpy(c->info + i * n_info, mr_env_info(c->envs[i]), n_info * sizeof *c->info);
}

static mr_status reset_copy(void *self, size_t i, const uint64_t *seed, double *obs) {
    copies *c = self;
    const mr_status status = mr_env_reset(c->envs[i], seed, obs);
    keep_info(c, i);
    return status;
}

static void keep_outcome(outcome *kept, mr_status status) {
    kept->status = status;
    if (status != MR_OK)
        snprintf(kept->message, sizeof kept->message, "%s", mr_error_message());
}

/// A step of all copies.
typedef struct {
    copies *of;
    const bool *active;
    const double *actions;
    double *obs;
    mr_step *results;
} step_run;

static void step_one(void *self, size_t i) {
    const step_run *r = self;
    const mr_env_spec *spec = mr_env_get_spec(r->of->envs[0]);
    if (r->active != NULL && !r->active[i])
        return;
    keep_outcome(&r->of->outcomes[i], mr_env_step(r->of->envs[i], r->actions + i * spec->act_dim,
                                                  r->obs + i * spec->obs_dim, &r->results[i]));
    keep_info(r->of, i);
}

// Environments share nothing, so that it changes no number which thread steps which.
static mr_status step_copies(void *self, const bool *active, const double *actions, double *obs,
                             mr_step *results) {
    copies *c = self;
    step_run r = {c, active, actions, obs, results};
    mr_threads_run(c->n_threads, c->n, step_one, &r);
    for (size_t i = 0; i < c->n; i++)
        if ((active == NULL || active[i]) && c->outcomes[i].status != MR_OK)
            return mr_fail(c->outcomes[i].status, "environment %zu: %s", i, c->outcomes[i].message);
    return MR_OK;
}

static const mr_vec_env_ops copies_ops = {.reset = reset_copy,
                                          .step = step_copies,
                                          .n_diverged = count_diverged,
                                          .at = copy_at,
                                          .info = info_of_copy,
                                          .close = close_copies};

mr_status mr_vec_env_set_infos(mr_vec_env *vec, size_t n_info, const char *const *names) {
    copies *c = vec->self;
    const size_t n_before = vec->spec->n_info;
    assert(vec->ops == &copies_ops && n_info > n_before);
    double *info = malloc(c->n * n_info * sizeof *info);
    if (info == NULL)
        return mr_fail_memory("the infos of environments");
    for (size_t i = 0; i < c->n; i++)
        for (size_t j = 0; j < n_info; j++)
            info[i * n_info + j] = j < n_before ? c->info[i * n_before + j] : NAN;
    free(c->info);
    c->info = info;
    for (size_t i = 0; i < c->n; i++)
        mr_env_set_infos(c->envs[i], n_info, names);
    return MR_OK;
}

mr_status mr_vec_env_of(mr_env **envs, size_t n, int n_threads, mr_vec_env **out) {
    mr_status status;
    copies *c = calloc(1, sizeof *c);
    outcome *outcomes = calloc(n, sizeof *outcomes);
    double *info = calloc(n * mr_env_info_count(envs[0]) + 1, sizeof *info);
    if (c == NULL || outcomes == NULL || info == NULL) {
        status = mr_fail_memory("copies of an environment");
        goto done;
    }
    MR_TRY(mr_threads_start(n > 1 ? n_threads : 1));
    *c = (copies){.n = n, .n_threads = n_threads, .envs = envs, .outcomes = outcomes, .info = info};
    return mr_vec_env_wrap(&copies_ops, c, mr_env_get_spec(envs[0]), n, out);
done:
    free(outcomes);
    free(info);
    free(c);
    close_envs(envs, n);
    return status;
}

mr_status mr_vec_env_check_sizes(const char *name, size_t n, int n_threads) {
    if (n == 0)
        return mr_fail(MR_ERR_USAGE, "%s: 0 copies of an environment asked for; ask for at least 1",
                       name);
    if (n_threads < 1)
        return mr_fail(MR_ERR_USAGE, "%s: %d threads asked for; ask for at least 1", name,
                       n_threads);
    return MR_OK;
}

// Fills envs [n] up with copies of `like`, from the index `n_open` on. Takes over `envs`, also on
// failure.
static mr_status fill_up(const mr_env *like, size_t n_open, mr_env **envs, size_t n, int n_threads,
                         mr_vec_env **out) {
    mr_status status = MR_OK;
    for (size_t i = n_open; i < n; i++)
        MR_TRY(mr_env_copy(like, &envs[i]));
    return mr_vec_env_of(envs, n, n_threads, out);
done:
    close_envs(envs, n);
    return status;
}

static mr_status open_copies(const char *name, const mr_env_options *options, size_t n,
                             int n_threads, mr_vec_env **out) {
    mr_status status;
    mr_env **envs = NULL;

    MR_TRY(mr_vec_env_check_sizes(name, n, n_threads));
    envs = calloc(n, sizeof(mr_env *));
    if (envs == NULL)
        return mr_fail_memory("copies of an environment");
    MR_TRY(mr_env_open(name, options, &envs[0]));
    return fill_up(envs[0], 1, envs, n, n_threads, out);
done:
    free(envs);
    return status;
}

mr_status mr_vec_env_open_more(const mr_vec_env *of, size_t n, int n_threads, mr_vec_env **out) {
    const mr_status status = mr_vec_env_check_sizes(of->spec->name, n, n_threads);
    if (status != MR_OK)
        return status;
    mr_env **envs = calloc(n, sizeof(mr_env *));
    if (envs == NULL)
        return mr_fail_memory("copies of an environment");
    return fill_up(mr_vec_env_at(of, 0), 0, envs, n, n_threads, out);
}

// ---- Opening

mr_status mr_vec_env_open(const char *name, const mr_env_options *options, size_t n, int n_threads,
                          mr_vec_env **out) {
    MR_REQUIRE(name);
    MR_REQUIRE(out);
    const mr_env_scheme *scheme = mr_env_scheme_find(name, NULL);
    if (scheme != NULL && scheme->open_all != NULL)
        return scheme->open_all(name, options, n, out);
    return open_copies(name, options, n, n_threads, out);
}
