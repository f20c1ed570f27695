/// MuJoCo's warnings that the physics is not the model's.
#pragma once

#include <mujoco/mujoco.h>

/// What MuJoCo has warned of since it had warned `counted[mjNWARNING]` times of each kind, which is
/// then brought up to date: one line with the remedy, a static text. NULL: of nothing. Of several
/// kinds, the first of these: no room for contacts, none for constraints, a state or a control that
/// is no number, a singular inertia.
const char *mr_warnings_count(const mjData *data, int counted[mjNWARNING]);
