// The options of MuJoCo tasks: a table made from the task itself.

#include "envs/mujoco/task.h"

#include <stdlib.h>

static const double any = 1e12; // the largest weight

typedef struct {
    size_t n;
    mr_option *rows;
} table;

static void add(table *to, mr_option row) {
    if (row.name == NULL || row.name[0] == '\0')
        return;
    if (to->rows != NULL)
        to->rows[to->n] = row;
    to->n++;
}

static void add_real(table *to, const char *name, const char *alias, double *value) {
    add(to, (mr_option){.name = name,
                        .type = MR_OPTION_REAL,
                        .value = value,
                        .min = -any,
                        .max = any,
                        .alias = alias});
}

static void add_slice(table *to, mr_slice *slice) {
    add(to, (mr_option){.name = slice->object.option,
                        .type = MR_OPTION_TEXT,
                        .value = slice->object.name,
                        .size = MR_NAME_SIZE});
    add(to,
        (mr_option){.name = slice->clip_option, .type = MR_OPTION_RANGE, .value = &slice->clip});
}

static void add_general(table *to, mr_task *task) {
    if (task->model[0] != '\0') // a model that is given by name may be another one
        add(to, (mr_option){.name = "xml_file",
                            .type = MR_OPTION_TEXT,
                            .value = task->model,
                            .size = sizeof task->model});
    add(to, (mr_option){.name = "frame_skip",
                        .type = MR_OPTION_COUNT,
                        .value = &task->frame_skip,
                        .min = 1,
                        .max = 1e6});
    add(to, (mr_option){.name = "max_episode_steps",
                        .type = MR_OPTION_COUNT,
                        .value = &task->max_episode_steps,
                        .max = 1e9});
    add_real(to, task->unused, NULL, &task->unused_value);
}

static void add_obs(table *to, mr_task *task) {
    bool has_positions = false;
    for (size_t i = 0; i < task->obs.n; i++) {
        mr_obs_part *part = &task->obs.rows[i];
        has_positions = has_positions || part->n_positions > 0;
        add(to,
            (mr_option){.name = part->option, .type = MR_OPTION_SWITCH, .value = &part->included});
        add_slice(to, &part->of);
    }
    if (has_positions)
        add(to, (mr_option){.name = "exclude_current_positions_from_observation",
                            .type = MR_OPTION_SWITCH,
                            .value = &task->exclude_positions});
}

static void add_rewards(table *to, mr_task *task) {
    for (size_t i = 0; i < task->rewards.n; i++) {
        mr_reward_term *term = &task->rewards.rows[i];
        add_real(to, term->option, term->alias, &term->weight);
        add(to,
            (mr_option){.name = term->clip_option, .type = MR_OPTION_RANGE, .value = &term->clip});
        add_real(to, term->of.low_option, NULL, &term->of.range.low);
        add_slice(to, &term->of.of);
    }
    for (size_t i = 0; i < task->infos.n; i++)
        add_slice(to, &task->infos.rows[i].of.of);
}

static void add_ends(table *to, mr_task *task) {
    bool has_choice = false; // Gymnasium lets those choose whose ranges can be chosen
    for (size_t i = 0; i < task->healthy.n; i++) {
        mr_healthy_range *range = &task->healthy.rows[i];
        has_choice = has_choice || range->option != NULL;
        add(to,
            (mr_option){.name = range->option, .type = MR_OPTION_RANGE, .value = &range->range});
    }
    if (has_choice)
        add(to, (mr_option){.name = "terminate_when_unhealthy",
                            .type = MR_OPTION_SWITCH,
                            .value = &task->terminate_when_unhealthy});
}

static void add_noise(table *to, mr_noise *noise) {
    add(to, (mr_option){
                .name = noise->option, .type = MR_OPTION_REAL, .value = &noise->scale, .max = any});
}

size_t mr_task_options(mr_task *task, mr_option *rows) {
    table to = {.rows = rows};
    add_general(&to, task);
    add_obs(&to, task);
    add_rewards(&to, task);
    add_ends(&to, task);
    add_noise(&to, &task->qpos_noise);
    add_noise(&to, &task->qvel_noise);
    return to.n;
}

mr_status mr_task_set(const char *name, const char *set, mr_task *task) {
    mr_option *rows = calloc(mr_task_options(task, NULL) + 1, sizeof *rows);
    if (rows == NULL)
        return mr_fail_memory(name);
    const mr_status status = mr_options_set(name, set, mr_task_options(task, rows), rows, NULL);
    free(rows);
    return status;
}
