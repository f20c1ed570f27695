/// How episodes start: from the initial state or a keyframe, with noise and random goals.
#pragma once

#include "envs/mujoco/state.h"

/// Finds what a goal places in a model. Fails with MR_ERR_INPUT if it isn't there or can't be
/// placed.
mr_status mr_goal_resolve(const mjModel *model, mr_goal *goal);

/// Finds keyframe, joints and goals of mujoco->task in mujoco->model, and allocates
/// mujoco->noises.
mr_status mr_start_resolve(mr_mujoco *mujoco);

/// Whether episodes of a task, whose goals are resolved, place some of them in the model itself.
bool mr_start_changes_model(const mr_task *task);

/// Resets the data to the start without noise and goals.
void mr_start_reset(mr_mujoco *mujoco);

/// Adds the noise and draws the goals, from mujoco->random.
void mr_start_draw(mr_mujoco *mujoco);
