// Copies of tasks, and their ends.

#include "envs/mujoco/task.h"

#include <stdlib.h>
#include <string.h>

// A copy of `n` rows; NULL if that fails. No rows are a row's space, so that NULL is a failure.
static void *copy_rows(const void *rows, size_t n, size_t row_size) {
    void *copy = calloc(n + 1, row_size);
    if (copy != NULL && n > 0)
        memcpy(copy, rows, n * row_size);
    return copy;
}

mr_status mr_task_copy(const mr_task *task, mr_task *out) {
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

void mr_task_free(mr_task *task) {
    free(task->obs.rows);
    free(task->rewards.rows);
    free(task->infos.rows);
    free(task->healthy.rows);
    free(task->joint_noises.rows);
    free(task->goals.rows);
    *task = (mr_task){0};
}
