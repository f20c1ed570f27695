// Models by name or path.

#include "envs/mujoco/model.h"

#include "base/nearest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char builtin_prefix[] = "builtin:";
enum { PREFIX_LENGTH = sizeof builtin_prefix - 1 };

static const char *name_at(const void *table, size_t i) {
    (void)table;
    return mr_model_files[i].name;
}

// NULL: there is none.
static const mr_embedded_file *find_builtin(const char *name) {
    for (size_t i = 0; i < mr_n_model_files; i++)
        if (strcmp(mr_model_files[i].name, name) == 0)
            return &mr_model_files[i];
    return NULL;
}

static bool has_prefix(const char *name) {
    return strncmp(name, builtin_prefix, PREFIX_LENGTH) == 0;
}

bool mr_model_is_builtin(const char *name) {
    return has_prefix(name) || find_builtin(name) != NULL;
}

mr_status mr_model_open_file(const char *path, char *warnings, mjModel **out) {
    const bool is_there = access(path, R_OK) == 0; // opening it would need memory, too
    if (!is_there && find_builtin(path) != NULL)
        return mr_fail(MR_ERR_IO,
                       "cannot read the model %s: %s; the built-in model of that name is opened "
                       "with a task of its own, as in --env-set xml_file=%s%s",
                       path, strerror(errno), builtin_prefix, path);
    if (!is_there)
        return mr_fail(MR_ERR_IO, "cannot read the model %s: %s", path, strerror(errno));
    return mr_mujoco_load_file(path, warnings, out);
}

// What MuJoCo says of a built-in model is for its developers: half_cheetah.xml is Gymnasium's,
// whose settotalmass 4.0.0 calls deprecated.
static mr_status open_builtin(const char *name, char *warnings, mjModel **out) {
    const mr_embedded_file *file = find_builtin(name);
    const char *nearest = mr_nearest(name, mr_n_model_files, name_at, NULL);
    if (file != NULL) {
        const mr_status status = mr_mujoco_load(file->name, file->bytes, file->size, warnings, out);
        warnings[0] = '\0';
        return status;
    }
    return mr_fail(MR_ERR_USAGE, "there is no built-in model \"%s\"; did you mean \"%s\"?", name,
                   nearest != NULL ? nearest : mr_model_files[0].name);
}

mr_status mr_model_open(const char *name, char *warnings, mjModel **out) {
    if (has_prefix(name))
        return open_builtin(name + PREFIX_LENGTH, warnings, out);
    if (find_builtin(name) == NULL)
        return mr_model_open_file(name, warnings, out);
    if (access(name, F_OK) == 0)
        return mr_fail(MR_ERR_USAGE,
                       "%s is the name of a built-in model and of a file in this folder; write "
                       "xml_file=%s%s for the built-in model, xml_file=./%s for the file",
                       name, builtin_prefix, name, name);
    return open_builtin(name, warnings, out);
}

// ---- Models that are shared

mr_status mr_shared_model_new(mjModel *model, mr_shared_model **out) {
    mr_shared_model *shared = malloc(sizeof *shared);
    if (shared == NULL) {
        mj_deleteModel(model);
        return mr_fail_memory("a MuJoCo model");
    }
    *shared = (mr_shared_model){.model = model, .n_users = 1};
    *out = shared;
    return MR_OK;
}

mr_shared_model *mr_shared_model_use(mr_shared_model *shared) {
    atomic_fetch_add(&shared->n_users, 1);
    return shared;
}

void mr_shared_model_release(mr_shared_model *shared) {
    if (shared == NULL || atomic_fetch_sub(&shared->n_users, 1) > 1)
        return;
    mj_deleteModel(shared->model);
    free(shared);
}

// ---- Actuators

// An actuator for messages: its name, or its number if it has none.
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
    return MR_OK;
}

mr_status mr_model_limit_actuators(const char *name, const mr_range *range, mjModel *model) {
    const bool has_default = range->low < range->high;
    for (int i = 0; i < (int)model->nu; i++) {
        mjtNum *own = &model->actuator_ctrlrange[2 * i];
        const bool has_own = own[0] < own[1];
        if (model->actuator_ctrllimited[i] && has_own)
            continue;
        if (!has_default)
            return mr_fail(MR_ERR_INPUT,
                           "%s: actuator %s has no range; give it one in the model, as in "
                           "ctrllimited=\"true\" ctrlrange=\"-1 1\", or all that have none in the "
                           "task file, as in default_ctrlrange: [-1, 1]",
                           name, name_of(model, i).text);
        own[0] = has_own ? own[0] : range->low;
        own[1] = has_own ? own[1] : range->high;
        model->actuator_ctrllimited[i] = 1;
    }
    return MR_OK;
}
