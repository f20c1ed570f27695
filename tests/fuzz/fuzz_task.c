// Any text as a description of a task, for two robots. What is taken is opened, and makes a step.

#include "envs/mujoco/open.h"
#include "envs/mujoco/simulation.h"
#include "envs/mujoco/task_file.h"
#include "tests/fuzz/fuzz.h"

static const char *const files[] = {MR_EXAMPLES "/hexapod.xml", MR_EXAMPLES "/reach.xml"};
static mjModel *models[MR_COUNT(files)];

static void open_once(void) {
    char error[1024];
    for (size_t i = 0; i < MR_COUNT(files); i++)
        if (models[i] == NULL) {
            models[i] = mj_loadXML(files[i], NULL, error, sizeof error);
            assert(models[i] != NULL);
        }
}

static void step(mr_env *env) {
    const mr_env_spec *spec = mr_env_get_spec(env);
    const uint64_t seed = 1;
    mr_step result;
    double *obs = calloc(spec->obs_dim + 1, sizeof *obs);
    double *action = calloc(spec->act_dim + 1, sizeof *action);
    assert(obs != NULL && action != NULL);
    if (fuzz_is_fine(mr_env_reset(env, &seed, obs)))
        fuzz_is_fine(mr_env_step(env, action, obs, &result));
    for (size_t j = 0; j < spec->obs_dim; j++)
        fuzz_touch(obs[j]);
    free(obs);
    free(action);
}

static void read_task(const char *path, const mjModel *model) {
    mr_env *env;
    mr_task task = {0};
    char summary[MR_OPTION_MAX_TEXT];
    if (!fuzz_is_fine(mr_task_read_yaml(path, model, &task, summary)))
        return;
    assert(strlen(summary) < sizeof summary);
    if (task.frame_skip > 2) // which may be a thousand million
        task.frame_skip = 2;
    if (fuzz_is_fine(mr_task_set("input", "", &task)) &&
        fuzz_is_fine(mr_mujoco_new("input", &task, mj_copyModel(NULL, model), "", &env))) {
        step(env);
        mr_env_close(env);
    }
    mr_task_free(&task);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    const char *path = fuzz_file(data, n_bytes);
    open_once();
    for (size_t i = 0; i < MR_COUNT(files); i++)
        read_task(path, models[i]);
    return 0;
}
