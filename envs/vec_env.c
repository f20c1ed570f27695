// Copies of an environment, stepped side by side.

#include "envs/vec_env.h"

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE_SIZE = 1024 };

// How one environment's step went. The message is kept by each thread, so it must be fetched where
// it was set.
typedef struct {
    mr_status status;
    char message[MESSAGE_SIZE];
} outcome;

struct mr_vec_env {
    size_t n;
    int n_threads;
    mr_env **envs;     // [n] owned
    outcome *outcomes; // [n] owned
};

static mr_status check_sizes(const char *name, size_t n, int n_threads) {
    if (n == 0)
        return mr_fail(MR_ERR_USAGE, "%s: 0 copies of an environment asked for; ask for at least 1",
                       name);
    if (n_threads < 1)
        return mr_fail(MR_ERR_USAGE, "%s: %d threads asked for; ask for at least 1", name,
                       n_threads);
    return MR_OK;
}

static mr_status allocate(size_t n, int n_threads, mr_vec_env **out) {
    mr_vec_env *vec = calloc(1, sizeof *vec);
    if (vec != NULL) {
        *vec = (mr_vec_env){.n = n,
                            .n_threads = n_threads,
                            .envs = calloc(n, sizeof(mr_env *)),
                            .outcomes = calloc(n, sizeof(outcome))};
        if (vec->envs != NULL && vec->outcomes != NULL) {
            *out = vec;
            return MR_OK;
        }
    }
    mr_vec_env_close(vec);
    return mr_fail_memory("copies of an environment");
}

mr_status mr_vec_env_open(const char *name, const mr_env_options *options, size_t n, int n_threads,
                          mr_vec_env **out) {
    mr_status status;
    mr_vec_env *vec = NULL;

    MR_TRY(check_sizes(name, n, n_threads));
    MR_TRY(allocate(n, n_threads, &vec));
    for (size_t i = 0; i < n; i++)
        MR_TRY(mr_env_open(name, options, &vec->envs[i]));
    *out = vec;
    vec = NULL;
done:
    mr_vec_env_close(vec);
    return status;
}

void mr_vec_env_close(mr_vec_env *vec) {
    if (vec == NULL)
        return;
    for (size_t i = 0; vec->envs != NULL && i < vec->n; i++)
        mr_env_close(vec->envs[i]);
    free(vec->envs);
    free(vec->outcomes);
    free(vec);
}

const mr_env_spec *mr_vec_env_get_spec(const mr_vec_env *vec) {
    return mr_env_get_spec(vec->envs[0]);
}

size_t mr_vec_env_n(const mr_vec_env *vec) {
    return vec->n;
}

size_t mr_vec_env_n_diverged(const mr_vec_env *vec) {
    size_t n = 0;
    for (size_t i = 0; i < vec->n; i++)
        n += mr_env_n_diverged(vec->envs[i]);
    return n;
}

mr_env *mr_vec_env_at(const mr_vec_env *vec, size_t i) {
    return vec->envs[i];
}

mr_status mr_vec_env_reset(mr_vec_env *vec, size_t i, const uint64_t *seed, double *obs) {
    return mr_env_reset(vec->envs[i], seed, obs);
}

static void keep_outcome(outcome *kept, mr_status status) {
    kept->status = status;
    if (status != MR_OK)
        snprintf(kept->message, sizeof kept->message, "%s", mr_error_message());
}

static void step_one(mr_vec_env *vec, size_t i, const bool *active, const double *actions,
                     double *obs, mr_step *results) {
    const mr_env_spec *spec = mr_vec_env_get_spec(vec);
    if (active == NULL || active[i])
        keep_outcome(&vec->outcomes[i], mr_env_step(vec->envs[i], actions + i * spec->act_dim,
                                                    obs + i * spec->obs_dim, &results[i]));
}

mr_status mr_vec_env_step(mr_vec_env *vec, const bool *active, const double *actions, double *obs,
                          mr_step *results) {
    // Environments share nothing, so that who steps which changes no number. Dynamic, since only
    // some may be active. A parallel region of one thread would still have OpenMP allocate a team.
    if (vec->n == 1 || vec->n_threads == 1) {
        for (size_t i = 0; i < vec->n; i++)
            step_one(vec, i, active, actions, obs, results);
    } else {
#pragma omp parallel for num_threads(vec->n_threads) schedule(dynamic)
        for (size_t i = 0; i < vec->n; i++)
            step_one(vec, i, active, actions, obs, results);
    }
    for (size_t i = 0; i < vec->n; i++)
        if ((active == NULL || active[i]) && vec->outcomes[i].status != MR_OK)
            return mr_fail(vec->outcomes[i].status, "environment %zu: %s", i,
                           vec->outcomes[i].message);
    return MR_OK;
}
