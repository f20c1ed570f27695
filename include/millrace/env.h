/// An environment: the one interface to built-in, remote and user environments alike.
///
/// An environment is opened by name, reset to begin an episode, and stepped until the episode ends
/// by termination (the task is over: no future reward) or by truncation (a limit cut it off: the
/// future goes on and is bootstrapped from). After either, only a reset may follow. Terms are
/// Gymnasium's. An environment is used by one thread at a time.
#pragma once

#include <millrace/status.h>

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// An environment: one copy of a task.
typedef struct mr_env mr_env;

/// A box in the plane of two features of the observation that holds all places where an agent can
/// get to, or all that matter.
typedef struct {
    size_t feature[2];
    double low[2], high[2];
} mr_env_arena;

/// What an environment is. Valid as long as the environment is open. A later version may add
/// fields at the end; a caller who fills one in (mr_vec_env_new) begins with `= {0}`.
typedef struct {
    const char *name;
    size_t obs_dim;
    size_t act_dim;
    const double *act_low;    // [act_dim], the task's own units
    const double *act_high;   // [act_dim]
    size_t max_episode_steps; // an episode is truncated after so many steps; 0: never
    const char *engine;       // what simulates it: "MuJoCo"; NULL: not known
    const char *engine_version;
    size_t n_info;                 // what mr_env_info holds
    const char *const *info_names; // [n_info]
    const double *info;            // [n_info]
    const char *const *obs_names;  // [obs_dim] "qpos.rootz"; NULL: they have none
    const mr_env_arena *arena;     // NULL: none
    size_t n_notes;                // what users should know before they train on it
    const char *const *notes;      // [n_notes] a line each, without a final dot or newline
} mr_env_spec;

/// What a step returns beside the observation.
typedef struct {
    double reward;
    bool terminated;
    bool truncated;
    bool diverged; // the simulation broke down, so that the episode was truncated: the observation
                   // is the last good one, the reward 0
    const char *warning; // what makes the physics of this step another one than the model's, with
                         // the remedy, in one line, valid as long as the environment is open;
                         // NULL: nothing
    bool lost; // a remote environment was reset by its server before this step, so that its episode
               // was truncated: there is no observation and no reward
} mr_step;

/// How remote environments (zmq:) are reached.
typedef struct {
    double timeout_s; // to wait for a reply; then the client connects again and repeats its request
    size_t retries;
    const char *curve_server_key; // file with the server's public key; NULL or "": no encryption
    const char *curve_secret_key; // file with the client's secret key
    /// Called after each time-out, before the request is repeated; it has then been sent `n_asked`
    /// times. May be NULL.
    void (*waiting)(void *self, const char *endpoint, size_t n_asked);
    void *self;
    const volatile sig_atomic_t *stop; // non-zero: no longer waits; may be NULL
} mr_env_link;

/// How an environment is opened, beside its name. All 0 is the default, also of fields that a later
/// version adds: begin with `= {0}`.
typedef struct {
    const char *set;  // "key=value,key=value" with Gymnasium's names of options, ranges as
                      // "low:high"; NULL or "": defaults
    const char *task; // file that describes the task of an "mjcf:" model (.yaml or .so); NULL or
                      // "": none
    const mr_env_link *link; // NULL: 10 s, 5 retries, no keys
} mr_env_options;

/// Opens an environment by its name, for example "HalfCheetah-v5", or by a scheme and an address,
/// for example "mjcf:model.xml".
///
///   options  NULL: defaults
///
/// Fails with MR_ERR_USAGE on an unknown name or option (the message has the nearest, or all if
/// none is near) and on an option's value that does not fit. The caller closes it.
MR_API mr_status mr_env_open(const char *name, const mr_env_options *options, mr_env **out);

/// Closes it and releases all it holds; NULL is fine.
MR_API void mr_env_close(mr_env *env);

/// What it is; NULL of NULL.
MR_API const mr_env_spec *mr_env_get_spec(const mr_env *env);

/// Begins an episode.
///
///   seed  restarts the environment's own random numbers; NULL: they go on from where they are
///         (an environment never given a seed starts as if given 0)
///   obs   [obs_dim] out, the first observation
///
/// Fails with MR_ERR_NUMERIC when the observation is not finite.
MR_API mr_status mr_env_reset(mr_env *env, const uint64_t *seed, double *obs);

/// Advances by one action.
///
///   action  [act_dim] in, the task's own units, handed on as it is (as in Gymnasium, nothing is
///           clipped)
///   obs     [obs_dim] out, the observation after the step, also if the episode ends with it
///   result  out
///
/// Fails with MR_ERR_USAGE when the episode is over or was never begun, and with MR_ERR_NUMERIC
/// when the action, the observation or the reward is not finite (the message names which, and the
/// index).
MR_API mr_status mr_env_step(mr_env *env, const double *action, double *obs, mr_step *result);

/// How many values an environment has beside observation and reward, under Gymnasium's names: the
/// parts of the reward ("reward_ctrl"), positions, velocities. An agent does not need them.
MR_API size_t mr_env_info_count(const mr_env *env);

/// The name of value `i`; one of several components is "name[1]". Valid as long as the environment
/// is open; NULL if there is no such value.
MR_API const char *mr_env_info_name(const mr_env *env, size_t i);

/// The values [mr_env_info_count] after the last step; after a reset, those that do not need a step
/// (others are 0). Valid until the next step, reset or close.
MR_API const double *mr_env_info(const mr_env *env);

/// How many episodes ended because the simulation broke down (mr_step.diverged), since the
/// environment was opened.
MR_API size_t mr_env_n_diverged(const mr_env *env);

/// How many steps came with a warning (mr_step.warning), since the environment was opened.
MR_API size_t mr_env_n_warned(const mr_env *env);

/// The first of these warnings; NULL: none yet.
MR_API const char *mr_env_warning(const mr_env *env);

/// An environment that can be opened.
typedef struct {
    const char *name;
    const char *summary; // one line
} mr_env_entry;

/// The built-in environments.
MR_API size_t mr_env_count(void);
MR_API mr_env_entry mr_env_at(size_t i); // both NULL if there is no such one

/// The kinds of environments that are named by a scheme and an address: "mjcf:FILE.xml".
MR_API size_t mr_env_scheme_count(void);

/// Kind `i` of these, as for mr_env_at.
MR_API mr_env_entry mr_env_scheme_at(size_t i);

/// Writes a description for people (sizes, bounds, observation layout, reward, termination, reset,
/// options, source) of the environment that mr_env_open would give into `text`, at most `size`
/// bytes with the final zero.
MR_API mr_status mr_env_describe(const char *name, const mr_env_options *options, char *text,
                                 size_t size);

#ifdef __cplusplus
}
#endif
