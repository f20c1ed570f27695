// `millrace flow fit`: fits a density to a table of data.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "millrace/fit.h"
#include "base/clock.h"
#include "cli/command_line.h"
#include "cli/flow/table.h"
#include "cli/live_line.h"
#include "cli/print_json.h"
#include "cli/stopping.h"

typedef struct {
    mr_fit_options fit;
    char flow[MR_MAX_TEXT];
    char out[MR_MAX_TEXT];
    char header[MR_MAX_CHOICE];
    char columns[MR_MAX_TEXT];
    bool drop_constant;
    char weights[MR_MAX_TEXT];
    double clip_outliers;
    size_t threads;
    bool json;
} fit_options;

#define AT(field) offsetof(fit_options, field)

// The numbers are those of mr_fit_defaults.
static const mr_setting options[] = {
    {"flow", MR_SETTING_TEXT, AT(flow), "nsf", 0, 0, "FLOW",
     "the flow: a preset, as in nsf or maf:layers=3, or parts, as in [lu, coupling(spline)]*4 "
     "(`millrace flow list`)",
     false},
    {"out", MR_SETTING_OUT_FILE, AT(out), "model.safetensors", 0, 0, "FILE", "where the model goes",
     false},
    {"header", MR_SETTING_CHOICE, AT(header), "auto", 0, 0, "auto|yes|no",
     "whether the first row of a .csv is the columns' names", false},
    {"columns", MR_SETTING_TEXT, AT(columns), "", 0, 0, "NAME|N|N-N,...",
     "fit these columns, by names or numbers from 1; default: all", false},
    {"drop_constant", MR_SETTING_SWITCH, AT(drop_constant), "false", 0, 0, NULL,
     "leave out columns that are the same in every row; samples have them again", false},
    {"weights", MR_SETTING_TEXT, AT(weights), "", 0, 0, "FILE|COLUMN",
     "how often each row counts: a table of one column, or a column of DATA", false},
    {"clip_outliers", MR_SETTING_REAL, AT(clip_outliers), "0", 0, 1e12, "X",
     "fit cells beyond X robust deviations from their column's median as if they were there; 0: "
     "as they are",
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
     "print one object: out, flow, composition (of its parts), n, dim, header (whether the first "
     "row was names), columns "
     "(numbers), constant_columns, weighted, clipped_cells, epochs, best_epoch, "
     "train_log_likelihood, held_out_log_likelihood, seconds",
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

static void print_header(const mr_layout *layout) {
    enum { N_SHOWN = 6 };
    if (layout->names == NULL) {
        printf("header    none: the first row is data\n");
        return;
    }
    printf("header    the first row is names: ");
    for (size_t j = 0; j < layout->n_columns && j < N_SHOWN; j++)
        printf("%s%s", j > 0 ? ", " : "", layout->names[j]);
    printf("%s\n", layout->n_columns > N_SHOWN ? ", ..." : "");
}

static void print_columns(const mr_fit_table *table) {
    printf("columns   ");
    for (size_t j = 0; j < table->data.n_cols; j++)
        printf("%s%zu", j > 0 ? ", " : "", table->layout.columns[j] + 1);
    printf(" of %zu", table->layout.n_columns);
    for (size_t k = 0; k < table->layout.n_constants; k++)
        printf("%s%zu", k > 0 ? ", " : "; constant: ", table->layout.constants[k].column + 1);
    printf("\n");
}

static void print_text(const fit_options *chosen, const mr_fit_table *table,
                       const mr_density *density, const outcome *o) {
    printf("data      %zu%s rows of %zu\n", table->data.n_rows,
           table->weights != NULL ? " weighted" : "", table->data.n_cols);
    if (table->is_csv)
        print_header(&table->layout);
    if (table->data.n_cols < table->layout.n_columns)
        print_columns(table);
    if (chosen->clip_outliers > 0)
        printf("clipped   %zu cells beyond %g robust deviations\n", table->n_clipped,
               chosen->clip_outliers);
    printf("flow      %s\n", mr_density_flow(density));
    if (strcmp(mr_density_composition(density), mr_density_flow(density)) != 0)
        printf("          %s\n", mr_density_composition(density));
    printf("epochs    %zu in %.1f s, the best was %zu\n", o->end.epoch, o->seconds,
           o->end.best_epoch);
    printf("held out  %.4f nats, mean log-likelihood\n", o->end.best_log_prob);
    printf("model     %s\n", chosen->out);
}

static mr_status print_json(const fit_options *chosen, const mr_fit_table *table,
                            const mr_density *density, const outcome *o) {
    const mr_layout *layout = &table->layout;
    json_t *columns = json_array(), *constants = json_array();
    for (size_t j = 0; j < table->data.n_cols; j++)
        json_array_append_new(columns, json_integer((json_int_t)layout->columns[j] + 1));
    for (size_t k = 0; k < layout->n_constants; k++)
        json_array_append_new(constants, json_integer((json_int_t)layout->constants[k].column + 1));
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:b, s:o, s:o, s:b, s:I, s:I, s:I, s:f, s:f, s:f}", "out",
        chosen->out, "flow", mr_density_flow(density), "composition",
        mr_density_composition(density), "n", (json_int_t)table->data.n_rows, "dim",
        (json_int_t)table->data.n_cols, "header", (int)(layout->names != NULL), "columns", columns,
        "constant_columns", constants, "weighted", (int)(table->weights != NULL), "clipped_cells",
        (json_int_t)table->n_clipped, "epochs", (json_int_t)o->end.epoch, "best_epoch",
        (json_int_t)o->end.best_epoch, "train_log_likelihood", o->end.train_log_prob,
        "held_out_log_likelihood", o->end.best_log_prob, "seconds", o->seconds);
    return mr_print_json(object);
}

// A fit that was stopped leaves its model so far, and the checkpoint to go on from.
static mr_status finish(const fit_options *chosen, const mr_fit_table *table,
                        const mr_density *density, const outcome *o) {
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
        return print_json(chosen, table, density, o);
    print_text(chosen, table, density, o);
    return MR_OK;
}

static mr_status read_table(const char *path, const fit_options *chosen, mr_fit_table *table) {
    return mr_fit_table_read(path,
                             &(mr_fit_choice){.header = mr_header_of(chosen->header),
                                              .columns = chosen->columns,
                                              .weights = chosen->weights,
                                              .drop_constant = chosen->drop_constant,
                                              .clip = chosen->clip_outliers},
                             table);
}

// A table that is its features and has no names needs no layout.
static mr_status new_density(const fit_options *chosen, const mr_fit_table *table,
                             mr_density **out) {
    const size_t dim = table->data.n_cols;
    mr_status status = mr_density_new(chosen->flow, MR_FLOW_TO_SCORE, dim, chosen->fit.seed, out);
    if (status == MR_OK && (table->layout.names != NULL || dim < table->layout.n_columns))
        status = mr_density_set_layout(*out, &table->layout);
    if (status == MR_OK && dim == 1 && mr_density_is_affine(*out))
        fprintf(stderr,
                "note: of one column %s makes no more than a Gaussian; nsf has other shapes\n",
                mr_density_flow(*out));
    return status;
}

static mr_status run_fit(const mr_command_line *line, int *exit_code) {
    mr_status status;
    fit_options chosen = {.fit = mr_fit_defaults()};
    mr_fit_table table = {0};
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
    MR_TRY(read_table(line->arguments[0], &chosen, &table));
    chosen.fit.weights = table.weights;
    MR_TRY(new_density(&chosen, &table, &density));
    status = fit(&chosen, &table.data, density, &o);
    if (status == MR_ERR_NUMERIC)
        unlink(checkpoint); // going on from it would end the same way
    if (status == MR_OK)
        status = finish(&chosen, &table, density, &o);
    *exit_code = mr_stop_exit_code();
done:
    free(checkpoint);
    mr_density_free(density);
    mr_fit_table_free(&table);
    return status;
}

const mr_command mr_command_flow_fit = {
    .name = "flow fit",
    .usage = "DATA [options]",
    .summary = "fit a density to a table of data",
    .details = "Fits a flow to the rows of a table by maximum likelihood. DATA is a .npy,\n"
               "[rows x columns], a .npz of one such array, or a .csv. The columns are\n"
               "standardised; a part of the rows is held out, and the model is that of the pass\n"
               "through the others after which the held-out rows were most likely.\n\n"
               "Ctrl-C stops in good order. A fit that was stopped or killed leaves\n"
               "FILE.checkpoint; the same command goes on from it, and ends as if it had never\n"
               "been stopped.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_fit,
};
