// `millrace flow score`: how likely data is under a saved density.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "flows/density.h"
#include "nn/matrix_file.h"
#include "scripts/command.h"
#include "scripts/print_json.h"

typedef struct {
    char out[MR_MAX_TEXT];
    uint64_t seed;
    size_t threads;
    bool json;
} score_options;

#define AT(field) offsetof(score_options, field)

static const mr_setting options[] = {
    {"out", MR_SETTING_OUT_FILE, AT(out), "", 0, 0, "FILE",
     "write the log-likelihood of each row, in nats, to a .npy or .csv", false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N", "nothing here is random: without effect",
     false},
    {"threads", MR_SETTING_COUNT, AT(threads), "1", 1, 256, "N", "threads to compute with", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: n, mean_log_likelihood, stderr (null for a single row)", false},
};

typedef struct {
    double mean;
    double error; // standard error of the mean; NaN for a single row
} summary;

static summary summarise(size_t n, const double *scores) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += scores[i];
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (scores[i] - mean) * (scores[i] - mean);
    return (summary){mean, n > 1 ? sqrt(squares / (double)(n - 1) / (double)n) : NAN};
}

static void print_text(size_t n, const summary *s) {
    printf("rows                 %zu\n", n);
    if (isnan(s->error))
        printf("mean log-likelihood  %.4f nats\n", s->mean);
    else
        printf("mean log-likelihood  %.4f ± %.4f nats\n", s->mean, s->error);
}

static mr_status print_json(size_t n, const summary *s) {
    json_t *object =
        json_pack("{s:I, s:f, s:o}", "n", (json_int_t)n, "mean_log_likelihood", s->mean, "stderr",
                  isfinite(s->error) ? json_real(s->error) : json_null());
    return mr_print_json(object);
}

static mr_status fail_width(const char *path, const mr_matrix *data, const mr_density *density) {
    size_t n_columns;
    const size_t dim = mr_density_dim(density);
    if (mr_density_columns(density, &n_columns) && n_columns != dim)
        return mr_fail(MR_ERR_INPUT,
                       "%s: row 1 has %zu columns, the model needs %zu, or %zu to pick them from; "
                       "was it fitted to other data?",
                       path, data->n_cols, dim, n_columns);
    return mr_fail(MR_ERR_INPUT,
                   "%s: row 1 has %zu columns, the model needs %zu; was it fitted to other data?",
                   path, data->n_cols, dim);
}

// Leaves those columns that the model is about, in place: a table of whole observations, as the
// density of a run may be given.
static mr_status pick_columns(const char *path, const mr_density *density, mr_matrix *data) {
    size_t n_columns;
    const size_t *columns = mr_density_columns(density, &n_columns);
    const size_t dim = mr_density_dim(density), width = data->n_cols;
    if (width == dim)
        return MR_OK;
    if (!columns || width != n_columns)
        return fail_width(path, data, density);
    for (size_t i = 0; i < data->n_rows; i++)
        for (size_t j = 0; j < dim; j++)
            data->values[i * dim + j] = data->values[i * width + columns[j]];
    data->n_cols = dim;
    return MR_OK;
}

static mr_status run_score(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    score_options chosen;
    mr_density *density = NULL;
    mr_matrix data = {0};
    double *scores = NULL;

    MR_TRY(mr_command_line_store(&mr_command_flow_score, line, &chosen));
    if (chosen.out[0] != '\0')
        MR_TRY(mr_matrix_check_name(chosen.out));
    MR_TRY(mr_density_load(line->arguments[0], &density));
    MR_TRY(mr_matrix_read(line->arguments[1], &data));
    MR_TRY(pick_columns(line->arguments[1], density, &data));
    scores = malloc(data.n_rows * sizeof *scores);
    if (scores == NULL) {
        status = mr_fail_memory("the scores");
        goto done;
    }
    MR_TRY(mr_density_log_prob(density, (int)chosen.threads, data.n_rows, data.values, scores));
    if (chosen.out[0] != '\0')
        MR_TRY(mr_matrix_write(chosen.out, data.n_rows, 1, scores));
    const summary s = summarise(data.n_rows, scores);
    if (chosen.json)
        status = print_json(data.n_rows, &s);
    else
        print_text(data.n_rows, &s);
done:
    free(scores);
    mr_matrix_free(&data);
    mr_density_free(density);
    return status;
}

const mr_command mr_command_flow_score = {
    .name = "flow score",
    .usage = "MODEL DATA [options]",
    .summary = "report how likely data is under a saved density",
    .details = "Prints the mean log-likelihood of the rows of a table (.npy or .csv) under a\n"
               "model that `millrace flow fit` or `millrace flow vi` has saved, in nats and in\n"
               "the data's own units, with its standard error.\n\n"
               "The density.safetensors of a run with --bonus density takes observations, and\n"
               "picks the features that it is about; the lower the likelihood, the more novel.",
    .min_arguments = 2,
    .max_arguments = 2,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_score,
};
