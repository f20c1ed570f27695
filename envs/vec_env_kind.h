/// For those who bring several environments at once: the functions behind `mr_vec_env`.
#pragma once

#include "envs/vec_env.h"

/// Each does what the function of vec_env.h of its name says.
typedef struct {
    mr_status (*reset)(void *self, size_t i, const uint64_t *seed, double *obs);
    mr_status (*step)(void *self, const bool *active, const double *actions, double *obs,
                      mr_step *results);
    size_t (*n_diverged)(const void *self);
    mr_env *(*at)(const void *self, size_t i);
    void (*close)(void *self);
} mr_vec_env_kind;

/// Wraps a kind and its state as `n` environments. Takes over `self`, also on failure; `spec` must
/// live as long as `self`.
mr_status mr_vec_env_wrap(const mr_vec_env_kind *kind, void *self, const mr_env_spec *spec,
                          size_t n, mr_vec_env **out);

/// `n` copies of an environment, opened here and stepped over the threads.
mr_status mr_vec_env_open_copies(const char *name, const mr_env_options *options, size_t n,
                                 int n_threads, mr_vec_env **out);
