// Several environments, whoever brings them.

#include "envs/vec_env_kind.h"

#include <stdlib.h>

#include "envs/env_kind.h"

struct mr_vec_env {
    const mr_vec_env_kind *kind;
    void *self;
    const mr_env_spec *spec;
    size_t n;
    size_t n_warned;
    const char *warning; // the first
};

mr_status mr_vec_env_wrap(const mr_vec_env_kind *kind, void *self, const mr_env_spec *spec,
                          size_t n, mr_vec_env **out) {
    mr_vec_env *vec = malloc(sizeof *vec);
    if (vec == NULL) {
        kind->close(self);
        return mr_fail_memory("environments");
    }
    *vec = (mr_vec_env){.kind = kind, .self = self, .spec = spec, .n = n};
    *out = vec;
    return MR_OK;
}

mr_status mr_vec_env_open(const char *name, const mr_env_options *options, size_t n, int n_threads,
                          mr_vec_env **out) {
    const mr_env_scheme *scheme = mr_env_scheme_find(name, NULL);
    if (scheme != NULL && scheme->open_all != NULL)
        return scheme->open_all(name, options, n, out);
    return mr_vec_env_open_copies(name, options, n, n_threads, out);
}

void mr_vec_env_close(mr_vec_env *vec) {
    if (vec == NULL)
        return;
    vec->kind->close(vec->self);
    free(vec);
}

const mr_env_spec *mr_vec_env_get_spec(const mr_vec_env *vec) {
    return vec->spec;
}

size_t mr_vec_env_n(const mr_vec_env *vec) {
    return vec->n;
}

size_t mr_vec_env_n_diverged(const mr_vec_env *vec) {
    return vec->kind->n_diverged(vec->self);
}

size_t mr_vec_env_n_warned(const mr_vec_env *vec) {
    return vec->n_warned;
}

const char *mr_vec_env_warning(const mr_vec_env *vec) {
    return vec->warning;
}

mr_env *mr_vec_env_at(const mr_vec_env *vec, size_t i) {
    return vec->kind->at(vec->self, i);
}

mr_status mr_vec_env_reset(mr_vec_env *vec, size_t i, const uint64_t *seed, double *obs) {
    return vec->kind->reset(vec->self, i, seed, obs);
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
    const mr_status status = vec->kind->step(vec->self, active, actions, obs, results);
    if (status == MR_OK)
        count_warnings(vec, active, results);
    return status;
}
