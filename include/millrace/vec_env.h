/// Several environments of one kind, stepped together: copies opened by name, the remote ones of a
/// server, or the caller's own.
///
/// Training and evaluations run on one (train.h, evaluate.h). All arrays are row-major with one row
/// for each environment.
#pragma once

#include <millrace/env.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Environments that are stepped together.
typedef struct mr_vec_env mr_vec_env;

/// Opens `n` environments of the name `name`, as mr_env_open does: copies, stepped by `n_threads`
/// threads, or, if they are remote (zmq:), all that the server has, which must then be `n`; 0:
/// however many it has. The caller closes it.
MR_API mr_status mr_vec_env_open(const char *name, const mr_env_options *options, size_t n,
                                 int n_threads, mr_vec_env **out);

/// The functions of an environment of the caller's own. They are called for environment `i` of the
/// `n` that mr_vec_env_new is told, with its `self`. A failure is what mr_fail returns, which also
/// sets its message.
typedef struct {
    /// Begins an episode.
    ///   seed  restarts the environment's own random numbers; NULL: they go on. A run is
    ///         reproducible, and can be resumed, only if an episode depends on its seed and actions
    ///         alone
    ///   obs   [obs_dim] out
    mr_status (*reset)(void *self, size_t i, const uint64_t *seed, double *obs);
    /// Advances by one action.
    ///   action  [act_dim] in, the task's own units
    ///   obs     [obs_dim] out
    ///   result  arrives zeroed: reward, terminated and truncated are to be set. Truncation by
    ///           mr_env_spec.max_episode_steps is added by the library
    mr_status (*step)(void *self, size_t i, const double *action, double *obs, mr_step *result);
    /// Releases `self`, once, when the mr_vec_env is closed. NULL: nothing.
    void (*close)(void *self);
} mr_env_callbacks;

/// Makes `n` environments out of the caller's functions. The caller closes the result; `self`
/// belongs to it from a successful call on.
///
///   callbacks  copied
///   spec       name, obs_dim, act_dim, act_low and act_high must be given; copied with all that it
///              points to, but for `info`, which must live as long as the environments, and is read
///              after each step of one of them
///   n_threads  1: environments are stepped one after another, in the calling thread; more: `step`
///              is called by several threads at once, for different `i`; not with infos, because
///              there is one array of them
///
/// Fails with MR_ERR_USAGE if the spec does not fit: no name, or one with a colon, no observation
/// or action, more than 2^20 of either, a lower bound that is not below its upper bound, both
/// finite; infos with several threads.
MR_API mr_status mr_vec_env_new(const mr_env_callbacks *callbacks, void *self,
                                const mr_env_spec *spec, size_t n, int n_threads, mr_vec_env **out);

/// Adds an info to environments of mr_vec_env_new, if its name is only known once `reset` or `step`
/// has it: they may call this. It becomes the last of the spec, and each environment has NaN for it
/// until its next step.
///
///   name  copied
///
/// The caller's array `info` of the spec must have room for one more value. Fails with MR_ERR_USAGE
/// if the spec had no `info`, and on other environments.
MR_API mr_status mr_vec_env_add_info(mr_vec_env *vec, const char *name);

/// Closes all of them; NULL is fine.
MR_API void mr_vec_env_close(mr_vec_env *vec);

/// What each of them is; NULL of NULL.
MR_API const mr_env_spec *mr_vec_env_get_spec(const mr_vec_env *vec);

/// How many they are.
MR_API size_t mr_vec_env_n(const mr_vec_env *vec);

/// mr_env_n_diverged of all together.
MR_API size_t mr_vec_env_n_diverged(const mr_vec_env *vec);

/// How many steps came with a warning (mr_step.warning), of all together.
MR_API size_t mr_vec_env_n_warned(const mr_vec_env *vec);

/// The first of these warnings; NULL: none yet.
MR_API const char *mr_vec_env_warning(const mr_vec_env *vec);

/// Copies the values that the environments have beside observation and reward after their last
/// steps or resets (mr_env_info), under the names of their spec.
///
///   n_info  how many of the names: mr_env_spec.n_info, which grows while remote environments are
///           stepped, because their spec has the names that have come so far, and by
///           mr_vec_env_add_info
///   infos   [n x n_info] out; NaN: an environment did not give that value, or the spec does not
///           have so many names
MR_API mr_status mr_vec_env_infos(const mr_vec_env *vec, size_t n_info, double *infos);

/// Begins an episode in environment `i`. `obs` [obs_dim] out; `seed` as for mr_env_reset.
MR_API mr_status mr_vec_env_reset(mr_vec_env *vec, size_t i, const uint64_t *seed, double *obs);

/// Steps environments once, all or those that are active.
///
///   active   [n] which; NULL: all. The rows of the others are neither read nor written
///   actions  [n x act_dim] in, the task's own units
///   obs      [n x obs_dim] out; if an episode ended, its last observation (nothing is reset
///            here); unchanged if mr_step.lost
///   results  [n] out
///
/// Gives the same numbers whatever the number of threads. Fails with the message of the first
/// environment that failed, its index named.
MR_API mr_status mr_vec_env_step(mr_vec_env *vec, const bool *active, const double *actions,
                                 double *obs, mr_step *results);

#ifdef __cplusplus
}
#endif
