// `millrace flow fit`: fits a density to a table of data.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flows/fit_rows.h"
#include "flows/text.h"
#include "nn/lr_schedule.h"
#include "base/clock.h"
#include "base/json_memory.h"
#include "cli/command_line.h"
#include "cli/flow/images.h"
#include "cli/flow/images_fit.h"
#include "cli/flow/table.h"
#include "cli/flow/text.h"
#include "cli/live_line.h"
#include "cli/print_json.h"
#include "cli/stopping.h"

typedef struct {
    mr_fit_options fit;
    char flow[MR_MAX_TEXT];
    char out[MR_MAX_TEXT];
    char header[MR_MAX_CHOICE];
    char base[MR_MAX_TEXT];
    char columns[MR_MAX_TEXT];
    char target[MR_MAX_TEXT];
    char given[MR_MAX_TEXT];
    char bounded[MR_MAX_TEXT];
    char circular[MR_MAX_TEXT];
    char categorical[MR_MAX_TEXT];
    bool drop_constant;
    char weights[MR_MAX_TEXT];
    double clip_outliers;
    char lr_schedule[MR_MAX_CHOICE];
    mr_image_fit_options images;
    size_t threads;
    bool json;
} fit_options;

#define AT(field) offsetof(fit_options, field)

// The defaults are those of mr_fit_defaults.
static const mr_setting options[] = {
    {"flow", MR_SETTING_TEXT, AT(flow), "", 0, 0, "FLOW",
     "the flow: a preset, as in nsf or maf:layers=3, or parts, as in [lu, coupling(spline)]*4 "
     "(`millrace flow list`), or text for a text; default: nsf_lu, or nsf:bins=16 with angles, a "
     "uniform base or more than 500 columns; of images glow",
     false},
    {"out", MR_SETTING_OUT_FILE, AT(out), "model.safetensors", 0, 0, "FILE", "where the model goes",
     false},
    {"header", MR_SETTING_CHOICE, AT(header), "auto", 0, 0, "auto|yes|no",
     "whether the first row of a .csv is the columns' names", false},
    {"base", MR_SETTING_TEXT, AT(base), "normal", 0, 0, "BASE",
     "base distribution: normal, student_t (heavy tails), mixture:components=8 (separate modes) or "
     "uniform:bound=6 (columns that are all bounded)",
     false},
    {"columns", MR_SETTING_TEXT, AT(columns), "", 0, 0, "NAME|N|N-N,...",
     "fit these columns, by names or by numbers from 1 (from 0 if one of the options names column "
     "0); default: all",
     false},
    {"target", MR_SETTING_TEXT, AT(target), "", 0, 0, "NAME|N|N-N,...",
     "the same as --columns, to be read beside --given", false},
    {"given", MR_SETTING_TEXT, AT(given), "", 0, 0, "NAME|N|N-N,...",
     "fit a conditional density: that of the other columns, or of --target, given these", false},
    {"bounded", MR_SETTING_TEXT, AT(bounded), "", 0, 0, "COL:LO:HI,...",
     "these columns lie between bounds, one of which may be inf or -inf", false},
    {"circular", MR_SETTING_TEXT, AT(circular), "", 0, 0, "COL[:LO:HI],...",
     "these columns are angles; LO and HI are the same point (default: 2 pi apart)", false},
    {"categorical", MR_SETTING_TEXT, AT(categorical), "", 0, 0, "COL[:LO:HI],...",
     "the texts or whole numbers of these columns are categories, in no order; columns that hold "
     "nothing but text are categorical anyway",
     false},
    {"drop_constant", MR_SETTING_SWITCH, AT(drop_constant), "false", 0, 0, NULL,
     "leave out columns that are the same in every row; samples have them again", false},
    {"weights", MR_SETTING_TEXT, AT(weights), "", 0, 0, "FILE|COLUMN",
     "how often each row counts: a table of one column, or a column of DATA", false},
    {"clip_outliers", MR_SETTING_REAL, AT(clip_outliers), "0", 0, 1e12, "X",
     "clip cells to X robust deviations from their column's median; 0: no clipping", false},
    {"epochs", MR_SETTING_COUNT, AT(fit.max_epochs), "1000", 1, 1e9, "N",
     "maximum of passes through the data; of images and texts 20 by default", false},
    {"patience", MR_SETTING_COUNT, AT(fit.patience), "30", 1, 1e9, "N",
     "early stopping: passes without a better held-out likelihood before the end", false},
    {"held_out", MR_SETTING_REAL, AT(fit.held_out), "0.1", 1e-6, 0.9, "X",
     "fraction of the rows that is held out for validation", false},
    {"batch_size", MR_SETTING_COUNT, AT(fit.batch_size), "256", 1, 1e6, "N",
     "rows in a step; of images 64 by default, of texts as many as have 512 characters", false},
    {"lr", MR_SETTING_REAL, AT(fit.lr), "0.004", 1e-12, 10, "X",
     "Adam's learning rate at the start; falls when the held-out likelihood stops rising; of "
     "images and texts 0.002 by default",
     false},
    {"lr_schedule", MR_SETTING_CHOICE, AT(lr_schedule), "constant", 0, 0, MR_LR_SCHEDULE_WORDS,
     "how the learning rate also falls, down to 0 over --epochs; of images and texts cosine by "
     "default",
     false},
    {"warm_up", MR_SETTING_COUNT, AT(fit.warm_up), "0", 0, 1e9, "N",
     "steps over which the learning rate rises to --lr; of images 200 by default", false},
    {"clip_norm", MR_SETTING_REAL, AT(fit.clip_norm), "10", 1e-6, 1e30, "X",
     "maximum norm of the gradient; longer ones are scaled down to it; default for images: 100 "
     "times the number of pixel values",
     false},
    {"seed", MR_SETTING_SEED, AT(fit.seed), "1", 0, 0, "N",
     "seed of the initial parameters, the held-out rows and the order of the others", false},
    {"size", MR_SETTING_TEXT, AT(images.size), "", 0, 0, "WxH",
     "images: scale their middle part of this shape to this size; default: all have one size",
     false},
    {"labels", MR_SETTING_TEXT, AT(images.labels), "", 0, 0, "FILE",
     "images: fit a class-conditional density by these labels (IDX, .npy or .csv)", false},
    {"class_conditional", MR_SETTING_SWITCH, AT(images.class_conditional), "false", 0, 0, NULL,
     "images: the same by the labels that DATA has itself", false},
    {"skip_bad", MR_SETTING_SWITCH, AT(images.skip_bad), "false", 0, 0, NULL,
     "images: leave out those that cannot be read, and count them", false},
    {"bits", MR_SETTING_COUNT, AT(images.bits), "8", 1, 8, "N",
     "images: bits of a pixel that are kept", false},
    {"logit", MR_SETTING_REAL, AT(images.logit), "0.001", 0, 0.49, "ALPHA",
     "images: map pixels to the line by logit(ALPHA + (1 - 2 ALPHA) x); of photographs 0.05 is "
     "better; 0: no logit",
     false},
    {"dequantisation", MR_SETTING_TEXT, AT(images.dequantisation), "uniform", 0, 0,
     "uniform|variational|FLOW",
     "images: how pixels become continuous: by uniform noise, or by noise that a flow draws, which "
     "is trained with the density and sees the pixels",
     false},
    {"flips", MR_SETTING_SWITCH, AT(images.flips), "false", 0, 0, NULL,
     "images: exchange left and right at random while training", false},
    {"shifts", MR_SETTING_COUNT, AT(images.shifts), "0", 0, 1024, "N",
     "images: shift by up to N pixels at random while training", false},
    {"log", MR_SETTING_OUT_DIR, AT(images.log), "", 0, 0, "DIR",
     "images: write metrics and samples of each pass there, for TensorBoard and as .png", false},
    {"threads", MR_SETTING_COUNT, AT(threads), "1", 1, 256, "N", "threads to compute with", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: out, flow, composition (of its parts), base, n, dim, header (whether the "
     "first row was names), columns, given, constant_columns and categorical_columns (numbers), "
     "weighted, "
     "clipped_cells, epochs, best_epoch, train_log_likelihood, held_out_log_likelihood, seconds; "
     "of "
     "images out, flow, composition, base, n, skipped, channels, height, width, bits, classes, "
     "epochs, best_epoch, held_out_bits_per_dim, held_out_log_likelihood, images_per_second, "
     "seconds, dequantisation; of texts out, flow, n, characters, alphabet, parameters, epochs, "
     "best_epoch, train_bits_per_character, held_out_bits_per_character, seconds",
     false},
};

/// The result of a fit.
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

static mr_status fit(const fit_options *chosen, mr_fit_table *table, mr_density *density,
                     outcome *o) {
    mr_live_line line;
    const double begun = mr_clock_s();
    const mr_matrix *data = &table->data;
    const mr_row_source source = {.n = data->n_rows, .read = mr_fit_table_rows, .self = table};
    mr_live_line_begin(&line);
    const mr_status status = data->values != NULL
                                 ? mr_fit(density, data->n_rows, data->values, &chosen->fit,
                                          finished_epoch, &line, mr_stop_on_signals(), &o->end)
                                 : mr_fit_to_rows(density, &source, &chosen->fit, finished_epoch,
                                                  &line, mr_stop_on_signals(), &o->end);
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

static void print_list(const char *title, const mr_fit_table *table, size_t n,
                       const size_t *columns) {
    printf("%s", title);
    for (size_t j = 0; j < n; j++)
        printf("%s%zu", j > 0 ? ", " : "", columns[j] + !table->from_zero);
}

static void print_columns(const mr_fit_table *table) {
    const mr_layout *layout = &table->layout;
    print_list("columns   ", table, table->n_features, layout->columns);
    printf(" of %zu%s", layout->n_columns, table->from_zero ? ", counted from 0" : "");
    if (layout->n_given > 0)
        print_list("; given: ", table, layout->n_given, layout->given);
    for (size_t k = 0; k < layout->n_constants; k++)
        printf("%s%zu",
               k > 0 ? ", " : "; constant: ", layout->constants[k].column + !table->from_zero);
    printf("\n");
}

static void print_text(const fit_options *chosen, const mr_fit_table *table,
                       const mr_density *density, const outcome *o) {
    printf("data      %zu%s rows of %zu\n", table->data.n_rows,
           table->weights != NULL ? " weighted" : "", table->n_features);
    if (table->is_csv)
        print_header(&table->layout);
    if (table->n_features < table->layout.n_columns)
        print_columns(table);
    if (chosen->clip_outliers > 0)
        printf("clipped   %zu cells beyond %g robust deviations\n", table->n_clipped,
               chosen->clip_outliers);
    printf("flow      %s\n", mr_density_flow(density));
    if (strcmp(mr_density_composition(density), mr_density_flow(density)) != 0)
        printf("          %s\n", mr_density_composition(density));
    printf("base      %s\n", mr_density_base(density));
    printf("epochs    %zu in %.1f s, the best was %zu\n", o->end.epoch, o->seconds,
           o->end.best_epoch);
    printf("held out  %.4f nats, mean log-likelihood\n", o->end.best_log_prob);
    printf("model     %s\n", chosen->out);
}

static mr_status print_json(const fit_options *chosen, const mr_fit_table *table,
                            const mr_density *density, const outcome *o) {
    const mr_layout *layout = &table->layout;
    const json_int_t first = table->from_zero ? 0 : 1;
    json_t *columns = json_array(), *given = json_array(), *constants = json_array(),
           *categorical = json_array();
    for (size_t j = 0; j < table->n_features; j++)
        json_array_append_new(columns, json_integer((json_int_t)layout->columns[j] + first));
    for (size_t j = 0; j < layout->n_given; j++)
        json_array_append_new(given, json_integer((json_int_t)layout->given[j] + first));
    for (size_t k = 0; k < layout->n_constants; k++)
        json_array_append_new(constants,
                              json_integer((json_int_t)layout->constants[k].column + first));
    for (size_t j = 0; j < table->data.n_cols && table->support != NULL; j++)
        if (table->support[j].type == MR_SUPPORT_CATEGORY)
            json_array_append_new(categorical,
                                  json_integer((json_int_t)mr_fit_table_column(table, j) + first));
    json_t *object = json_pack(
        "{s:o, s:s, s:s, s:s, s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:b, s:I, s:I, s:I, s:f, s:f, "
        "s:f}",
        "out", mr_json_text(chosen->out), "flow", mr_density_flow(density), "composition",
        mr_density_composition(density), "base", mr_density_base(density), "n",
        (json_int_t)table->data.n_rows, "dim", (json_int_t)table->n_features, "header",
        (int)(layout->names != NULL), "columns", columns, "given", given, "constant_columns",
        constants, "categorical_columns", categorical, "weighted", (int)(table->weights != NULL),
        "clipped_cells", (json_int_t)table->n_clipped, "epochs", (json_int_t)o->end.epoch,
        "best_epoch", (json_int_t)o->end.best_epoch, "train_log_likelihood", o->end.train_log_prob,
        "held_out_log_likelihood", o->end.best_log_prob, "seconds", o->seconds);
    return mr_print_json(object);
}

// A fit that is stopped saves its best model so far, and a checkpoint to resume from.
static mr_status finish(const fit_options *chosen, const mr_fit_table *table,
                        const mr_density *density, const outcome *o) {
    const bool is_stopped = mr_stop_exit_code() != 0;
    if (is_stopped)
        mr_stop_report_fit(o->end.epoch + 1, chosen->fit.checkpoint);
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
                                              .target = chosen->target,
                                              .given = chosen->given,
                                              .bounded = chosen->bounded,
                                              .circular = chosen->circular,
                                              .categorical = chosen->categorical,
                                              .weights = chosen->weights,
                                              .drop_constant = chosen->drop_constant,
                                              .clip = chosen->clip_outliers},
                             table);
}

// Linear maps have no form for angles, don't keep the box of a uniform base, and take n^3 steps to
// draw for n columns.
static const char *default_flow(const fit_options *chosen, const mr_fit_table *table) {
    enum { MAX_MIXED = 500 };
    bool has_angles = false;
    for (size_t j = 0; j < table->n_features; j++)
        has_angles = has_angles || (table->support && table->support[j].type == MR_SUPPORT_CIRCLE);
    const bool is_uniform = strncmp(chosen->base, "uniform", strlen("uniform")) == 0;
    const bool is_mixed = !has_angles && !is_uniform && table->n_features <= MAX_MIXED;
    return is_mixed ? "nsf_lu" : "nsf:bins=16";
}

// A table of numbers without names, whose columns are all features, needs no layout.
static mr_status new_density(const fit_options *chosen, const mr_fit_table *table,
                             mr_density **out) {
    const size_t dim = table->n_features, n_given = table->layout.n_given;
    const char *flow = *chosen->flow ? chosen->flow : default_flow(chosen, table);
    mr_status status = mr_density_create(&(mr_density_spec){.flow = flow,
                                                            .use = MR_FLOW_TO_SCORE,
                                                            .base = chosen->base,
                                                            .dim = dim,
                                                            .given_dim = n_given,
                                                            .support = table->support},
                                         chosen->fit.seed, out);
    const mr_layout *layout = &table->layout;
    if (status == MR_OK &&
        (layout->names != NULL || layout->dictionary != NULL || dim < layout->n_columns))
        status = mr_density_set_layout(*out, &table->layout);
    if (status == MR_OK && dim == 1 && n_given == 0 && strcmp(chosen->base, "normal") == 0 &&
        mr_density_is_affine(*out))
        fprintf(stderr,
                "note: of one column %s makes no more than a Gaussian; nsf_lu has other shapes\n",
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
    chosen.fit.lr_schedule = chosen.lr_schedule;
    if (access(line->arguments[0], R_OK) != 0 && !mr_images_is_source(line->arguments[0])) {
        status = mr_fail(MR_ERR_IO, "cannot read %s: %s", line->arguments[0], strerror(errno));
        goto done;
    }
    if (mr_text_flow_is(chosen.flow)) {
        MR_TRY(mr_image_options_refuse(line, line->arguments[0], "a text"));
        status =
            mr_text_fit_run(line, &chosen.fit, chosen.flow, chosen.out, chosen.json, exit_code);
        goto done;
    }
    if (mr_images_is_source(line->arguments[0])) {
        status = mr_image_fit_run(&(mr_image_fit){.line = line,
                                                  .images = &chosen.images,
                                                  .fit = chosen.fit,
                                                  .data = line->arguments[0],
                                                  .flow = chosen.flow,
                                                  .base = chosen.base,
                                                  .out = chosen.out,
                                                  .json = chosen.json},
                                  exit_code);
        goto done;
    }
    MR_TRY(mr_image_options_refuse(line, line->arguments[0], "a table"));
    if (!mr_matrix_is_table(line->arguments[0])) {
        status = mr_fail(MR_ERR_USAGE,
                         "%s: the name of a table must end in .npy, .npz or .csv; a text is fitted "
                         "with --flow text",
                         line->arguments[0]);
        goto done;
    }
    MR_TRY(read_table(line->arguments[0], &chosen, &table));
    chosen.fit.weights = table.weights;
    MR_TRY(new_density(&chosen, &table, &density));
    status = fit(&chosen, &table, density, &o);
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
    .summary = "fit a density to a table of data or to images",
    .details = "Fits a flow to the rows of a table by maximum likelihood. DATA is a .npy,\n"
               "[rows x columns], a .npz of one such array, or a .csv, whose columns of text\n"
               "are categories. Other columns are standardised; a part of the rows is held out,\n"
               "and the model is that of the pass through the rest after which the held-out\n"
               "rows were most likely.\n\n"
               "DATA may also be a set of images: a .npy [n, height, width] or [n, height,\n"
               "width, channels], an IDX file (.gz too), CIFAR-10's .bin, a folder of .png\n"
               "and .jpg files, or fashion-mnist, which Debian has. Likelihoods are then in\n"
               "bits a dimension of the discrete pixels.\n\n"
               "With --flow text, DATA is a text in UTF-8, each of whose lines is a string to\n"
               "be fitted; with --flow text:length=128 it is running text, which is fitted in\n"
               "windows of that many characters. Such a fit has defaults of its own: 20 passes,\n"
               "a learning rate that falls as a cosine, and steps of 512 characters: 4 windows\n"
               "of 128, or 4 rows of 128 characters that as many lines as possible share.\n\n"
               "Ctrl-C stops in good order. A fit that was stopped or killed leaves\n"
               "FILE.checkpoint; the same command goes on from it, and ends as if it had never\n"
               "been stopped.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_fit,
};
