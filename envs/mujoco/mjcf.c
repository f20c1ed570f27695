// "mjcf:FILE": a model of the user's own, with a task that a file describes.

#include "envs/mujoco/describe.h"
#include "envs/mujoco/model.h"
#include "envs/mujoco/open.h"
#include "envs/mujoco/simulation.h"
#include "envs/mujoco/task_file.h"

#include <stdio.h>

#include "base/path.h"

// Files that describe tasks, by how their names end.
static const struct {
    const char *ending;
    mr_status (*read)(const char *path, const mjModel *model, mr_task *task, char *summary);
} readers[] = {
    {".yaml", mr_task_read_yaml},
    {".yml", mr_task_read_yaml},
    {".so", mr_task_read_plugin},
};

static mr_status read_task(const char *name, const char *path, const mjModel *model, mr_task *task,
                           char *summary) {
    if (path[0] == '\0')
        return mr_fail(MR_ERR_USAGE,
                       "%s is a model without a task; describe one in a file and give it by "
                       "--task FILE.yaml (docs/environments.md)",
                       name);
    for (size_t i = 0; i < MR_COUNT(readers); i++)
        if (mr_path_has_suffix(path, readers[i].ending))
            return readers[i].read(path, model, task, summary);
    return mr_fail(MR_ERR_USAGE, "%s: a task is described by a .yaml or a .so file", path);
}

// `initial` is the task before its options were set, to be freed in any case.
static mr_status open_model(const char *name, const char *path, const mr_env_options *options,
                            mr_task *initial, char *summary, mr_env **out) {
    mr_status status;
    mjModel *model = NULL;
    mr_task task = {0};
    char warnings[MR_MUJOCO_TEXT_SIZE];

    if (path[0] == '\0')
        return mr_fail(MR_ERR_USAGE, "%s names no file; write it as in mjcf:robot.xml", name);
    MR_TRY(mr_model_open_file(path, warnings, &model));
    MR_TRY(mr_model_check_actuators(path, model)); // before what the task says about them
    MR_TRY(read_task(name, options->task, model, initial, summary));
    MR_TRY(mr_task_copy(initial, &task));
    MR_TRY(mr_task_set(name, options->set, &task));
    status = mr_mujoco_new(name, &task, model, warnings, out);
    model = NULL;
done:
    mr_task_free(&task);
    mj_deleteModel(model);
    return status;
}

static mr_status mjcf_open(const char *name, const char *path, const mr_env_options *options,
                           mr_env **out) {
    mr_task initial = {0};
    char summary[MR_OPTION_MAX_TEXT];
    const mr_status status = open_model(name, path, options, &initial, summary, out);
    mr_task_free(&initial);
    return status;
}

static mr_status mjcf_describe(const char *name, const char *path, const mr_env_options *options,
                               char *text, size_t size) {
    mr_env *env = NULL;
    mr_status status;
    mr_task initial = {0};
    char summary[MR_OPTION_MAX_TEXT];

    MR_TRY(open_model(name, path, options, &initial, summary, &env));
    status = mr_mujoco_print(mr_mujoco_of(env), summary[0] != '\0' ? summary : options->task,
                             &initial, text, size);
done:
    mr_env_close(env);
    mr_task_free(&initial);
    return status;
}

const mr_env_scheme mr_env_mjcf = {
    .scheme = "mjcf",
    .form = "mjcf:FILE.xml",
    .summary = "a MuJoCo model of your own, its task described by --task FILE",
    .open = mjcf_open,
    .describe = mjcf_describe,
};
