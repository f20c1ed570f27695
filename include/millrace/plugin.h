/// Tasks as C plug-ins, for tasks that the terms of a YAML file can't express.
///
/// A plug-in is a shared object that defines `millrace_task`, an mr_plugin, and nothing else that
/// millrace looks at. It is used as `--task ./my_task.so` with a model of one's own:
///
///     cc -shared -fPIC my_task.c $(pkg-config --cflags millrace) -o my_task.so
///     millrace train mjcf:robot.xml --task ./my_task.so
///
/// It calls nothing of millrace, and MuJoCo as it likes. It must be built with the headers of the
/// MuJoCo that millrace runs on, because it reads mjModel and mjData; MR_PLUGIN_HEADER records
/// their version, and another one is refused. docs/examples/balance.c is one.
#pragma once

#include <mujoco/mujoco.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The version of this interface, increased whenever the struct below changes.
enum { MR_PLUGIN_ABI = 1 };

/// Begins every plug-in: `const mr_plugin millrace_task = {MR_PLUGIN_HEADER, .summary = ...}`.
#define MR_PLUGIN_HEADER .abi = MR_PLUGIN_ABI, .mujoco = mjVERSION_HEADER

/// Random numbers for a reset: they follow the environment's seed.
typedef struct mr_plugin_random mr_plugin_random;

/// The distributions to draw from.
struct mr_plugin_random {
    /// Uniform on [low, high).
    double (*uniform)(mr_plugin_random *random, double low, double high);
    /// Normal of mean 0 and deviation 1.
    double (*normal)(mr_plugin_random *random);
};

/// A task. Functions may be called for several environments at the same time: what they keep, they
/// keep in `kept`. After an `mj_step`, positions of bodies belong to the state before its last
/// integration. Fields that may be 0 or NULL, by their comments, can be left out.
typedef struct {
    uint32_t abi;             // MR_PLUGIN_HEADER sets it
    int mujoco;               // and this
    const char *summary;      // one line; NULL: none
    size_t frame_skip;        // simulation steps for each step of the environment, from 1
    size_t max_episode_steps; // 0: no limit

    /// The number of observations, at least 1.
    size_t (*obs_dim)(const mjModel *model);
    /// The observation of the present state.
    ///   obs  [obs_dim] out
    void (*observe)(const mjModel *model, const mjData *data, double *obs);

    size_t n_kept; // numbers that are kept from before a step for its reward
    /// Called before a step. NULL if n_kept is 0.
    ///   kept  [n_kept] out
    void (*keep)(const mjModel *model, const mjData *data, double *kept);

    size_t n_info;                 // numbers to tell beside the reward
    const char *const *info_names; // [n_info] each another, at most 127 bytes, not "reward"
    /// The reward of a step; the action is in data->ctrl.
    ///   seconds  that the step took
    ///   kept     [n_kept] in
    ///   info     [n_info] out
    double (*reward)(const mjModel *model, const mjData *data, double seconds, const double *kept,
                     double *info);

    /// Whether the task is over. NULL: never.
    bool (*is_over)(const mjModel *model, const mjData *data);

    /// Changes the start of an episode. NULL: it is the model's initial state.
    ///   qpos  [nq] in and out
    ///   qvel  [nv] in and out
    void (*place)(const mjModel *model, mr_plugin_random *random, double *qpos, double *qvel);
} mr_plugin;
