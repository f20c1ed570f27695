/// Models: those that are compiled into the library (`models/*.xml`, by embed.cmake), and files.
#pragma once

#include "nn/status.h"

#include <mujoco/mujoco.h>

typedef struct {
    const char *name; // of the file, for example "hopper.xml"
    const unsigned char *xml;
    size_t size;
} mr_model_file;

/// Generated.
extern const mr_model_file mr_model_files[];
extern const size_t mr_n_model_files;

/// Compiles a model: the built-in one of that name, or else the file at that path. The caller
/// releases it with mj_deleteModel. Fails with MR_ERR_IO when there is neither, and with
/// MR_ERR_INPUT and MuJoCo's reason when it is no model.
mr_status mr_model_open(const char *name, mjModel **out);

/// Refuses a model without actuators and actuators without a range: an agent must know its bounds.
/// `name` begins the message.
mr_status mr_model_check_actuators(const char *name, const mjModel *model);
