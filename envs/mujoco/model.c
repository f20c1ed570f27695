// Built-in models by name.

#include "envs/mujoco/model.h"

#include "envs/mujoco/compat.h"

#include <string.h>

mr_status mr_model_open(const char *name, mjModel **out) {
    for (size_t i = 0; i < mr_n_model_files; i++) {
        const mr_model_file *file = &mr_model_files[i];
        if (strcmp(file->name, name) == 0)
            return mr_mujoco_load(name, file->xml, file->size, out);
    }
    return mr_fail(MR_ERR_USAGE, "there is no built-in model \"%s\"; see envs/mujoco/models/",
                   name);
}
