/// For those who write environments: the functions behind `mr_env` and `mr_vec_env`, and the
/// registry rows that name them.
///
/// `env.c` does what all environments share (episode limit, order of calls, finite numbers), so
/// that an environment only has its task to do.
#pragma once

#include "base/options.h"
#include "envs/env.h"
#include "envs/vec_env.h"

typedef struct {
    /// Begins an episode. `seed` restarts the random numbers; NULL lets them go on.
    mr_status (*reset)(void *self, const uint64_t *seed, double *obs);
    /// Advances by one action; `result` arrives zeroed. Truncates an episode for its own reasons
    /// only (mr_step.diverged): env.c applies the episode limit.
    mr_status (*step)(void *self, const double *action, double *obs, mr_step *result);
    void (*close)(void *self);
    /// Opens another environment of the same task and options (mr_env_copy); `spec` is that of
    /// `self`. NULL: there are no copies of such environments.
    mr_status (*copy)(const void *self, const mr_env_spec *spec, mr_env **out);
} mr_env_ops;

/// Makes an environment of functions and their state. Takes over `self` (also on failure). Copies
/// the struct `spec`, but not what it points to, which must live as long as `self`.
mr_status mr_env_wrap(const mr_env_ops *ops, void *self, const mr_env_spec *spec, mr_env **out);

/// Opens another environment of the same task and options, as mr_env_open would: before its first
/// episode, with random numbers of its own. `env` is one that mr_env_open opened by a name that is
/// not remote, may be closed before its copy, and is used by no other thread meanwhile.
mr_status mr_env_copy(const mr_env *env, mr_env **out);

/// The infos of the spec from now on; `names` must live as long as `env`.
void mr_env_set_infos(mr_env *env, size_t n_info, const char *const *names);

/// The state that was wrapped with these functions; NULL if `env` has others.
void *mr_env_unwrap(const mr_env *env, const mr_env_ops *ops);

/// A built-in environment: one row of the table in `registry.c`.
typedef struct mr_env_builtin mr_env_builtin;
struct mr_env_builtin {
    const char *name;    // as mr_env_open takes it
    const char *summary; // one line
    /// `options` holds no NULL, and no task file: a built-in environment has its own task. One
    /// without options calls mr_options_set with no rows, which refuses all.
    mr_status (*open)(const mr_env_builtin *builtin, const mr_env_options *options, mr_env **out);
    mr_status (*describe)(const mr_env_builtin *builtin, const mr_env_options *options, char *text,
                          size_t size);
    const void *task; // an mr_task of mujoco/, an mr_classic_task of classic/
};

/// Environments that are named "SCHEME:ADDRESS": one row of the table of schemes in `registry.c`.
/// `name` is all of it, `address` what follows the colon; `options` holds no NULL.
typedef struct {
    const char *scheme;  // "mjcf"
    const char *form;    // how such names look: "mjcf:FILE.xml"
    const char *summary; // one line
    mr_status (*open)(const char *name, const char *address, const mr_env_options *options,
                      mr_env **out);
    mr_status (*describe)(const char *name, const char *address, const mr_env_options *options,
                          char *text, size_t size);
    /// Opens all environments of a remote server at once (mr_vec_env_open); `options` may be NULL.
    /// NULL: the environments run in this process, in any number of copies.
    mr_status (*open_all)(const char *name, const mr_env_options *options, size_t n,
                          mr_vec_env **out);
} mr_env_scheme;

/// The scheme that a name begins with, and the address after it (`address` may be NULL). NULL if it
/// begins with no scheme.
const mr_env_scheme *mr_env_scheme_find(const char *name, const char **address);

// ---- Several environments at once

/// Each does what the function of the same name in vec_env.h says.
typedef struct {
    mr_status (*reset)(void *self, size_t i, const uint64_t *seed, double *obs);
    mr_status (*step)(void *self, const bool *active, const double *actions, double *obs,
                      mr_step *results);
    size_t (*n_diverged)(const void *self);
    mr_env *(*at)(const void *self, size_t i);
    const double *(*info)(const void *self, size_t i);
    void (*close)(void *self);
} mr_vec_env_ops;

/// Makes `n` environments of functions and their state. Takes over `self`, also on failure; `spec`
/// must live as long as `self`.
mr_status mr_vec_env_wrap(const mr_vec_env_ops *ops, void *self, const mr_env_spec *spec, size_t n,
                          mr_vec_env **out);

/// Fails with MR_ERR_USAGE on no environments or no threads. `name` is that of the environment.
mr_status mr_vec_env_check_sizes(const char *name, size_t n, int n_threads);

/// mr_env_set_infos of all of mr_vec_env_of, whose values of before stay; those of new names are
/// NaN.
mr_status mr_vec_env_set_infos(mr_vec_env *vec, size_t n_info, const char *const *names);

/// Environments [n] of one kind, n > 0, stepped over the threads. Takes over all of them and the
/// array, which is from malloc, also on failure.
mr_status mr_vec_env_of(mr_env **envs, size_t n, int n_threads, mr_vec_env **out);
