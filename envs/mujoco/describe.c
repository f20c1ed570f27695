// The description of a MuJoCo task for people, made from the task itself.

#include "envs/mujoco/describe.h"

#include "envs/mujoco/terms.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Text that grows, and is cut at the end of its buffer.
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

static void print_object(page *to, const mjModel *model, const mr_field *field,
                         const mr_object *object) {
    print(to, "%s", field->name);
    if (object->name[0] == '\0')
        return;
    char *end;
    const long id = strtol(object->name, &end, 10);
    const bool is_number = *end == '\0' && mj_name2id(model, (int)field->object, object->name) < 0;
    const char *name = is_number ? mj_id2name(model, (int)field->object, (int)id) : object->name;
    print(to, "(%s)", name != NULL && name[0] != '\0' ? name : object->name);
}

// "clip of cos (xpos(a) - xpos(b))[0:2]"
static void print_slice(page *to, const mjModel *model, const mr_slice *slice) {
    const bool is_difference = slice->minus.name[0] != '\0';
    if (slice->is_scaled)
        print(to, "%g x ", slice->scale);
    if (slice->map != NULL)
        print(to, "%s ", slice->map->name);
    print(to, is_difference ? "(" : "");
    print_object(to, model, slice->field, &slice->object);
    if (is_difference) {
        print(to, " - ");
        print_object(to, model, mr_slice_minus_field(slice), &slice->minus);
        print(to, ")");
    }
    print(to, "[%zu", slice->first);
    if (slice->dim > 1)
        print(to, ":%zu", slice->first + slice->dim);
    print(to, "]");
    if (slice->is_scaled && slice->offset != 0.0)
        print(to, " %c %g", slice->offset < 0.0 ? '-' : '+', fabs(slice->offset));
    if (slice->clip.low < slice->clip.high)
        print(to, " clipped to [%g, %g]", slice->clip.low, slice->clip.high);
}

static const char *name_of(const mjModel *model, mjtObj type, int id) {
    const char *name = mj_id2name(model, (int)type, id);
    return name != NULL && name[0] != '\0' ? name : "(no name)";
}

// The objects of the components, each once.
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
    for (size_t i = 0; i < mujoco->task.obs.n; i++) {
        const mr_obs_part *part = &mujoco->task.obs.rows[i];
        const size_t n = mr_obs_part_dim(part);
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

// Ends a line, with the option that changes it.
static void print_option(page *to, const char *option) {
    if (option != NULL && option[0] != '\0')
        print(to, "  (%s)", option);
    print(to, "\n");
}

// The formula, with {} replaced by the slice, [] by the range, and > by its lower end.
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

static void print_shape(page *to, const mr_shape *shape) {
    char text[256];
    if (shape->kind == NULL)
        return;
    shape->kind->describe(shape, text, sizeof text);
    print(to, "%s, x = ", text);
}

static void print_rewards(page *to, const mr_mujoco *mujoco) {
    print(to, "\nReward: the sum of\n");
    for (size_t i = 0; i < mujoco->task.rewards.n; i++) {
        const mr_reward_term *term = &mujoco->task.rewards.rows[i];
        print(to, "  ");
        if (term->name[0] != '\0')
            print(to, "%s = ", term->name);
        print(to, "%g x [", term->cost ? 0.0 - term->weight : term->weight); // never -0
        print_shape(to, &term->shape);
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
    if (mujoco->task.infos.n > 0)
        print(to, "\nInfo, beside the named parts of the reward\n");
    for (size_t i = 0; i < mujoco->task.infos.n; i++) {
        const mr_info_term *term = &mujoco->task.infos.rows[i];
        print(to, "  %s = ", term->name);
        if (term->of.kind != NULL)
            print_measure(to, mujoco->model, &term->of);
        else
            print_slice(to, mujoco->model, &term->of.of);
        print(to, "\n");
    }
}

void mr_healthy_print(const mr_mujoco *mujoco, const mr_healthy_range *range, char *text,
                      size_t size) {
    page to = {.text = text, .size = size};
    if (range->of.kind != NULL)
        print_measure(&to, mujoco->model, &range->of);
    else
        print_slice(&to, mujoco->model, &range->of.of);
}

void mr_healthy_print_range(const mr_healthy_range *range, char *text, size_t size) {
    snprintf(text, size, "%c%g, %g%c", range->closed ? '[' : '(', range->range.low,
             range->range.high, range->closed ? ']' : ')');
}

static void print_range(page *to, const mr_mujoco *mujoco, const mr_healthy_range *range) {
    char what[512], within[80];
    mr_healthy_print(mujoco, range, what, sizeof what);
    mr_healthy_print_range(range, within, sizeof within);
    print(to, "  %s", what);
    if (isinf(range->range.low) && isinf(range->range.high))
        print(to, " finite");
    else
        print(to, " in %s", within);
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
    if (task->healthy.n == 0) {
        print(to, "Never terminated\n");
        return;
    }
    print(to, "%s unless healthy, that is\n",
          task->terminate_when_unhealthy ? "Terminated" : "Not terminated, but not rewarded");
    for (size_t i = 0; i < task->healthy.n; i++)
        print_range(to, mujoco, &task->healthy.rows[i]);
}

static void print_noise(page *to, const char *what, const mr_noise *noise) {
    if (noise->kind != NULL)
        print(to, "  %s + %s noise of %s %g\n", what, noise->kind->name,
              strcmp(noise->kind->name, "uniform") == 0 ? "at most" : "deviation", noise->scale);
}

static void print_joint_noise(page *to, const mr_joint_noise *own) {
    char what[MR_NAME_SIZE + 8];
    snprintf(what, sizeof what, "qpos(%s)", own->joint);
    print_noise(to, what, &own->qpos);
    snprintf(what, sizeof what, "qvel(%s)", own->joint);
    print_noise(to, what, &own->qvel);
}

static void print_goal(page *to, const mr_goal *goal) {
    static const char *const axes[] = {"x", "y", "z"};
    print(to, "  %s %s at rest,", mr_object_what(goal->object), goal->name);
    for (size_t i = 0, n = 0; i < MR_COUNT(goal->box); i++)
        if (goal->is_drawn[i])
            print(to, "%s %s in [%g, %g]", n++ > 0 ? "," : "",
                  goal->object == mjOBJ_JOINT ? "uniform" : axes[i], goal->box[i].low,
                  goal->box[i].high);
    print(to, "\n");
}

static void print_reset(page *to, const mr_task *task) {
    if (task->keyframe.name[0] != '\0')
        print(to, "\nReset: the model's keyframe %s\n", task->keyframe.name);
    else
        print(to, "\nReset: the model's initial state\n");
    print_noise(to, "qpos", &task->qpos_noise);
    print_noise(to, "qvel", &task->qvel_noise);
    for (size_t i = 0; i < task->joint_noises.n; i++)
        print_joint_noise(to, &task->joint_noises.rows[i]);
    for (size_t i = 0; i < task->goals.n; i++)
        print_goal(to, &task->goals.rows[i]);
    if (task->place_text != NULL)
        print(to, "  %s\n", task->place_text);
}

static bool is_first_of_name(const mr_option *rows, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (strcmp(rows[k].name, rows[i].name) == 0)
            return false;
    return true;
}

// The options as they are, and their defaults. Rows point into a task that can be changed, so that
// these have copies of their own.
typedef struct {
    mr_task now, before;
    size_t n;
    mr_option *rows, *defaults; // [n] owned
} option_pairs;

static void free_pairs(option_pairs *pairs) {
    mr_task_free(&pairs->now);
    mr_task_free(&pairs->before);
    free(pairs->rows);
    free(pairs->defaults);
}

// The caller frees the pairs, also after a failure.
static mr_status make_pairs(const mr_task *now, const mr_task *before, option_pairs *pairs) {
    mr_status status;
    *pairs = (option_pairs){0};
    MR_TRY(mr_task_copy(now, &pairs->now));
    MR_TRY(mr_task_copy(before, &pairs->before));
    pairs->n = mr_task_options(&pairs->now, NULL);
    pairs->rows = calloc(pairs->n + 1, sizeof *pairs->rows);
    pairs->defaults = calloc(pairs->n + 1, sizeof *pairs->defaults);
    if (pairs->rows == NULL || pairs->defaults == NULL)
        MR_TRY(mr_fail_memory("a description"));
    mr_task_options(&pairs->now, pairs->rows);
    mr_task_options(&pairs->before, pairs->defaults);
done:
    return status;
}

// Whether option `i` has its default.
static bool is_default(const option_pairs *pairs, size_t i, char *value, char *by_default) {
    mr_option_format(&pairs->rows[i], NULL, value, MR_OPTION_MAX_TEXT);
    mr_option_format(&pairs->defaults[i], NULL, by_default, MR_OPTION_MAX_TEXT);
    return strcmp(value, by_default) == 0;
}

static void print_options(page *to, const option_pairs *pairs) {
    char value[MR_OPTION_MAX_TEXT], by_default[MR_OPTION_MAX_TEXT];
    print(to, "\nOptions (--env-set NAME=VALUE)\n");
    for (size_t i = 0; i < pairs->n; i++) {
        if (!is_first_of_name(pairs->rows, i))
            continue;
        const bool is_changed = !is_default(pairs, i, value, by_default);
        print(to, "  %-42s  %s", pairs->rows[i].name, value);
        if (is_changed)
            print(to, "  (default %s)", by_default);
        if (pairs->rows[i].name == pairs->now.unused)
            print(to, "  (without effect, as in Gymnasium)");
        print(to, "\n");
    }
}

// Whether all options that have an effect are Gymnasium's.
static bool is_as_in_gymnasium(const option_pairs *pairs) {
    char value[MR_OPTION_MAX_TEXT], by_default[MR_OPTION_MAX_TEXT];
    for (size_t i = 0; i < pairs->n; i++)
        if (pairs->rows[i].name != pairs->now.unused && !is_default(pairs, i, value, by_default))
            return false;
    return pairs->now.is_gymnasium;
}

static void print_notes(page *to, const mr_mujoco *mujoco) {
    for (size_t i = 0; i < mujoco->n_notes; i++)
        print(to, "\nNote: %s\n", mujoco->notes[i]);
}

mr_status mr_mujoco_print(const mr_mujoco *mujoco, const char *summary, const mr_task *initial,
                          char *text, size_t size) {
    mr_status status;
    page to = {.text = text, .size = size};
    option_pairs pairs;
    const mr_task *task = &mujoco->task;

    MR_TRY(make_pairs(task, initial, &pairs));
    const bool is_equal = is_as_in_gymnasium(&pairs);
    print(&to, "%s: %s\n", mujoco->name, summary);
    print_obs(&to, mujoco);
    print_actions(&to, mujoco->model);
    print_rewards(&to, mujoco);
    print_infos(&to, mujoco);
    print_end(&to, mujoco);
    print_reset(&to, task);
    print_options(&to, &pairs);
    print_notes(&to, mujoco);
    if (is_equal)
        print(&to, "\nEquals Gymnasium's task of this name, number for number.");
    if (task->source != NULL)
        print(&to, "%s%s.", is_equal ? " " : "\n", task->source);
    print(&to, "%s", is_equal || task->source != NULL ? "\n" : "");
done:
    free_pairs(&pairs);
    return status;
}
