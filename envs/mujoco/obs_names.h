/// Names of what a task observes.
#pragma once

#include "envs/mujoco/task.h"

enum { MR_OBS_NAME_SIZE = 3 * MR_NAME_SIZE };

/// Names each component of the observation: "qpos.rootz", "cinert.torso.3",
/// "cos.qpos.joint0", "xpos.fingertip-target.0": map, field, object, and which of its components
/// where it has several.
///
///   names  [obs_dim] out
void mr_mujoco_name_obs(const mr_mujoco *mujoco, char (*names)[MR_OBS_NAME_SIZE]);
