/// Objects of a model by name: for those who read descriptions.
#pragma once

#include "envs/mujoco/task.h"

/// Finds an object by its name, or by its number where there is none of that name. Fails with
/// MR_ERR_INPUT; the nearest name is in the message, or all where none is near.
mr_status mr_object_find(const mjModel *model, mjtObj type, const char *name, int *id);

/// What messages call that kind of object: "body".
const char *mr_object_what(mjtObj type);

/// The field of the object that a slice subtracts.
const mr_field *mr_slice_minus_field(const mr_slice *slice);

/// The object that component `i` of a field belongs to; of a field whose components are objects'.
int mr_field_owner(const mjModel *model, const mr_field *field, size_t i);
