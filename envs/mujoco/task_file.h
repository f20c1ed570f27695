/// Tasks that a file describes, for a model of the user's own. Both functions make an mr_task.
///
///   summary  [MR_OPTION_MAX_TEXT] out, the file's own line about the task; "": it has none
#pragma once

#include "envs/mujoco/task.h"

/// Reads a task in YAML (docs/environments.md). Its options are the general ones and the weights of
/// its terms ("velocity_weight").
///
/// Fails with MR_ERR_INPUT and the line and column of the first fault: an unknown key, term, field,
/// body, site or joint (the message has the nearest, or all that there are), an invalid value,
/// something missing.
mr_status mr_task_read_yaml(const char *path, const mjModel *model, mr_task *task, char *summary);

/// Loads a plug-in (plugin.h), which stays loaded until the process ends.
///
/// Fails with MR_ERR_INPUT if it is not a plug-in, or was built for another ABI version or another
/// MuJoCo.
mr_status mr_task_read_plugin(const char *path, const mjModel *model, mr_task *task, char *summary);
