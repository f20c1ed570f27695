/// The models that are compiled into the library: `models/*.xml`, by embed.cmake.
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

/// Compiles the built-in model `name`. Fails with MR_ERR_USAGE when there is none of that name.
/// The caller releases it with mj_deleteModel.
mr_status mr_model_open(const char *name, mjModel **out);
