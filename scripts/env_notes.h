/// What a task says of itself once it is open.
#pragma once

#include "envs/env.h"

/// Writes the task's notes (mr_env_spec.notes) on stderr, a line each.
void mr_env_notes_tell(const mr_env_spec *spec);
