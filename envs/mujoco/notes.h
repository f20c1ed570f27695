/// What users should know of an opened task before they train on it.
#pragma once

#include "envs/mujoco/task.h"

/// Makes mujoco->notes of a task whose data are there, with what MuJoCo warned of in its model (a
/// line each). Tries where its episodes start; leaves data
/// and random numbers as they are before the first reset.
mr_status mr_mujoco_note(mr_mujoco *mujoco, const char *warnings);
