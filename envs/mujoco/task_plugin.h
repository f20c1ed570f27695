/// Tasks in shared objects (plugin.h), made into an mr_task.
#pragma once

#include "envs/mujoco/plugin.h"
#include "envs/mujoco/task.h"

/// Loads a plug-in and describes its task. What is loaded stays until the process ends.
///
///   summary  [MR_OPTION_MAX_TEXT] out; "" where it has none
///
/// Fails with MR_ERR_INPUT when it is no plug-in, or one of another ABI version or another MuJoCo.
mr_status mr_task_read_plugin(const char *path, const mjModel *model, mr_task *task, char *summary);
