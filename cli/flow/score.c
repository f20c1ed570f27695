// `millrace flow score`: how likely data is under a saved density.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "flows/density.h"
#include "cli/command_line.h"
#include "cli/flow/table.h"
#include "cli/print_json.h"

typedef struct {
    char out[MR_MAX_TEXT];
    char header[MR_MAX_CHOICE];
    uint64_t seed;
    size_t threads;
    bool json;
} score_options;

#define AT(field) offsetof(score_options, field)

static const mr_setting options[] = {
    {"out", MR_SETTING_OUT_FILE, AT(out), "", 0, 0, "FILE",
     "write the log-likelihood of each row, in nats, to a .npy or .csv", false},
    {"header", MR_SETTING_CHOICE, AT(header), "auto", 0, 0, "auto|yes|no",
     "whether the first row of a .csv is the columns' names", false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N", "nothing here is random: without effect",
     false},
    {"threads", MR_SETTING_COUNT, AT(threads), "1", 1, 256, "N", "threads to compute with", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: n, n_impossible, header (whether the first row was names), "
     "mean_log_likelihood and stderr of the possible rows (null where they cannot be told)",
     false},
};

typedef struct {
    size_t n, n_impossible;
    double mean;  // of the others; NaN where there is none
    double error; // standard error of the mean; NaN for a single row
    bool is_csv, has_names;
} summary;

static void summarise(summary *s, const double *scores) {
    double sum = 0, squares = 0;
    const size_t n = s->n - s->n_impossible;
    for (size_t i = 0; i < s->n; i++)
        sum += isfinite(scores[i]) ? scores[i] : 0;
    s->mean = sum / (double)n;
    for (size_t i = 0; i < s->n; i++)
        squares += isfinite(scores[i]) ? (scores[i] - s->mean) * (scores[i] - s->mean) : 0;
    s->error = n > 1 ? sqrt(squares / (double)(n - 1) / (double)n) : (double)NAN;
}

static void note_impossible(const summary *s, const double *scores) {
    size_t first = 0;
    if (s->n_impossible == 0)
        return;
    while (isfinite(scores[first]))
        first++;
    fprintf(stderr,
            "note: the model gives no density to %zu of %zu rows (row %zu is the first); their "
            "log-likelihood is -inf, and the mean is that of the others\n",
            s->n_impossible, s->n, first + 1);
}

static void print_text(const summary *s) {
    printf("rows                 %zu\n", s->n);
    if (s->is_csv)
        printf("header               %s\n",
               s->has_names ? "the first row is names" : "none: the first row is data");
    if (s->n_impossible > 0)
        printf("impossible           %zu\n", s->n_impossible);
    if (s->n_impossible == s->n)
        printf("mean log-likelihood  -inf nats\n");
    else if (isnan(s->error))
        printf("mean log-likelihood  %.4f nats\n", s->mean);
    else
        printf("mean log-likelihood  %.4f ± %.4f nats\n", s->mean, s->error);
}

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static mr_status print_json(const summary *s) {
    json_t *object =
        json_pack("{s:I, s:I, s:b, s:o, s:o}", "n", (json_int_t)s->n, "n_impossible",
                  (json_int_t)s->n_impossible, "header", (int)s->has_names, "mean_log_likelihood",
                  number_or_null(s->mean), "stderr", number_or_null(s->error));
    return mr_print_json(object);
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
    MR_TRY(mr_score_table_read(line->arguments[1], mr_header_of(chosen.header), density, &data));
    summary s = {
        .n = data.n_rows, .is_csv = mr_is_csv(line->arguments[1]), .has_names = data.names != NULL};
    scores = malloc(data.n_rows * sizeof *scores);
    if (scores == NULL) {
        status = mr_fail_memory("the scores");
        goto done;
    }
    MR_TRY(mr_density_score(density, (int)chosen.threads, data.n_rows, data.values, scores,
                            &s.n_impossible));
    if (chosen.out[0] != '\0')
        MR_TRY(mr_matrix_write(chosen.out, data.n_rows, 1, scores));
    summarise(&s, scores);
    note_impossible(&s, scores);
    if (chosen.json)
        status = print_json(&s);
    else
        print_text(&s);
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
    .details = "Prints the mean log-likelihood of the rows of a table (.npy, .npz or .csv)\n"
               "under a model that `millrace flow fit` or `millrace flow vi` has saved, in nats\n"
               "and in the data's own units, with its standard error. Columns are found by their\n"
               "names where model and table have some, else by their places. A row that the\n"
               "model gives no density gets -inf, and is left out of the mean.\n\n"
               "The density.safetensors of a run with --bonus density takes observations, and\n"
               "picks the features that it is about; the lower the likelihood, the more novel.",
    .min_arguments = 2,
    .max_arguments = 2,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_score,
};
