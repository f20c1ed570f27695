// The options of MuJoCo tasks: a table made from the task itself.

#include "envs/mujoco/task.h"

enum { MAX_OPTIONS = 32 };

typedef struct {
    size_t n;
    mr_env_option rows[MAX_OPTIONS];
} table;

static void add(table *to, const char *name, mr_env_option_type type, void *value, double min,
                double max) {
    if (name != NULL && to->n < MAX_OPTIONS)
        to->rows[to->n++] =
            (mr_env_option){.name = name, .type = type, .value = value, .min = min, .max = max};
}

static void collect(mr_task *task, table *to) {
    add(to, "frame_skip", MR_ENV_COUNT, &task->frame_skip, 1, 1e6);
    for (size_t i = 0; i < mr_task_n_rewards(task); i++)
        add(to, task->rewards[i].option, MR_ENV_REAL, &task->rewards[i].weight, -1e12, 1e12);
    add(to, "reset_noise_scale", MR_ENV_REAL, &task->qpos_noise.scale, 0, 1e6);
    add(to, "reset_noise_scale", MR_ENV_REAL, &task->qvel_noise.scale, 0, 1e6);
}

mr_status mr_task_set_options(mr_task *task, const char *name, const char *set) {
    table options = {0};
    collect(task, &options);
    return mr_env_options_set(name, set, options.n, options.rows);
}
