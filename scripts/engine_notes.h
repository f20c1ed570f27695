/// What commands say, in one line on stderr, of the engine that simulates a task.
#pragma once

#include "agents/policy.h"

/// That a policy plays on another engine than it was trained on, if it does.
void mr_engine_tell(const mr_policy_spec *policy, const mr_env_spec *env);

/// A warning of the simulation (mr_step.warning).
void mr_warning_tell(const char *env, const char *warning);
