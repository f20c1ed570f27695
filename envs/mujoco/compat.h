/// Differences between MuJoCo's releases (2.2.2 and later), and the conversion of its errors.
///
/// All calls of MuJoCo that may fail go through this file, so that MuJoCo neither prints, nor ends
/// the process, nor writes MUJOCO_LOG.TXT, if mr_init has installed its handlers (MR_INIT_MUJOCO).
/// Its warnings are not printed: those of a model are returned when it is compiled, those of a
/// simulation are counted in mjData.warning.
#pragma once

#include "base/status.h"

#include <mujoco/mujoco.h>

enum { MR_MUJOCO_TEXT_SIZE = 512 };

/// The version of the libmujoco that runs, for example "2.2.2". Owned by the library.
const char *mr_mujoco_version(void);

/// Compiles a model from MJCF text in memory.
///
///   name      what messages call it, for example "hopper.xml"
///   xml       [size] the text; need not end with a zero
///   warnings  [MR_MUJOCO_TEXT_SIZE] out, MuJoCo's warnings about a model that it accepts, a line
///             each; "": none
///
/// Fails with MR_ERR_INPUT and MuJoCo's reason. The caller releases the model with mj_deleteModel.
mr_status mr_mujoco_load(const char *name, const void *xml, size_t size, char *warnings,
                         mjModel **out);

/// The same from a file, whose includes and meshes are found beside it.
mr_status mr_mujoco_load_file(const char *path, char *warnings, mjModel **out);

/// Runs `work(argument)`. A fatal error of MuJoCo inside ends the work at that point, and is
/// returned as MR_ERR_INPUT with MuJoCo's text (as MR_ERR_MEMORY if it ran out of memory); mjData
/// that was worked on must then be reset before it is used again. `work` must hold nothing that
/// has to be released. `name` begins the message.
mr_status mr_mujoco_run(const char *name, void (*work)(void *argument), void *argument);

/// The index of an actuator's first activation in mjData.act, and their number: 0 without a state.
void mr_mujoco_activations(const mjModel *model, int actuator, size_t *start, size_t *n);

/// mjv_moveCamera, which takes the scene as an argument in older releases.
void mr_mujoco_move_camera(const mjModel *model, mjtMouse how, double dx, double dy,
                           const mjvScene *scene, mjvCamera *camera);

/// The warnings that make the physics of a simulation another one than the model's.
///
///   counted  [mjNWARNING] how many of each kind were seen before; brought up to date
///
/// Returns one line with the remedy, a static text, or NULL if there was no new one. Of several
/// kinds, the first of these: no room for contacts, none for constraints, a state or a control that
/// is not finite, a singular inertia.
const char *mr_mujoco_warning(const mjData *data, int counted[mjNWARNING]);
