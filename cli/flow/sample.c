// `millrace flow sample`: new data from a saved density.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "flows/density.h"
#include "flows/text.h"
#include "base/matrix_file.h"
#include "cli/command_line.h"
#include "cli/flow/images.h"
#include "cli/flow/table.h"
#include "cli/flow/text.h"
#include "cli/print_json.h"

typedef struct {
    size_t num;
    char given[MR_MAX_TEXT];
    size_t per_row;
    char header[MR_MAX_CHOICE];
    size_t length;
    char out[MR_MAX_TEXT];
    double temperature;
    uint64_t seed;
    size_t threads;
    bool json;
} sample_options;

#define AT(field) offsetof(sample_options, field)

static const mr_setting options[] = {
    {"num", MR_SETTING_COUNT, AT(num), "1000", 1, 1e9, "N",
     "samples to draw (without --given TABLE); of images 64 by default, or 8 of each class", false},
    {"given", MR_SETTING_TEXT, AT(given), "", 0, 0, "TABLE|CLASS",
     "rows to draw samples for, of a model that was fitted with --given: its given columns, alone "
     "or in a table like that which was fitted; of a class-conditional model of images, the class",
     false},
    {"per_row", MR_SETTING_COUNT, AT(per_row), "1", 1, 1e6, "N", "samples for each row of --given",
     false},
    {"header", MR_SETTING_CHOICE, AT(header), "auto", 0, 0, "auto|yes|no",
     "whether the first row of a .csv of given rows is the columns' names", false},
    {"length", MR_SETTING_COUNT, AT(length), "0", 0, 1e6, "N",
     "of a model of text: characters of a sample at most; 0: as many as it was fitted to", false},
    {"out", MR_SETTING_OUT_FILE, AT(out), "samples.npy", 0, 0, "FILE",
     "where they go, a .npy of float64 or a .csv; images: a .npy of 8 bits or a .png; samples of "
     "text are printed without it",
     false},
    {"temperature", MR_SETTING_REAL, AT(temperature), "1", 1e-6, 100, "T",
     "factor on the deviation of the base; of a model of text the softmax temperature of the next "
     "mixture component: below 1 samples are likelier and less varied",
     false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N",
     "of the samples; fewer of a seed are the first of more", false},
    {"threads", MR_SETTING_COUNT, AT(threads), "1", 1, 256, "N", "threads to compute with", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: out, n, seed; of tables dim; of images channels, height, width, "
     "temperature",
     false},
};

static mr_status print_json(const sample_options *chosen, size_t n, size_t dim) {
    json_t *object =
        json_pack("{s:o, s:I, s:I, s:o}", "out", mr_json_text(chosen->out), "n", (json_int_t)n,
                  "dim", (json_int_t)dim, "seed", mr_json_unsigned(chosen->seed));
    return mr_print_json(object);
}

/// The samples and the given rows of a part of them.
typedef struct {
    double *x;     // [n_max x dim] owned
    double *given; // [n_max x given_dim] owned
    double *rows;  // [n_max x given_dim] owned: the given rows, once each
    double *table; // [n_max x width] owned: as they are written
} samples;

static mr_status allocate(const mr_density *density, size_t n_max, samples *s) {
    const size_t n_given = mr_density_given_dim(density);
    s->x = calloc(n_max, mr_density_dim(density) * sizeof *s->x);
    s->given = calloc(n_max, (n_given + 1) * sizeof *s->given);
    s->rows = calloc(n_max, (n_given + 1) * sizeof *s->rows);
    s->table = calloc(n_max, mr_samples_width(density) * sizeof *s->table);
    const bool is_whole = s->x && s->given && s->rows && s->table;
    return is_whole ? MR_OK : mr_fail_memory("the samples");
}

// The given rows of samples first .. first+n-1; there are `per_row` samples for each.
static mr_status take_given(const mr_matrix *rows, size_t per_row, size_t first, size_t n,
                            samples *s) {
    const size_t first_row = first / per_row, end_row = (first + n - 1) / per_row + 1;
    const mr_status status = mr_matrix_get_rows(rows, first_row, end_row - first_row, s->rows);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        memcpy(s->given + i * rows->n_cols,
               s->rows + ((first + i) / per_row - first_row) * rows->n_cols,
               rows->n_cols * sizeof *s->given);
    return MR_OK;
}

// Draws and writes n samples, some at a time, so that they may be more than fit in memory.
//
//   rows  the given rows; without columns: none
static mr_status draw(const sample_options *chosen, const mr_density *density,
                      const mr_matrix *rows, size_t n, mr_matrix_writer *writer) {
    mr_status status;
    const size_t n_max = mr_rows_at_once(mr_samples_width(density) + rows->n_cols);
    const bool has_given = rows->n_cols > 0;
    samples s = {0};
    mr_sampler *sampler = NULL;
    MR_TRY(allocate(density, n_max, &s));
    MR_TRY(mr_sampler_new(density, (int)chosen->threads, chosen->seed, &sampler));
    MR_TRY(mr_sampler_set_temperature(sampler, chosen->temperature));
    for (size_t first = 0; first < n; first += n_max) {
        const size_t n_rows = n - first < n_max ? n - first : n_max;
        if (has_given)
            MR_TRY(take_given(rows, chosen->per_row, first, n_rows, &s));
        MR_TRY(mr_sampler_draw(sampler, n_rows, has_given ? s.given : NULL, s.x, NULL));
        mr_samples_with_constants(density, n_rows, s.x, s.table);
        MR_TRY(mr_matrix_writer_append(writer, n_rows, s.table));
    }
done:
    mr_sampler_free(sampler);
    free(s.x);
    free(s.given);
    free(s.rows);
    free(s.table);
    return status;
}

static mr_status sample_images(const mr_command_line *line, const sample_options *chosen,
                               const mr_density *density) {
    enum { N_IMAGES = 64, N_OF_CLASS = 8 };
    const size_t n_classes = mr_density_pixels(density)->n_classes;
    const bool is_of_all = n_classes > 0 && chosen->given[0] == '\0';
    const size_t n = is_of_all ? N_OF_CLASS * n_classes : (size_t)N_IMAGES;
    return mr_images_sample_run(
        density, &(mr_image_sampling){.out = chosen->out,
                                      .class = chosen->given,
                                      .n = mr_command_line_has(line, "num") ? chosen->num : n,
                                      .temperature = chosen->temperature,
                                      .seed = chosen->seed,
                                      .n_threads = (int)chosen->threads,
                                      .json = chosen->json});
}

static mr_status run_sample(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    static const char *const of_text[] = {"length"}, *const of_given[] = {"per_row", "header"};
    mr_status status;
    sample_options chosen;
    mr_density *density = NULL;
    mr_matrix rows = {0};
    mr_matrix_labels labels = {0};
    mr_matrix_writer *writer = NULL;

    MR_TRY(mr_command_line_store(&mr_command_flow_sample, line, &chosen));
    if (mr_text_flow_is_file(line->arguments[0])) {
        status =
            mr_text_sample_run(line, chosen.num, chosen.temperature, chosen.length, chosen.seed,
                               mr_command_line_has(line, "out") ? chosen.out : NULL, chosen.json);
        goto done;
    }
    MR_TRY(mr_command_line_refuse(line, MR_COUNT(of_text), of_text, "is for models of text"));
    MR_TRY(mr_density_load(line->arguments[0], &density));
    if (mr_density_pixels(density) != NULL) {
        MR_TRY(mr_command_line_refuse(line, MR_COUNT(of_given), of_given,
                                      "is for models of tables, and this is one of images"));
        status = sample_images(line, &chosen, density);
        goto done;
    }
    MR_TRY(mr_matrix_check_name(chosen.out));
    if (chosen.given[0] != '\0')
        MR_TRY(mr_given_table_read(chosen.given, mr_header_of(chosen.header), density, &rows));
    else if (mr_density_given_dim(density) > 0)
        MR_TRY(mr_density_fail_conditional(density));
    else
        MR_TRY(mr_command_line_refuse(line, MR_COUNT(of_given), of_given,
                                      "is for samples by --given, and there are no given rows"));
    const size_t width = mr_samples_width(density);
    const size_t n = rows.n_cols > 0 ? rows.n_rows * chosen.per_row : chosen.num;
    MR_TRY(mr_samples_make_labels(density, &labels));
    MR_TRY(mr_matrix_writer_begin(chosen.out, n, width, &labels, &writer));
    MR_TRY(draw(&chosen, density, &rows, n, writer));
    MR_TRY(mr_matrix_writer_keep(writer));
    if (chosen.json)
        status = print_json(&chosen, n, width);
    else
        printf("%zu samples of %zu are in %s\n", n, width, chosen.out);
done:
    mr_matrix_writer_close(writer);
    mr_samples_free_labels(&labels);
    mr_matrix_free(&rows);
    mr_density_free(density);
    return status;
}

const mr_command mr_command_flow_sample = {
    .name = "flow sample",
    .usage = "MODEL [options]",
    .summary = "draw samples from a saved density",
    .details = "Draws samples from a model that `millrace flow fit` or `millrace flow vi` has\n"
               "saved, in the data's own units, one a row. Columns that were left out as\n"
               "constant are there again, as they were. Of a conditional model it draws\n"
               "samples of the fitted columns for each row of --given, in their order.\n\n"
               "Of a model of images it writes a grid (.png) or an array (.npy), of all classes\n"
               "in turn unless --given says which.\n\n"
               "Samples of a model of text are printed, one a line; those of running text are\n"
               "followed by a line with a percent sign.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .letters = "n",
    .run = run_sample,
};
