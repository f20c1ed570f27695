// The description of a MuJoCo task for people, made from the task itself.

#include "envs/mujoco/model.h"
#include "envs/mujoco/task.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

// Text that grows and is cut at the end of its space.
typedef struct {
    char *text;
    size_t size, length;
} page;

__attribute__((format(printf, 2, 3))) static void print(page *to, const char *format, ...) {
    if (to->length + 1 >= to->size)
        return;
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(to->text + to->length, to->size - to->length, format, args);
    va_end(args);
    to->length += n > 0 ? (size_t)n : 0;
}

static void print_slice(page *to, const mjModel *model, const mr_slice *slice) {
    print(to, "%s[%zu", slice->field->name, slice->first);
    const size_t n = mr_slice_dim(model, slice);
    if (n > 1)
        print(to, ":%zu", slice->first + n);
    print(to, "]");
}

static void print_labels(page *to, const mjModel *model, const mr_slice *slice) {
    const size_t n = mr_slice_dim(model, slice);
    for (size_t i = 0; i < n; i++)
        print(to, "%s%s", i == 0 ? "" : ", ", slice->field->label(model, slice->first + i));
}

static void print_obs(page *to, const mjModel *model, const mr_task *task) {
    size_t first = 0;
    const size_t n_parts = mr_task_n_obs(task);
    print(to, "\nObservation\n");
    for (size_t i = 0; i < n_parts; i++) {
        const mr_obs_part *part = &task->obs[i];
        const size_t end = first + mr_slice_dim(model, &part->of);
        print(to, "  %2zu to %2zu  ", first, end - 1);
        print_slice(to, model, &part->of);
        if (part->low < part->high)
            print(to, " clipped to [%g, %g]", part->low, part->high);
        print(to, ": ");
        print_labels(to, model, &part->of);
        print(to, "\n");
        first = end;
    }
}

static void print_actions(page *to, const mjModel *model) {
    print(to, "\nAction\n");
    for (int i = 0; i < (int)model->nu; i++) {
        const int joint = model->actuator_trnid[2 * i];
        print(to, "  %2d  [%g, %g], drives %s with gear %g\n", i, model->actuator_ctrlrange[2 * i],
              model->actuator_ctrlrange[2 * i + 1], model->names + model->name_jntadr[joint],
              model->actuator_gear[6 * i]);
    }
}

// The end of a line about what an option may change.
static void print_option(page *to, const char *option) {
    if (option != NULL)
        print(to, "  (%s)", option);
    print(to, "\n");
}

static void print_rewards(page *to, const mr_task *task) {
    const size_t n_rewards = mr_task_n_rewards(task);
    print(to, "\nReward: the sum of\n");
    for (size_t i = 0; i < n_rewards; i++) {
        const mr_reward_term *term = &task->rewards[i];
        print(to, "  %s = %g x [%s]", term->kind->name, term->weight, term->kind->formula);
        print_option(to, term->option);
    }
}

static void print_range(page *to, const mjModel *model, const mr_healthy_range *range) {
    print(to, "  ");
    print_slice(to, model, &range->of);
    if (isinf(range->low) && isinf(range->high))
        print(to, " finite");
    else
        print(to, " in %c%g, %g%c", range->closed ? '[' : '(', range->low, range->high,
              range->closed ? ']' : ')');
    print_option(to, range->option);
}

static void print_end(page *to, const mjModel *model, const mr_task *task) {
    const size_t n_ranges = mr_task_n_ranges(task);
    print(to, "\nTruncated after %zu steps of %g s (%zu x %g s)\n", task->max_episode_steps,
          model->opt.timestep * (double)task->frame_skip, task->frame_skip, model->opt.timestep);
    if (n_ranges == 0) {
        print(to, "Never terminated\n");
        return;
    }
    print(to, "%s unless healthy, that is\n",
          task->terminate_when_unhealthy ? "Terminated" : "Not terminated, but not rewarded");
    for (size_t i = 0; i < n_ranges; i++)
        print_range(to, model, &task->healthy[i]);
}

static void print_reset(page *to, const mr_task *task) {
    print(to, "\nReset: the model's initial state\n");
    print(to, "  qpos + %s%g\n", task->qpos_noise.kind->name, task->qpos_noise.scale);
    print(to, "  qvel + %s%g\n", task->qvel_noise.kind->name, task->qvel_noise.scale);
}

static void print_task(page *to, const mr_env_builtin *builtin, const mr_task *task,
                       const mjModel *model) {
    print(to, "%s: %s\n", builtin->name, builtin->summary);
    print_obs(to, model, task);
    print_actions(to, model);
    print_rewards(to, task);
    print_end(to, model, task);
    print_reset(to, task);
    print(to, "\nEquals Gymnasium's task of this name, number for number. %s.\n", task->source);
}

mr_status mr_mujoco_describe(const mr_env_builtin *builtin, const mr_env_options *options,
                             char *text, size_t size) {
    mr_status status;
    mr_task task = *(const mr_task *)builtin->task;
    mjModel *model = NULL;

    MR_TRY(mr_task_set_options(&task, builtin->name, options->set));
    MR_TRY(mr_model_open(task.model, &model));
    print_task(&(page){.text = text, .size = size}, builtin, &task, model);
    mj_deleteModel(model);
done:
    return status;
}
