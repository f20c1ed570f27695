// `millrace flow sample`: new data from a saved density.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/density.h"
#include "base/matrix_file.h"
#include "cli/command_line.h"
#include "cli/flow/table.h"
#include "cli/print_json.h"

typedef struct {
    size_t num;
    char given[MR_MAX_TEXT];
    size_t per_row;
    char header[MR_MAX_CHOICE];
    char out[MR_MAX_TEXT];
    uint64_t seed;
    size_t threads;
    bool json;
} sample_options;

#define AT(field) offsetof(sample_options, field)

static const mr_setting options[] = {
    {"num", MR_SETTING_COUNT, AT(num), "1000", 1, 1e9, "N", "samples to draw (without --given)",
     false},
    {"given", MR_SETTING_TEXT, AT(given), "", 0, 0, "TABLE",
     "rows to draw samples for, of a model that was fitted with --given: its given columns, alone "
     "or in a table like that which was fitted",
     false},
    {"per_row", MR_SETTING_COUNT, AT(per_row), "1", 1, 1e6, "N", "samples for each row of --given",
     false},
    {"header", MR_SETTING_CHOICE, AT(header), "auto", 0, 0, "auto|yes|no",
     "whether the first row of a .csv of given rows is the columns' names", false},
    {"out", MR_SETTING_OUT_FILE, AT(out), "samples.npy", 0, 0, "FILE",
     "where they go, a .npy of float64 or a .csv", false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N",
     "of the samples; fewer of a seed are the first of more", false},
    {"threads", MR_SETTING_COUNT, AT(threads), "1", 1, 256, "N", "threads to compute with", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: out, n, dim, seed", false},
};

static mr_status print_json(const sample_options *chosen, size_t n, size_t dim) {
    json_t *object = json_pack("{s:s, s:I, s:I, s:o}", "out", chosen->out, "n", (json_int_t)n,
                               "dim", (json_int_t)dim, "seed", mr_json_unsigned(chosen->seed));
    return mr_print_json(object);
}

/// Samples, and the given rows that they are for.
typedef struct {
    size_t n;
    double *x;     // [n x dim] owned
    double *given; // [n x given_dim] owned; NULL: none
} samples;

// Repeats each of the given rows `num` times.
static mr_status repeat_rows(const mr_matrix *rows, size_t num, samples *s) {
    s->n = rows->n_rows * num;
    s->given = calloc(s->n, rows->n_cols * sizeof *s->given);
    if (s->given == NULL)
        return mr_fail_memory("the samples");
    for (size_t i = 0; i < s->n; i++)
        memcpy(s->given + i * rows->n_cols, rows->values + i / num * rows->n_cols,
               rows->n_cols * sizeof *s->given);
    return MR_OK;
}

static mr_status draw(const sample_options *chosen, const mr_density *density, samples *s) {
    mr_status status;
    mr_matrix rows = {0};
    const int n_threads = (int)chosen->threads;
    s->n = chosen->num;
    if (chosen->given[0] != '\0') {
        MR_TRY(mr_given_table_read(chosen->given, mr_header_of(chosen->header), density, &rows));
        MR_TRY(repeat_rows(&rows, chosen->per_row, s));
    }
    s->x = calloc(s->n, mr_density_dim(density) * sizeof *s->x);
    if (s->x == NULL) {
        status = mr_fail_memory("the samples");
        goto done;
    }
    status =
        s->given != NULL
            ? mr_density_sample_given(density, n_threads, chosen->seed, s->n, s->given, s->x, NULL)
            : mr_density_sample(density, n_threads, chosen->seed, s->n, s->x, NULL);
done:
    mr_matrix_free(&rows);
    return status;
}

static mr_status run_sample(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    sample_options chosen;
    mr_density *density = NULL;
    samples s = {0};
    double *table = NULL;
    size_t n_cols = 0;

    MR_TRY(mr_command_line_store(&mr_command_flow_sample, line, &chosen));
    MR_TRY(mr_matrix_check_name(chosen.out));
    MR_TRY(mr_density_load(line->arguments[0], &density));
    MR_TRY(draw(&chosen, density, &s));
    MR_TRY(mr_samples_with_constants(density, s.n, s.x, &table, &n_cols));
    MR_TRY(mr_matrix_write(chosen.out, s.n, n_cols, table));
    if (chosen.json)
        status = print_json(&chosen, s.n, n_cols);
    else
        printf("%zu samples of %zu are in %s\n", s.n, n_cols, chosen.out);
done:
    free(table);
    free(s.x);
    free(s.given);
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
               "samples of the fitted columns for each row of --given, in their order.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .letters = "n",
    .run = run_sample,
};
