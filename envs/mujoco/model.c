// Models by name or path.

#include "envs/mujoco/model.h"

#include "envs/mujoco/compat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static mr_status open_file(const char *path, mjModel **out) {
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return mr_fail(MR_ERR_IO, "cannot read the model %s: %s", path, strerror(errno));
    fclose(file);
    return mr_mujoco_load_file(path, out);
}

mr_status mr_model_open(const char *name, mjModel **out) {
    for (size_t i = 0; i < mr_n_model_files; i++) {
        const mr_model_file *file = &mr_model_files[i];
        if (strcmp(file->name, name) == 0)
            return mr_mujoco_load(name, file->xml, file->size, out);
    }
    return open_file(name, out);
}

// An actuator for messages: its name, or its number where it has none.
typedef struct {
    char text[80];
} actuator_name;

static actuator_name name_of(const mjModel *model, int i) {
    actuator_name name;
    const char *own = mj_id2name(model, mjOBJ_ACTUATOR, i);
    if (own != NULL && own[0] != '\0')
        snprintf(name.text, sizeof name.text, "\"%.64s\"", own);
    else
        snprintf(name.text, sizeof name.text, "%d", i);
    return name;
}

mr_status mr_model_check_actuators(const char *name, const mjModel *model) {
    if (model->nu == 0)
        return mr_fail(MR_ERR_INPUT,
                       "%s: the model has no actuators, so that there is nothing to "
                       "learn; give it some in <actuator>",
                       name);
    for (int i = 0; i < (int)model->nu; i++)
        if (!model->actuator_ctrllimited[i] ||
            !(model->actuator_ctrlrange[2 * i] < model->actuator_ctrlrange[2 * i + 1]))
            return mr_fail(MR_ERR_INPUT,
                           "%s: actuator %s has no range; give it one in the model, as in "
                           "ctrllimited=\"true\" ctrlrange=\"-1 1\"",
                           name, name_of(model, i).text);
    return MR_OK;
}
