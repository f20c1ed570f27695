/// Classic control tasks: a state of two numbers and an action of one, without an engine.
#pragma once

#include "envs/env_ops.h"

#include "base/random.h"

typedef struct mr_classic_task mr_classic_task;

/// A running task.
typedef struct {
    const mr_classic_task *task;
    double state[2];
    double option;  // the value of the task's one option
    size_t n_steps; // of the episode so far
    mr_random random;
} mr_classic;

/// A task as data: `task` of its row of built-in environments.
struct mr_classic_task {
    size_t obs_dim;
    const char *const *obs_names; // [obs_dim]
    double act_low[1], act_high[1];
    size_t max_episode_steps;
    const char *option; // its name, Gymnasium's
    double option_default, option_min, option_max;

    /// Draws the state that an episode starts in.
    void (*start)(mr_classic *classic);
    /// Advances the state. Sets the reward and whether the episode terminated.
    ///   action  as it was given, not clipped
    void (*step)(mr_classic *classic, double action, mr_step *result);
    ///   obs  [obs_dim] out
    void (*observe)(const mr_classic *classic, double *obs);
    /// Writes what follows the line with the task's name in its description.
    void (*describe)(const mr_classic *classic, char *text, size_t size);
};

/// x, or the nearer bound.
double mr_classic_clip(double x, double low, double high);

/// For the rows of built-in environments.
mr_status mr_classic_open(const mr_env_builtin *builtin, const mr_env_options *options,
                          mr_env **out);
mr_status mr_classic_describe(const mr_env_builtin *builtin, const mr_env_options *options,
                              char *text, size_t size);

/// The state of a running task, for tests: it may be written to between a reset and the first step.
/// NULL if `env` is no classic task.
double *mr_classic_state(const mr_env *env);
