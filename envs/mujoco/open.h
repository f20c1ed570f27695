/// Opening tasks that are not built in.
#pragma once

#include "envs/mujoco/task.h"

/// Makes an environment of a task, which is copied, and whose options must be set already.
///
///   model     taken over, also on failure; NULL: it is loaded as the task says
///   warnings  what MuJoCo warned of in the model (mr_model_open); becomes notes of the environment
mr_status mr_mujoco_new(const char *name, const mr_task *task, mjModel *model, const char *warnings,
                        mr_env **out);

/// Opens another environment of a running task (mr_env_ops.copy). Both read the same model, unless
/// episodes change it.
mr_status mr_mujoco_copy(const void *self, const mr_env_spec *spec, mr_env **out);
