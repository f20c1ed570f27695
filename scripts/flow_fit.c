// `millrace flow fit`: fits a density to a table of data.

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "flows/fit.h"
#include "nn/clock.h"
#include "nn/matrix_file.h"
#include "scripts/command.h"
#include "scripts/live_line.h"
#include "scripts/print_json.h"
#include "scripts/stopping.h"

typedef struct {
    mr_fit_options fit;
    char flow[MR_MAX_TEXT];
    char out[MR_MAX_TEXT];
    size_t threads;
    bool json;
} fit_options;

#define AT(field) offsetof(fit_options, field)

// The numbers are those of mr_fit_defaults.
static const mr_setting options[] = {
    {"flow", MR_SETTING_TEXT, AT(flow), "nsf", 0, 0, "FLOW",
     "the flow, as in nsf or maf:layers=3 (`millrace flow list`)", false},
    {"out", MR_SETTING_OUT_FILE, AT(out), "model.safetensors", 0, 0, "FILE", "where the model goes",
     false},
    {"epochs", MR_SETTING_COUNT, AT(fit.max_epochs), "1000", 1, 1e9, "N",
     "most passes through the data", false},
    {"patience", MR_SETTING_COUNT, AT(fit.patience), "30", 1, 1e9, "N",
     "passes without a better held-out likelihood before the end", false},
    {"held_out", MR_SETTING_REAL, AT(fit.held_out), "0.1", 1e-6, 0.9, "X",
     "share of the rows that is only judged by", false},
    {"batch_size", MR_SETTING_COUNT, AT(fit.batch_size), "256", 1, 1e6, "N", "rows in a step",
     false},
    {"lr", MR_SETTING_REAL, AT(fit.lr), "0.004", 1e-12, 10, "X",
     "Adam's learning rate at the start; falls where the held-out likelihood rests", false},
    {"clip_norm", MR_SETTING_REAL, AT(fit.clip_norm), "10", 1e-6, 1e30, "X",
     "longest gradient; longer ones are scaled down to it", false},
    {"seed", MR_SETTING_SEED, AT(fit.seed), "1", 0, 0, "N",
     "of the flow's start, the held-out rows and the order of the others", false},
    {"threads", MR_SETTING_COUNT, AT(threads), "1", 1, 256, "N", "threads to compute with", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: out, flow, n, dim, epochs, best_epoch, train_log_likelihood, "
     "held_out_log_likelihood, seconds",
     false},
};

/// What became of a fit.
typedef struct {
    mr_fit_progress end;
    double seconds;
} outcome;

static void finished_epoch(void *self, const mr_fit_progress *now) {
    mr_live_line *line = self;
    if (mr_live_line_is_due(line))
        mr_live_line_draw(line,
                          "epoch %zu  train %.4f  held out %.4f nats  best %.4f after epoch %zu",
                          now->epoch, now->train_log_prob, now->held_out_log_prob,
                          now->best_log_prob, now->best_epoch);
}

static mr_status fit(const fit_options *chosen, const mr_matrix *data, mr_density *density,
                     outcome *o) {
    mr_live_line line;
    const double begun = mr_clock_s();
    mr_live_line_begin(&line);
    const mr_status status = mr_fit(density, data->n_rows, data->values, &chosen->fit,
                                    finished_epoch, &line, mr_stop_on_signals(), &o->end);
    mr_live_line_clear(&line);
    o->seconds = mr_clock_s() - begun;
    return status;
}

static void print_text(const fit_options *chosen, const mr_matrix *data, const mr_density *density,
                       const outcome *o) {
    printf("data      %zu rows of %zu\n", data->n_rows, data->n_cols);
    printf("flow      %s\n", mr_density_flow(density));
    printf("epochs    %zu in %.1f s, the best was %zu\n", o->end.epoch, o->seconds,
           o->end.best_epoch);
    printf("held out  %.4f nats, mean log-likelihood\n", o->end.best_log_prob);
    printf("model     %s\n", chosen->out);
}

static mr_status print_json(const fit_options *chosen, const mr_matrix *data,
                            const mr_density *density, const outcome *o) {
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "out", chosen->out, "flow",
                  mr_density_flow(density), "n", (json_int_t)data->n_rows, "dim",
                  (json_int_t)data->n_cols, "epochs", (json_int_t)o->end.epoch, "best_epoch",
                  (json_int_t)o->end.best_epoch, "train_log_likelihood", o->end.train_log_prob,
                  "held_out_log_likelihood", o->end.best_log_prob, "seconds", o->seconds);
    return mr_print_json(object);
}

// A fit that was stopped leaves its model so far, and the checkpoint to go on from.
static mr_status finish(const fit_options *chosen, const mr_matrix *data, const mr_density *density,
                        const outcome *o) {
    const bool is_stopped = mr_stop_exit_code() != 0;
    if (is_stopped)
        fprintf(stderr, "stopped after epoch %zu; the same command goes on from there (%s)\n",
                o->end.epoch, chosen->fit.checkpoint);
    if (o->end.epoch == 0)
        return MR_OK;
    const mr_status status = mr_density_save(density, chosen->out);
    if (status != MR_OK)
        return status;
    if (!is_stopped)
        unlink(chosen->fit.checkpoint);
    if (chosen->json)
        return print_json(chosen, data, density, o);
    print_text(chosen, data, density, o);
    return MR_OK;
}

static mr_status run_fit(const mr_command_line *line, int *exit_code) {
    mr_status status;
    fit_options chosen = {.fit = mr_fit_defaults()};
    mr_matrix data = {0};
    mr_density *density = NULL;
    char *checkpoint = NULL;
    outcome o;

    MR_TRY(mr_command_line_store(&mr_command_flow_fit, line, &chosen));
    if (asprintf(&checkpoint, "%s.checkpoint", chosen.out) < 0) {
        checkpoint = NULL;
        status = mr_fail_memory("a file name");
        goto done;
    }
    chosen.fit.checkpoint = checkpoint;
    chosen.fit.n_threads = (int)chosen.threads;
    MR_TRY(mr_matrix_read(line->arguments[0], &data));
    MR_TRY(mr_density_new(chosen.flow, MR_FLOW_TO_SCORE, data.n_cols, chosen.fit.seed, &density));
    status = fit(&chosen, &data, density, &o);
    if (status == MR_ERR_NUMERIC)
        unlink(checkpoint); // going on from it would end the same way
    if (status == MR_OK)
        status = finish(&chosen, &data, density, &o);
    *exit_code = mr_stop_exit_code();
done:
    free(checkpoint);
    mr_density_free(density);
    mr_matrix_free(&data);
    return status;
}

const mr_command mr_command_flow_fit = {
    .name = "flow fit",
    .usage = "DATA [options]",
    .summary = "fit a density to a table of data",
    .details = "Fits a flow to the rows of a table by maximum likelihood. DATA is a .npy of\n"
               "float32 or float64, [rows x columns], or a .csv. The columns are standardised; a\n"
               "part of the rows is held out, and the model is that of the pass through the\n"
               "others after which the held-out rows were most likely.\n\n"
               "Ctrl-C stops in good order. A fit that was stopped or killed leaves\n"
               "FILE.checkpoint; the same command goes on from it, and ends as if it had never\n"
               "been stopped.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_fit,
};
