/// What commands say, in one line on stderr, of the engine that simulates a task.
#pragma once

#include "agents/policy.h"

/// A warning of the simulation (mr_step.warning).
void mr_warning_tell(const char *env, const char *warning);
