// The options of MuJoCo tasks: a table made from the task itself.

#include "envs/mujoco/task.h"

#include <string.h>

static const double any = 1e12; // the largest weight

typedef struct {
    size_t n;
    mr_env_option *rows;
} table;

static void add(table *to, mr_env_option row) {
    if (row.name != NULL && to->n < MR_MAX_TASK_OPTIONS)
        to->rows[to->n++] = row;
}

static void add_slice(table *to, mr_slice *slice) {
    add(to,
        (mr_env_option){slice->object.option, MR_ENV_TEXT, slice->object.name, 0, 0, MR_NAME_SIZE});
    add(to,
        (mr_env_option){.name = slice->clip_option, .type = MR_ENV_RANGE, .value = &slice->clip});
}

static void add_general(table *to, mr_task *task) {
    if (task->model[0] != '\0') // a model that is given by name may be another one
        add(to, (mr_env_option){"xml_file", MR_ENV_TEXT, task->model, 0, 0, sizeof task->model});
    add(to, (mr_env_option){"frame_skip", MR_ENV_COUNT, &task->frame_skip, 1, 1e6, 0});
    add(to,
        (mr_env_option){"max_episode_steps", MR_ENV_COUNT, &task->max_episode_steps, 0, 1e9, 0});
    add(to, (mr_env_option){task->unused, MR_ENV_REAL, &task->unused_value, -any, any, 0});
}

static void add_obs(table *to, mr_task *task) {
    bool has_positions = false;
    const size_t n_obs = mr_task_n_obs(task);
    for (size_t i = 0; i < n_obs; i++) {
        mr_obs_part *part = &task->obs[i];
        has_positions = has_positions || part->n_positions > 0;
        add(to,
            (mr_env_option){.name = part->option, .type = MR_ENV_SWITCH, .value = &part->included});
        add_slice(to, &part->of);
    }
    if (has_positions)
        add(to, (mr_env_option){.name = "exclude_current_positions_from_observation",
                                .type = MR_ENV_SWITCH,
                                .value = &task->exclude_positions});
}

static void add_rewards(table *to, mr_task *task) {
    const size_t n_rewards = mr_task_n_rewards(task), n_infos = mr_task_n_infos(task);
    for (size_t i = 0; i < n_rewards; i++) {
        mr_reward_term *term = &task->rewards[i];
        add(to, (mr_env_option){term->option, MR_ENV_REAL, &term->weight, -any, any, 0});
        add(to,
            (mr_env_option){.name = term->clip_option, .type = MR_ENV_RANGE, .value = &term->clip});
        add(to,
            (mr_env_option){term->of.low_option, MR_ENV_REAL, &term->of.range.low, -any, any, 0});
        add_slice(to, &term->of.of);
    }
    for (size_t i = 0; i < n_infos; i++)
        add_slice(to, &task->infos[i].of.of);
}

static void add_ends(table *to, mr_task *task) {
    bool has_choice = false; // Gymnasium lets those choose whose ranges can be chosen
    const size_t n_ranges = mr_task_n_ranges(task);
    for (size_t i = 0; i < n_ranges; i++) {
        mr_healthy_range *range = &task->healthy[i];
        has_choice = has_choice || range->option != NULL;
        add(to,
            (mr_env_option){.name = range->option, .type = MR_ENV_RANGE, .value = &range->range});
    }
    if (has_choice)
        add(to, (mr_env_option){.name = "terminate_when_unhealthy",
                                .type = MR_ENV_SWITCH,
                                .value = &task->terminate_when_unhealthy});
}

static void add_noise(table *to, mr_noise *noise) {
    add(to, (mr_env_option){noise->option, MR_ENV_REAL, &noise->scale, 0, any, 0});
}

size_t mr_task_options(mr_task *task, mr_env_option rows[MR_MAX_TASK_OPTIONS]) {
    table to = {.rows = rows};
    add_general(&to, task);
    add_obs(&to, task);
    add_rewards(&to, task);
    add_ends(&to, task);
    add_noise(&to, &task->qpos_noise);
    add_noise(&to, &task->qvel_noise);
    return to.n;
}
