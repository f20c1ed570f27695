/// For those who write environments: the functions behind `mr_env`, and the registry row that names
/// them.
///
/// `env.c` looks after what all share (episode limit, order of calls, finite numbers), so that a
/// kind does nothing but its task.
#pragma once

#include "envs/env.h"
#include "envs/options.h"
#include "envs/vec_env.h"

typedef struct {
    /// Begins an episode. `seed` restarts the random numbers; NULL lets them go on.
    mr_status (*reset)(void *self, const uint64_t *seed, double *obs);
    /// Advances by one action; `result` arrives zeroed. Truncation by the episode limit is not its
    /// business; truncation for other reasons (mr_step.diverged) is.
    mr_status (*step)(void *self, const double *action, double *obs, mr_step *result);
    void (*close)(void *self);
} mr_env_kind;

/// Wraps a kind and its state as an environment. Takes over `self` (also on failure) and copies
/// nothing of `spec` but the struct itself: what it points to must live as long as `self`.
mr_status mr_env_wrap(const mr_env_kind *kind, void *self, const mr_env_spec *spec, mr_env **out);

/// What was wrapped, when `env` is of this kind; else NULL.
void *mr_env_unwrap(const mr_env *env, const mr_env_kind *kind);

/// A built-in environment: one row of the table in `registry.c`.
typedef struct mr_env_builtin mr_env_builtin;
struct mr_env_builtin {
    const char *name;    // what it is opened by
    const char *summary; // one line
    /// `options` holds no NULL, and no task: a built-in environment has its own. What takes no
    /// options calls mr_env_options_set with no rows.
    mr_status (*open)(const mr_env_builtin *builtin, const mr_env_options *options, mr_env **out);
    mr_status (*describe)(const mr_env_builtin *builtin, const mr_env_options *options, char *text,
                          size_t size);
    const void *task; // what `open` and `describe` make it from, for families that are data
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
    /// Where the environments are elsewhere: all that are there at once (mr_vec_env_open). NULL:
    /// they are opened here, as many copies as one likes. `options` may be NULL.
    mr_status (*open_all)(const char *name, const mr_env_options *options, size_t n,
                          mr_vec_env **out);
} mr_env_scheme;

/// The scheme that a name begins with, and the address behind it (`address` may be NULL); NULL
/// where it begins with none.
const mr_env_scheme *mr_env_scheme_find(const char *name, const char **address);
