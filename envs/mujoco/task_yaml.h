/// Tasks described in YAML: the words of docs/environments.md, made into an mr_task.
#pragma once

#include "envs/mujoco/task.h"

/// Reads a description of a task for a model. Its options are named as the general ones and after
/// its terms ("velocity_weight").
///
///   summary  [MR_OPTION_MAX_TEXT] out, the file's own line about the task; "" where it has none
///
/// Fails with MR_ERR_INPUT and the line and column of the first fault: an unknown key, term, field,
/// body, site or joint (the nearest or all that there are in the message), a value that does not
/// fit, what is missing.
mr_status mr_task_read_yaml(const char *path, const mjModel *model, mr_task *task, char *summary);
