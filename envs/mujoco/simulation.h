/// Runs a MuJoCo task: resets and steps.
#pragma once

#include "envs/mujoco/state.h"

/// The functions of the environment (mr_env_wrap).
extern const mr_env_ops mr_mujoco_ops;

/// The running task of an environment; NULL if it is not a MuJoCo task.
mr_mujoco *mr_mujoco_of(const mr_env *env);

/// Begins an episode: puts the simulation where it starts, with noise and goals drawn from
/// mujoco->random.
mr_status mr_mujoco_begin(mr_mujoco *mujoco);

/// Begins an episode in a state of one's own.
///   qpos  [nq] in
///   qvel  [nv] in
mr_status mr_mujoco_set_state(mr_mujoco *mujoco, const double *qpos, const double *qvel);

/// The simulation of one step of the environment: all of a step but observation, reward and end.
///   action  [nu] in
mr_status mr_mujoco_simulate(mr_mujoco *mujoco, const double *action);

/// The observation of the present state.
///   obs  [obs_dim] out
void mr_mujoco_observe(const mr_mujoco *mujoco, double *obs);

/// Whether a measure lies within its healthy range, in the present state.
bool mr_healthy_is_kept(const mr_mujoco *mujoco, const mr_healthy_range *range);
