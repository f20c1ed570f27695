// Tasks: their copies, and their options.

#include "envs/mujoco/task.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// ---- Copies

// A copy of `n` rows; NULL if that fails. No rows are a row's space, so that NULL is a failure.
static void *copy_rows(const void *rows, size_t n, size_t row_size) {
    void *copy = calloc(n + 1, row_size);
    if (copy != NULL && n > 0)
        memcpy(copy, rows, n * row_size);
    return copy;
}

// The task that it is like, with what it says itself.
static mr_task derive(const mr_task *task) {
    mr_task derived = *task->like;
    assert(derived.like == NULL);
    if (task->model[0] != '\0')
        memcpy(derived.model, task->model, sizeof derived.model);
    if (task->rewards.n > 0)
        derived.rewards = task->rewards;
    if (task->infos.n > 0)
        derived.infos = task->infos;
    if (task->healthy.n > 0)
        derived.healthy = task->healthy;
    if (task->source != NULL)
        derived.source = task->source;
    derived.is_gymnasium = task->is_gymnasium;
    derived.set = task->set;
    return derived;
}

static mr_status copy_lists(const mr_task *task, mr_task *out) {
    mr_task copy = *task;
    copy.obs.rows = copy_rows(task->obs.rows, task->obs.n, sizeof *copy.obs.rows);
    copy.rewards.rows = copy_rows(task->rewards.rows, task->rewards.n, sizeof *copy.rewards.rows);
    copy.infos.rows = copy_rows(task->infos.rows, task->infos.n, sizeof *copy.infos.rows);
    copy.healthy.rows = copy_rows(task->healthy.rows, task->healthy.n, sizeof *copy.healthy.rows);
    copy.joint_noises.rows =
        copy_rows(task->joint_noises.rows, task->joint_noises.n, sizeof *copy.joint_noises.rows);
    copy.goals.rows = copy_rows(task->goals.rows, task->goals.n, sizeof *copy.goals.rows);
    if (copy.obs.rows == NULL || copy.rewards.rows == NULL || copy.infos.rows == NULL ||
        copy.healthy.rows == NULL || copy.joint_noises.rows == NULL || copy.goals.rows == NULL) {
        mr_task_free(&copy);
        return mr_fail_memory("a task");
    }
    *out = copy;
    return MR_OK;
}

mr_status mr_task_copy(const mr_task *task, mr_task *out) {
    const mr_task whole = task->like != NULL ? derive(task) : *task;
    mr_task copy;
    mr_status status = copy_lists(&whole, &copy);
    if (status != MR_OK)
        return status;
    if (copy.set != NULL)
        status = mr_task_set(copy.model, copy.set, &copy);
    copy.set = NULL;
    if (status == MR_OK)
        *out = copy;
    else
        mr_task_free(&copy);
    return status;
}

void mr_task_free(mr_task *task) {
    free(task->obs.rows);
    free(task->rewards.rows);
    free(task->infos.rows);
    free(task->healthy.rows);
    free(task->joint_noises.rows);
    free(task->goals.rows);
    *task = (mr_task){0};
}

// ---- Options: a table made from the task itself

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
