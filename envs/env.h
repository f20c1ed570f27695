/// Environments (millrace/env.h), and what the rest of the library asks about them.
#pragma once

#include "millrace/env.h"
#include "base/status.h"

/// Installs handlers of MuJoCo's errors and warnings, for the whole process: what mr_init does for
/// MR_INIT_MUJOCO. Once.
void mr_env_take_mujoco_errors(void);

/// Whether a name stands for remote environments (zmq:). Their server says how many there are, and
/// one client at a time has all of them.
bool mr_env_is_remote(const char *name);

/// The name that data sets and presets have for the task of an environment: "Hopper-v5" for
/// "gymnasium/Hopper-v5", which is what the Python package calls a Gymnasium environment, because
/// ours of the same name is another one. Else `name`.
const char *mr_env_task_name(const char *name);

/// Whether the environment is simulated by another engine, or version of it, than the given one.
/// False if either is not known (NULL or "").
bool mr_env_is_other_engine(const mr_env_spec *spec, const char *engine, const char *version);
