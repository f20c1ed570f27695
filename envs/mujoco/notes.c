// Notes on a task: what users should know of it, because it is hardly what they wanted.

#include "envs/mujoco/describe.h"

#include "envs/mujoco/simulation.h"
#include "envs/mujoco/start.h"
#include "envs/mujoco/terms.h"

#include "base/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE_SIZE = 1024, TEXT_SIZE = 256 };
enum { N_STARTS = 5 }; // if none of these is healthy, no start is taken to be

__attribute__((format(printf, 2, 3))) static mr_status note(mr_mujoco *mujoco, const char *format,
                                                            ...) {
    char *text = malloc(NOTE_SIZE);
    if (text == NULL)
        return mr_fail_memory(mujoco->name);
    va_list args;
    va_start(args, format);
    vsnprintf(text, NOTE_SIZE, format, args);
    va_end(args);
    mujoco->notes[mujoco->n_notes++] = text;
    return MR_OK;
}

// ---- The model

static size_t count_lines(const char *text) {
    size_t n = text[0] != '\0';
    for (const char *c = text; *c != '\0'; c++)
        n += c[0] == '\n' && c[1] != '\0';
    return n;
}

static mr_status note_warnings(mr_mujoco *mujoco, const char *warnings) {
    mr_status status = MR_OK;
    size_t length;
    for (const char *line = warnings; *line != '\0'; line += length + (line[length] == '\n')) {
        length = strcspn(line, "\n");
        MR_TRY(note(mujoco, "MuJoCo warns of the model: %.*s", (int)length, line));
    }
done:
    return status;
}

// ---- Effort

static bool is_effort(const mr_measure *measure) {
    const mr_field *field = measure->of.field;
    return (measure->kind == &mr_quantity_squares || measure->kind == &mr_quantity_norm) &&
           (field == &mr_field_ctrl || field == &mr_field_actuator_force ||
            field == &mr_field_qfrc_actuator);
}

static mr_status note_weight(mr_mujoco *mujoco, const mr_reward_term *term) {
    const char *name = term->name[0] != '\0' ? term->name : term->of.kind->name;
    if (term->cost && term->weight < 0.0)
        return note(mujoco,
                    "%s is rewarded, not penalised: its weight is %g, and a cost is subtracted; a "
                    "weight above 0 penalises it",
                    name, term->weight);
    if (!term->cost && term->weight > 0.0 && term->shape.kind == NULL && is_effort(&term->of))
        return note(mujoco,
                    "%s is rewarded, not penalised: it is an effort of weight %g; a weight below "
                    "0 penalises it",
                    name, term->weight);
    return MR_OK;
}

// ---- Starts

// A step with the middle of the action range.
static mr_status step_in_the_middle(mr_mujoco *mujoco, double *action) {
    for (size_t i = 0; i < (size_t)mujoco->model->nu; i++)
        action[i] = 0.5 * (mujoco->act_low[i] + mujoco->act_high[i]);
    return mr_mujoco_simulate(mujoco, action);
}

// Whether no episode goes beyond its first step. A simulation that fails is reported when it is
// used.
static bool ends_at_once(mr_mujoco *mujoco, double *action) {
    for (size_t i = 0; i < N_STARTS; i++)
        if (mr_mujoco_begin(mujoco) != MR_OK || mujoco->healthy ||
            step_in_the_middle(mujoco, action) != MR_OK || mujoco->healthy)
            return false;
    return mr_mujoco_begin(mujoco) == MR_OK && !mujoco->healthy;
}

static const mr_healthy_range *find_broken(const mr_mujoco *mujoco) {
    const mr_healthy_range *range = mujoco->task.healthy.rows;
    while (mr_healthy_is_kept(mujoco, range))
        range++;
    return range;
}

static mr_status note_start(mr_mujoco *mujoco) {
    char what[TEXT_SIZE], range[TEXT_SIZE];
    const mr_healthy_range *broken = find_broken(mujoco);
    mr_healthy_print(mujoco, broken, what, sizeof what);
    mr_healthy_print_range(broken, range, sizeof range);
    return note(mujoco,
                "every episode ends after one step, because its start isn't healthy: %s isn't in "
                "%s; change %s, or where episodes start",
                what, range, broken->option != NULL ? broken->option : "what is healthy");
}

static mr_status make_notes(mr_mujoco *mujoco, const char *warnings) {
    mr_status status = MR_OK;
    const mr_task *task = &mujoco->task;
    double *action = calloc((size_t)mujoco->model->nu + 1, sizeof *action);

    mujoco->notes = calloc(count_lines(warnings) + task->rewards.n + 1, sizeof *mujoco->notes);
    if (mujoco->notes == NULL || action == NULL)
        MR_TRY(mr_fail_memory(mujoco->name));
    MR_TRY(note_warnings(mujoco, warnings));
    for (size_t i = 0; i < task->rewards.n; i++)
        MR_TRY(note_weight(mujoco, &task->rewards.rows[i]));
    if (task->healthy.n > 0 && task->terminate_when_unhealthy && ends_at_once(mujoco, action))
        MR_TRY(note_start(mujoco));
    mujoco->random = mr_random_stream(0, MR_STREAM_ENV, 0);
    mr_start_reset(mujoco);
done:
    free(action);
    return status;
}

mr_status mr_mujoco_copy_notes(const mr_mujoco *from, mr_mujoco *mujoco) {
    mr_status status = MR_OK;
    mujoco->notes = calloc(from->n_notes + 1, sizeof *mujoco->notes);
    if (mujoco->notes == NULL)
        return mr_fail_memory(mujoco->name);
    for (size_t i = 0; i < from->n_notes; i++)
        MR_TRY(note(mujoco, "%s", from->notes[i]));
done:
    return status;
}

mr_status mr_mujoco_make_notes(mr_mujoco *mujoco, const char *warnings) {
    const locale_t before = uselocale(mr_number_locale());
    const mr_status status = make_notes(mujoco, warnings);
    uselocale(before);
    return status;
}
