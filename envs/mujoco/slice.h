/// Slices: which components of MuJoCo's arrays they are in a model, their names, and their values
/// in a state.
#pragma once

#include "envs/mujoco/state.h"

/// An array of mjData that tasks read. Some belong to objects of the model: `width` components to
/// each.
struct mr_field {
    const char *name; // MuJoCo's
    mjtObj object;    // whose they are, as mjOBJ_BODY; mjOBJ_UNKNOWN: no object's
    size_t width;
    size_t (*count)(const mjModel *model); // of objects, or of components if there are no objects
    const mjtNum *(*values)(const mr_mujoco *mujoco);
    /// Which components are object `id`'s; NULL: `width` of them from id * width on.
    void (*span)(const mjModel *model, int id, size_t *start, size_t *n);
    bool after_step; // filled by mj_rnePostConstraint, not by mj_step
};

/// A function of one number.
struct mr_map {
    const char *name;
    double (*of)(double x);
};

/// Finds an object by its name, or by its number if there is none of that name. Fails with
/// MR_ERR_INPUT; the nearest name is in the message, or all if none is near.
mr_status mr_object_find(const mjModel *model, mjtObj type, const char *name, int *id);

/// What messages call that kind of object: "body".
const char *mr_object_what(mjtObj type);

/// The object that component `i` of a field belongs to; of a field whose components are objects'.
int mr_field_owner(const mjModel *model, const mr_field *field, size_t i);

/// The field of the object that a slice subtracts.
const mr_field *mr_slice_minus_field(const mr_slice *slice);

/// Finds the objects and components of a slice in a model. Fails with MR_ERR_INPUT if they are not
/// there; the message names what there is.
mr_status mr_slice_resolve(const mjModel *model, mr_slice *slice);

/// All slices of a task. `name` begins the message of a failure.
mr_status mr_task_resolve(const char *name, const mjModel *model, mr_task *task);

/// How many components of a part are observed: 0 if its option leaves it out.
size_t mr_obs_part_dim(const mr_obs_part *part);

enum { MR_SLICE_NAME_SIZE = 3 * MR_NAME_SIZE };

/// Names component `i` of a slice: "qpos.rootz", "cinert.torso.3", "cos.qpos.joint0",
/// "xpos.fingertip-target.0": map, field, object, and which of the object's components if it has
/// several.
///
///   name  [MR_SLICE_NAME_SIZE] out
void mr_slice_name(const mjModel *model, const mr_slice *slice, size_t i, char *name);

/// x, or the nearer end of the range; NaN stays NaN.
double mr_clip(const mr_range *range, double x);

/// The components of a slice in the present state.
typedef struct {
    const mjtNum *of;
    const mjtNum *minus; // NULL: none
} mr_slice_values;

mr_slice_values mr_slice_look(const mr_mujoco *mujoco, const mr_slice *slice);

/// Component `i` of a slice of these values, mapped, scaled and clipped.
double mr_slice_of(mr_slice_values values, const mr_slice *slice, size_t i);

/// The same in the present state.
double mr_slice_at(const mr_mujoco *mujoco, const mr_slice *slice, size_t i);
