/// Models: those that are compiled into the library (`models/*.xml`), and files.
#pragma once

#include "envs/mujoco/compat.h"
#include "base/embedded.h"
#include "base/options.h"
#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>

#include <mujoco/mujoco.h>

/// Made from that folder when the library is built (base/embed.cmake).
extern const mr_embedded_file mr_model_files[];
extern const size_t mr_n_model_files;

/// Compiles the model that the option `xml_file` names: "builtin:NAME" is the built-in one of that
/// name; a NAME without it the same, or else the file at that path. The caller releases it with
/// mj_deleteModel. Fails with MR_ERR_USAGE when a NAME is both, with MR_ERR_IO when there is
/// neither, and with MR_ERR_INPUT and MuJoCo's reason when it is no model.
///
///   warnings  [MR_MUJOCO_TEXT_SIZE] out, MuJoCo's warnings about a file's model, a line each; "":
///             none
mr_status mr_model_open(const char *name, char *warnings, mjModel **out);

/// A model that several environments may read at the same time. Belongs to all who use it.
typedef struct {
    mjModel *model;
    atomic_size_t n_users;
} mr_shared_model;

/// Makes the caller its first user. Takes over `model`, also on failure.
mr_status mr_shared_model_new(mjModel *model, mr_shared_model **out);

/// One more user; returns `shared`.
mr_shared_model *mr_shared_model_use(mr_shared_model *shared);

/// One user less; the last one's frees it. NULL is fine.
void mr_shared_model_release(mr_shared_model *shared);

/// Whether mr_model_open takes a name as a built-in model's (or refuses it because there is a file
/// of that name, too).
bool mr_model_is_builtin(const char *name);

/// Compiles the model in a file, even if a built-in one has the same name.
mr_status mr_model_open_file(const char *path, char *warnings, mjModel **out);

/// Refuses a model without actuators. `name` begins the message.
mr_status mr_model_check_actuators(const char *name, const mjModel *model);

/// Gives actuators without a range this one; both 0: refuses such actuators, because an agent must
/// know its bounds. A range of the model that is not declared as a limit becomes one. `name` begins
/// the message.
mr_status mr_model_limit_actuators(const char *name, const mr_range *range, mjModel *model);
