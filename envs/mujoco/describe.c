// The description of a MuJoCo task for people, made from the task itself.

#include "envs/mujoco/slice.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void print_object(page *to, const mjModel *model, const mr_slice *slice,
                         const mr_object *object) {
    print(to, "%s", slice->field->name);
    if (object->name[0] == '\0')
        return;
    char *end;
    const long id = strtol(object->name, &end, 10);
    const bool is_number =
        *end == '\0' && mj_name2id(model, (int)slice->field->object, object->name) < 0;
    const char *name =
        is_number ? mj_id2name(model, (int)slice->field->object, (int)id) : object->name;
    print(to, "(%s)", name != NULL && name[0] != '\0' ? name : object->name);
}

// "clip of cos (xpos(a) - xpos(b))[0:2]"
static void print_slice(page *to, const mjModel *model, const mr_slice *slice) {
    const bool is_difference = slice->minus.name[0] != '\0';
    if (slice->map != NULL)
        print(to, "%s ", slice->map->name);
    print(to, is_difference ? "(" : "");
    print_object(to, model, slice, &slice->object);
    if (is_difference) {
        print(to, " - ");
        print_object(to, model, slice, &slice->minus);
        print(to, ")");
    }
    print(to, "[%zu", slice->first);
    if (slice->dim > 1)
        print(to, ":%zu", slice->first + slice->dim);
    print(to, "]");
    if (slice->clip.low < slice->clip.high)
        print(to, " clipped to [%g, %g]", slice->clip.low, slice->clip.high);
}

static const char *name_of(const mjModel *model, mjtObj type, int id) {
    const char *name = mj_id2name(model, (int)type, id);
    return name != NULL && name[0] != '\0' ? name : "(no name)";
}

// Whose the components are: each object once.
static void print_owners(page *to, const mjModel *model, const mr_slice *slice) {
    int last = -1;
    if (slice->field->object == mjOBJ_UNKNOWN || slice->object.name[0] != '\0')
        return;
    for (size_t i = 0; i < slice->dim; i++) {
        const int owner = mr_field_owner(model, slice->field, slice->start + i);
        if (owner != last)
            print(to, "%s%s", last < 0 ? ": " : ", ", name_of(model, slice->field->object, owner));
        last = owner;
    }
}

static void print_obs(page *to, const mr_mujoco *mujoco) {
    size_t first = 0;
    print(to, "\nObservation (%zu)\n", mujoco->obs_dim);
    for (size_t i = 0; i < mujoco->n_obs; i++) {
        const mr_obs_part *part = &mujoco->task.obs[i];
        const size_t n = part->option == NULL || part->included ? part->of.dim : 0;
        if (n == 0)
            continue;
        if (n > 1)
            print(to, "  %3zu to %3zu  ", first, first + n - 1);
        else
            print(to, "  %3zu         ", first);
        print_slice(to, mujoco->model, &part->of);
        print_owners(to, mujoco->model, &part->of);
        print(to, "\n");
        first += n;
    }
    if (mujoco->obs_dim > 1)
        print(to, "  Features go by names (--bonus-features) from %s to %s\n", mujoco->obs_names[0],
              mujoco->obs_names[mujoco->obs_dim - 1]);
}

static void print_actions(page *to, const mjModel *model) {
    print(to, "\nAction (%d)\n", (int)model->nu);
    for (int i = 0; i < (int)model->nu; i++) {
        print(to, "  %3d  [%g, %g]", i, model->actuator_ctrlrange[2 * i],
              model->actuator_ctrlrange[2 * i + 1]);
        if (model->actuator_trntype[i] == mjTRN_JOINT)
            print(to, ", drives %s with gear %g",
                  name_of(model, mjOBJ_JOINT, model->actuator_trnid[2 * i]),
                  model->actuator_gear[6 * i]);
        else
            print(to, ", %s", name_of(model, mjOBJ_ACTUATOR, i));
        print(to, "\n");
    }
}

// The end of a line about what an option may change.
static void print_option(page *to, const char *option) {
    if (option != NULL)
        print(to, "  (%s)", option);
    print(to, "\n");
}

// The formula, with the slice in the place of {} and the range in that of [] or, its lower end, >.
static void print_measure(page *to, const mjModel *model, const mr_measure *measure) {
    for (const char *c = measure->kind->formula; *c != '\0'; c++) {
        if (strncmp(c, "{}", 2) == 0) {
            print_slice(to, model, &measure->of);
            c++;
        } else if (strncmp(c, "[]", 2) == 0) {
            print(to, "[%g, %g]", measure->range.low, measure->range.high);
            c++;
        } else if (*c == '>') {
            print(to, "> %g", measure->range.low);
        } else {
            print(to, "%c", *c);
        }
    }
}

static void print_rewards(page *to, const mr_mujoco *mujoco) {
    print(to, "\nReward: the sum of\n");
    for (size_t i = 0; i < mujoco->n_rewards; i++) {
        const mr_reward_term *term = &mujoco->task.rewards[i];
        print(to, "  ");
        if (term->name[0] != '\0')
            print(to, "%s = ", term->name);
        print(to, "%g x [", term->cost ? 0.0 - term->weight : term->weight); // never -0
        print_measure(to, mujoco->model, &term->of);
        print(to, "]");
        if (term->clip.low < term->clip.high && term->cost)
            print(to, " within [%g, %g]", -term->clip.high, -term->clip.low);
        else if (term->clip.low < term->clip.high)
            print(to, " within [%g, %g]", term->clip.low, term->clip.high);
        if (term->of.low_option != NULL)
            print(to, "  (%s)", term->of.low_option);
        print_option(to, term->option);
    }
}

static void print_infos(page *to, const mr_mujoco *mujoco) {
    if (mujoco->n_infos > 0)
        print(to, "\nInfo, beside the named parts of the reward\n");
    for (size_t i = 0; i < mujoco->n_infos; i++) {
        const mr_info_term *term = &mujoco->task.infos[i];
        print(to, "  %s = ", term->name);
        if (term->of.kind != NULL)
            print_measure(to, mujoco->model, &term->of);
        else
            print_slice(to, mujoco->model, &term->of.of);
        print(to, "\n");
    }
}

static void print_range(page *to, const mjModel *model, const mr_healthy_range *range) {
    const double low = range->range.low, high = range->range.high;
    print(to, "  ");
    if (range->of.kind != NULL)
        print_measure(to, model, &range->of);
    else
        print_slice(to, model, &range->of.of);
    if (isinf(low) && isinf(high))
        print(to, " finite");
    else
        print(to, " in %c%g, %g%c", range->closed ? '[' : '(', low, high,
              range->closed ? ']' : ')');
    print_option(to, range->option);
}

static void print_end(page *to, const mr_mujoco *mujoco) {
    const mr_task *task = &mujoco->task;
    print(to, "\n");
    if (task->max_episode_steps > 0)
        print(to, "Truncated after %zu steps of %g s (%zu x %g s)\n", task->max_episode_steps,
              mujoco->dt, task->frame_skip, mujoco->model->opt.timestep);
    else
        print(to, "Never truncated; a step takes %g s (%zu x %g s)\n", mujoco->dt, task->frame_skip,
              mujoco->model->opt.timestep);
    if (mujoco->n_ranges == 0) {
        print(to, "Never terminated\n");
        return;
    }
    print(to, "%s unless healthy, that is\n",
          task->terminate_when_unhealthy ? "Terminated" : "Not terminated, but not rewarded");
    for (size_t i = 0; i < mujoco->n_ranges; i++)
        print_range(to, mujoco->model, &task->healthy[i]);
}

static void print_noise(page *to, const char *what, const mr_noise *noise) {
    if (noise->kind != NULL)
        print(to, "  %s + %s noise of %s %g\n", what, noise->kind->name,
              strcmp(noise->kind->name, "uniform") == 0 ? "at most" : "deviation", noise->scale);
}

static void print_reset(page *to, const mr_task *task) {
    print(to, "\nReset: the model's initial state\n");
    print_noise(to, "qpos", &task->qpos_noise);
    print_noise(to, "qvel", &task->qvel_noise);
    if (task->place_text != NULL)
        print(to, "  %s\n", task->place_text);
}

static bool is_first_of_name(const mr_env_option *rows, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (strcmp(rows[k].name, rows[i].name) == 0)
            return false;
    return true;
}

// What is, and beside it what is by default where that is another.
static void print_options(page *to, const mr_task *task, const mr_task *initial) {
    mr_task now = *task, before = *initial; // the rows point into what may be changed
    mr_env_option rows[MR_MAX_TASK_OPTIONS], defaults[MR_MAX_TASK_OPTIONS];
    const size_t n = mr_task_options(&now, rows);
    mr_task_options(&before, defaults);
    print(to, "\nOptions (--env-set NAME=VALUE)\n");
    for (size_t i = 0; i < n; i++) {
        char value[MR_ENV_TEXT_SIZE], by_default[MR_ENV_TEXT_SIZE];
        if (!is_first_of_name(rows, i))
            continue;
        mr_env_option_format(&rows[i], value, sizeof value);
        mr_env_option_format(&defaults[i], by_default, sizeof by_default);
        print(to, "  %-42s  %s", rows[i].name, value);
        if (strcmp(value, by_default) != 0)
            print(to, "  (default %s)", by_default);
        if (rows[i].name == task->unused)
            print(to, "  (without effect, as in Gymnasium)");
        print(to, "\n");
    }
}

void mr_mujoco_print(const mr_mujoco *mujoco, const char *summary, const mr_task *initial,
                     char *text, size_t size) {
    page to = {.text = text, .size = size};
    const mr_task *task = &mujoco->task;
    print(&to, "%s: %s\n", mujoco->name, summary);
    print_obs(&to, mujoco);
    print_actions(&to, mujoco->model);
    print_rewards(&to, mujoco);
    print_infos(&to, mujoco);
    print_end(&to, mujoco);
    print_reset(&to, task);
    print_options(&to, task, initial);
    if (task->is_gymnasium)
        print(&to, "\nEquals Gymnasium's task of this name, number for number.");
    if (task->source != NULL)
        print(&to, "%s%s.", task->is_gymnasium ? " " : "\n", task->source);
    print(&to, "%s", task->is_gymnasium || task->source != NULL ? "\n" : "");
}

mr_status mr_mujoco_describe(const mr_env_builtin *builtin, const mr_env_options *options,
                             char *text, size_t size) {
    mr_env *env = NULL;
    const mr_status status = mr_mujoco_open(builtin, options, &env);
    if (status != MR_OK)
        return status;
    mr_mujoco_print(mr_mujoco_of(env), builtin->summary, builtin->task, text, size);
    mr_env_close(env);
    return MR_OK;
}
