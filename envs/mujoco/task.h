/// A MuJoCo task as data, and the running task that is made from it. For envs/mujoco/ and its
/// tests.
///
/// A description is a plain struct without pointers to parts of itself, so that copying it copies
/// all: a running task has its own, in which options may be changed before it is opened. What it
/// may say is listed in terms.h.
#pragma once

#include "envs/env_kind.h"

#include "nn/random.h"

#include <mujoco/mujoco.h>

typedef struct mr_mujoco mr_mujoco;

enum { MR_MAX_OBS_PARTS = 8, MR_MAX_REWARDS = 4, MR_MAX_RANGES = 4 };

/// An array of mjData that tasks read.
typedef struct {
    const char *name; // MuJoCo's
    size_t (*dim)(const mjModel *model);
    const mjtNum *(*values)(const mjData *data);
    const char *(*label)(const mjModel *model, size_t i); // what component i belongs to
} mr_field;

/// Some components of a field, from `first` on.
typedef struct {
    const mr_field *field;
    size_t first;
    size_t n; // 0: up to the field's last
} mr_slice;

/// A part of the observation. Parts follow each other in the order of the description.
typedef struct {
    mr_slice of;
    double low, high; // clipped to this range; both 0: not clipped
} mr_obs_part;

/// What can be rewarded.
typedef struct {
    const char *name;    // Gymnasium's name for it in `info`
    const char *formula; // for descriptions
    /// What is kept from before the step; NULL: nothing.
    double (*before)(const mr_mujoco *mujoco);
    /// The term after the step, not weighted. Costs are negative.
    double (*value)(const mr_mujoco *mujoco, double before, const double *action);
} mr_reward_kind;

typedef struct {
    const mr_reward_kind *kind;
    const char *option; // Gymnasium's name of the weight; NULL: it has none
    double weight;
} mr_reward_term;

/// Every component must lie within (low, high), or [low, high] where `closed`, for the state to be
/// healthy.
typedef struct {
    const char *option; // Gymnasium's name of the range; NULL: it has none
    mr_slice of;
    double low, high;
    bool closed;
} mr_healthy_range;

/// How the start of an episode is disturbed.
typedef struct {
    const char *name;
    double (*draw)(mr_random *random);
} mr_noise_kind;

typedef struct {
    const mr_noise_kind *kind;
    double scale;
} mr_noise;

/// A task. Lists end at their first row of zeros.
typedef struct {
    const char *model; // file under models/
    size_t frame_skip; // simulation steps for each step of the environment
    size_t max_episode_steps;
    mr_obs_part obs[MR_MAX_OBS_PARTS];
    mr_reward_term rewards[MR_MAX_REWARDS]; // summed in this order
    mr_healthy_range healthy[MR_MAX_RANGES];
    bool terminate_when_unhealthy;
    mr_noise qpos_noise, qvel_noise; // added to the model's initial state
    const char *source;
} mr_task;

/// A task that runs. Readable by the terms; written by task.c alone.
struct mr_mujoco {
    const char *name;
    mr_task task;
    mjModel *model; // owned
    mjData *data;   // owned
    mr_random random;
    double dt;                     // seconds that a step of the environment takes
    bool healthy;                  // after the last step or reset
    double before[MR_MAX_REWARDS]; // what each reward term kept from before the step
    double bounds[];               // [2 x nu] lowest actions, then highest
};

/// For the rows of built-in environments (mr_env_builtin), whose `task` is an mr_task.
mr_status mr_mujoco_open(const mr_env_builtin *builtin, const mr_env_options *options,
                         mr_env **out);
mr_status mr_mujoco_describe(const mr_env_builtin *builtin, const mr_env_options *options,
                             char *text, size_t size);

/// Changes a task by its options (mr_env_options_set), those that its parts name and the general
/// ones.
mr_status mr_task_set_options(mr_task *task, const char *name, const char *set);

/// The running task behind an environment; NULL when it is not a MuJoCo task.
mr_mujoco *mr_mujoco_of(const mr_env *env);

/// Puts the simulation, otherwise fresh, into a state; as a reset does.
///   qpos  [nq] in
///   qvel  [nv] in
mr_status mr_mujoco_set_state(mr_mujoco *mujoco, const double *qpos, const double *qvel);

/// The simulation of one step of the environment: all of a step but observation, reward and end.
///   action  [nu] in
mr_status mr_mujoco_simulate(mr_mujoco *mujoco, const double *action);

/// The number of components of a slice.
size_t mr_slice_dim(const mjModel *model, const mr_slice *slice);

/// How many rows the lists of a task have.
size_t mr_task_n_obs(const mr_task *task);
size_t mr_task_n_rewards(const mr_task *task);
size_t mr_task_n_ranges(const mr_task *task);

/// The observation of the present state.
///   obs  [obs_dim] out
void mr_mujoco_observe(const mr_mujoco *mujoco, double *obs);
