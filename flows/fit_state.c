// The checkpoint of a fit: a safetensors file.

#include "flows/density_internal.h"
#include "flows/fit_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

static const char format_name[] = "millrace.fit";
static const char format_version[] = "3"; // 2 knew no unfinished epochs

enum { TEXT_SIZE = MR_FLOW_MAX_TEXT + MR_FIT_DATA_SIZE + 512, NUMBER_SIZE = 32 };

// What must be the same for a fit to go on, in words: the flow and the options. (The data is known
// by its number of rows and by the fingerprints that come from it.)
static void describe(const mr_fit_state *state, const mr_fit_options *options, size_t n_rows,
                     char text[TEXT_SIZE]) {
    char lr[NUMBER_SIZE], held_out[NUMBER_SIZE], clip_norm[NUMBER_SIZE];
    const mr_fit_model *model = state->model;
    mr_number_write_digits(lr, sizeof lr, 17, options->lr);
    mr_number_write_digits(held_out, sizeof held_out, 17, options->held_out);
    mr_number_write_digits(clip_norm, sizeof clip_norm, 17, options->clip_norm);
    int used = snprintf(
        text, TEXT_SIZE,
        "%s, %zu%s rows of %zu, lr %s, batch size %zu, patience %zu, held out %s, clip norm %s, "
        "seed %" PRIu64 "%s",
        model->flow, n_rows, options->weights ? " weighted" : "", model->dim, lr,
        options->batch_size, options->patience, held_out, clip_norm, options->seed, model->base);
    if (options->lr_schedule && strcmp(options->lr_schedule, "constant") != 0)
        used += snprintf(text + used, TEXT_SIZE - (size_t)used, ", %s over %zu epochs",
                         options->lr_schedule, options->max_epochs);
    if (options->warm_up > 0)
        used += snprintf(text + used, TEXT_SIZE - (size_t)used, ", warm-up %zu", options->warm_up);
    snprintf(text + used, TEXT_SIZE - (size_t)used, "%s", state->data);
}

/// The arrays of numbers besides the parameters.
typedef struct {
    double lr, train_log_prob, held_out_log_prob, best_log_prob, sum;
    int64_t n_steps, epoch, best_epoch, n_done;
} counters;

enum { N_REALS = 5, N_WHOLES = 4 };

_Static_assert(offsetof(counters, n_steps) == N_REALS * sizeof(double) &&
                   sizeof(counters) == (N_REALS + N_WHOLES) * sizeof(double),
               "two arrays, side by side");

/// A block of parameters, and the prefix of its arrays.
typedef struct {
    const char *prefix;
    mr_real *array;
} block;

enum { N_BLOCKS = 5 };

static void list_blocks(const mr_fit_state *state, block blocks[N_BLOCKS]) {
    mr_params *params = state->model->params;
    blocks[0] = (block){"newest.", mr_params_value(params)};
    blocks[1] = (block){"moment1.", mr_params_moment(params, 1)};
    blocks[2] = (block){"moment2.", mr_params_moment(params, 2)};
    blocks[3] = (block){"average.", mr_params_value(state->average)};
    blocks[4] = (block){"best.", state->best};
}

mr_status mr_fit_state_save(const mr_fit_state *state, const mr_fit_options *options, size_t n_rows,
                            const char *path) {
    mr_status status;
    mr_tensors_writer *writer = NULL;
    char text[TEXT_SIZE];
    block blocks[N_BLOCKS];
    const mr_fit_progress *now = &state->progress;
    const counters c = {state->adam.lr,
                        now->train_log_prob,
                        now->held_out_log_prob,
                        now->best_log_prob,
                        state->sum,
                        (int64_t)state->adam.n_steps,
                        (int64_t)now->epoch,
                        (int64_t)now->best_epoch,
                        (int64_t)state->n_done};
    const size_t n_reals = N_REALS, n_wholes = N_WHOLES;
    const mr_fit_model *model = state->model;
    describe(state, options, n_rows, text);
    list_blocks(state, blocks);
    MR_TRY(mr_tensors_writer_new(&writer));
    MR_TRY(mr_tensors_writer_note(writer, "format", format_name));
    MR_TRY(mr_tensors_writer_note(writer, "format_version", format_version));
    MR_TRY(mr_tensors_writer_note(writer, "fit", text));
    MR_TRY(mr_tensors_writer_add(writer, "reals", MR_F64, 1, &n_reals, &c));
    MR_TRY(mr_tensors_writer_add(writer, "counts", MR_I64, 1, &n_wholes, &c.n_steps));
    for (size_t i = 0; i < MR_N_FINGERPRINTS && model->fingerprint[i].name; i++)
        MR_TRY(mr_tensors_writer_add(writer, model->fingerprint[i].name, MR_F64, 1,
                                     &model->fingerprint[i].n, model->fingerprint[i].values));
    for (size_t i = 0; i < N_BLOCKS; i++)
        MR_TRY(mr_params_write(model->params, blocks[i].array, blocks[i].prefix, writer));
    MR_TRY(mr_tensors_writer_write(writer, path));
done:
    mr_tensors_writer_free(writer);
    return status;
}

// ---- Reading

static mr_status fail_other(const mr_tensors *file, const char *what) {
    return mr_fail(MR_ERR_INPUT,
                   "%s is the checkpoint of another fit (%s); remove it or give the same data and "
                   "options again",
                   mr_tensors_path(file), what);
}

static mr_status check_fit(const mr_tensors *file, const mr_fit_state *state,
                           const mr_fit_options *options, size_t n_rows) {
    mr_status status = MR_OK;
    char text[TEXT_SIZE];
    const char *format = mr_tensors_note(file, "format");
    const char *version = mr_tensors_note(file, "format_version");
    const char *found = mr_tensors_note(file, "fit");
    describe(state, options, n_rows, text);
    if (!format || strcmp(format, format_name) != 0 || !version ||
        strcmp(version, format_version) != 0 || !found)
        return mr_fail(MR_ERR_INPUT, "%s: not a checkpoint of this millrace; remove it",
                       mr_tensors_path(file));
    if (strcmp(found, text) != 0)
        return fail_other(file, found);
    for (size_t i = 0; i < MR_N_FINGERPRINTS && state->model->fingerprint[i].name; i++) {
        const mr_fit_fingerprint *f = &state->model->fingerprint[i];
        const void *found_values;
        MR_TRY(mr_tensors_get(file, f->name, MR_F64, 1, &f->n, &found_values));
        if (memcmp(found_values, f->values, f->n * sizeof *f->values) != 0)
            return fail_other(file, "its data differs");
    }
done:
    return status;
}

static mr_status read_counters(const mr_tensors *file, mr_fit_state *state) {
    mr_status status;
    const void *reals, *wholes;
    const size_t n_reals = N_REALS, n_wholes = N_WHOLES;
    counters c;
    MR_TRY(mr_tensors_get(file, "reals", MR_F64, 1, &n_reals, &reals));
    MR_TRY(mr_tensors_get(file, "counts", MR_I64, 1, &n_wholes, &wholes));
    memcpy(&c, reals, N_REALS * sizeof(double));
    memcpy(&c.n_steps, wholes, N_WHOLES * sizeof c.n_steps);
    state->adam.lr = c.lr;
    state->adam.n_steps = (uint64_t)c.n_steps;
    state->sum = c.sum;
    state->n_done = (size_t)c.n_done;
    state->progress = (mr_fit_progress){.epoch = (size_t)c.epoch,
                                        .train_log_prob = c.train_log_prob,
                                        .held_out_log_prob = c.held_out_log_prob,
                                        .best_log_prob = c.best_log_prob,
                                        .best_epoch = (size_t)c.best_epoch};
done:
    return status;
}

mr_status mr_fit_state_load(mr_fit_state *state, const mr_fit_options *options, size_t n_rows,
                            const char *path) {
    mr_status status;
    mr_tensors *file = NULL;
    block blocks[N_BLOCKS];
    list_blocks(state, blocks);
    MR_TRY(mr_tensors_open(path, &file));
    MR_TRY(check_fit(file, state, options, n_rows));
    MR_TRY(read_counters(file, state));
    for (size_t i = 0; i < N_BLOCKS; i++)
        MR_TRY(mr_params_load(state->model->params, file, blocks[i].prefix, blocks[i].array));
done:
    mr_tensors_close(file);
    return status;
}
