/// What commands say, in lines on stderr, of a task that is open and of the engine that simulates
/// it.
#pragma once

#include "agents/policy.h"

/// The task's notes (mr_env_spec.notes), a line each.
void mr_env_notes_tell(const mr_env_spec *spec);

/// That a policy plays on another engine than it was trained on, if it does.
void mr_engine_tell(const mr_policy_spec *policy, const mr_env_spec *env);

/// A warning of the simulation (mr_step.warning).
void mr_warning_tell(const char *env, const char *warning);
