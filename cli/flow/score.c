// `millrace flow score`: how likely data is under a saved density.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "flows/density.h"
#include "flows/text.h"
#include "cli/command_line.h"
#include "cli/flow/images.h"
#include "cli/flow/images_fit.h"
#include "cli/flow/table.h"
#include "cli/flow/text.h"
#include "cli/print_json.h"

typedef struct {
    char out[MR_MAX_TEXT];
    char header[MR_MAX_CHOICE];
    char size[MR_MAX_CHOICE];
    char labels[MR_MAX_TEXT];
    bool skip_bad;
    size_t importance_samples;
    uint64_t seed;
    size_t threads;
    bool json;
} score_options;

#define AT(field) offsetof(score_options, field)

static const mr_setting options[] = {
    {"out", MR_SETTING_OUT_FILE, AT(out), "", 0, 0, "FILE",
     "write the log-likelihood of each row, in nats, to a .npy or .csv; of images three columns: "
     "log-likelihood, bits a dimension, typicality",
     false},
    {"header", MR_SETTING_CHOICE, AT(header), "auto", 0, 0, "auto|yes|no",
     "whether the first row of a .csv is the columns' names", false},
    {"size", MR_SETTING_TEXT, AT(size), "", 0, 0, "WxH",
     "scale images to this size, which is the model's", false},
    {"labels", MR_SETTING_TEXT, AT(labels), "", 0, 0, "FILE",
     "labels of the images, for a class-conditional model; default: those that DATA has", false},
    {"skip_bad", MR_SETTING_SWITCH, AT(skip_bad), "false", 0, 0, NULL,
     "leave out images that cannot be read", false},
    {"importance_samples", MR_SETTING_COUNT, AT(importance_samples), "1", 1, 1e6, "N",
     "of a model of text, of categorical columns or of images: draws of its latents, or of the "
     "noise on pixels, for each bound, which is the tighter the more there are",
     false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N",
     "of the noise on pixels and the latents of text and categorical columns; otherwise nothing is "
     "random",
     false},
    {"threads", MR_SETTING_COUNT, AT(threads), "1", 1, 256, "N", "threads to compute with", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: n, n_impossible, header (whether the first row was names), "
     "mean_log_likelihood and stderr of the possible rows (null where they cannot be told); of "
     "images n, n_impossible, labels (whether they were used), mean_log_likelihood, bits_per_dim, "
     "stderr, mean_typicality, held_out_bits_per_dim; of texts n, characters, bits_per_character, "
     "mean_log_likelihood",
     false},
};

typedef struct {
    size_t n, n_impossible;
    size_t first_impossible; // the first row of these, from 0
    double sum;              // of the others' scores
    double mean, square;     // of those so far, and their squared distances from it: a sum
    bool is_csv, has_names;
} summary;

static size_t count_possible(const summary *s) {
    return s->n - s->n_impossible;
}

// Scores of the next n rows. Block by block, by Chan, Golub and LeVeque 1979, equations 2.1.
static void add_scores(summary *s, size_t n, const double *scores) {
    size_t n_impossible = 0;
    double sum = 0, square = 0;
    const size_t n_before = count_possible(s);
    for (size_t i = 0; i < n; i++) {
        if (isfinite(scores[i])) {
            sum += scores[i];
            s->sum += scores[i];
        } else if (s->n_impossible + n_impossible++ == 0) {
            s->first_impossible = s->n + i;
        }
    }
    s->n += n;
    s->n_impossible += n_impossible;
    const size_t n_new = n - n_impossible, n_all = n_before + n_new;
    if (n_new == 0)
        return;
    const double mean = sum / (double)n_new, distance = mean - s->mean;
    for (size_t i = 0; i < n; i++)
        square += isfinite(scores[i]) ? (scores[i] - mean) * (scores[i] - mean) : 0;
    s->square += square + distance * distance * (double)n_before * (double)n_new / (double)n_all;
    s->mean += distance * (double)n_new / (double)n_all;
}

// NaN if there are no possible rows.
static double mean_of(const summary *s) {
    return s->sum / (double)count_possible(s);
}

// The standard error of the mean; NaN for a single row.
static double error_of(const summary *s) {
    const double n = (double)count_possible(s);
    return n > 1 ? sqrt(s->square / (n - 1) / n) : (double)NAN;
}

static void note_impossible(const summary *s) {
    if (s->n_impossible > 0)
        fprintf(stderr,
                "note: the model gives no density to %zu of %zu rows (row %zu is the first); their "
                "log-likelihood is -inf, and the mean is that of the others\n",
                s->n_impossible, s->n, s->first_impossible + 1);
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
    else if (isnan(error_of(s)))
        printf("mean log-likelihood  %.4f nats\n", mean_of(s));
    else
        printf("mean log-likelihood  %.4f ± %.4f nats\n", mean_of(s), error_of(s));
}

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static mr_status print_json(const summary *s) {
    json_t *object =
        json_pack("{s:I, s:I, s:b, s:o, s:o}", "n", (json_int_t)s->n, "n_impossible",
                  (json_int_t)s->n_impossible, "header", (int)s->has_names, "mean_log_likelihood",
                  number_or_null(mean_of(s)), "stderr", number_or_null(error_of(s)));
    return mr_print_json(object);
}

// Scores the rows block by block, so that a table may be larger than memory.
static mr_status score(const score_options *chosen, const mr_density *density,
                       const mr_matrix *data, mr_matrix_writer *writer, summary *s) {
    mr_status status = MR_OK;
    const size_t n_max = mr_rows_at_once(data->n_cols);
    double *x = malloc(n_max * data->n_cols * sizeof *x), *scores = malloc(n_max * sizeof *scores);
    if (x == NULL || scores == NULL) {
        status = mr_fail_memory("the scores");
        goto done;
    }
    for (size_t first = 0; first < data->n_rows; first += n_max) {
        const size_t n = data->n_rows - first < n_max ? data->n_rows - first : n_max;
        size_t n_impossible;
        MR_TRY(mr_matrix_get_rows(data, first, n, x));
        MR_TRY(mr_density_score_samples(density, (int)chosen->threads, chosen->seed,
                                        chosen->importance_samples, first, n, x, scores,
                                        &n_impossible));
        add_scores(s, n, scores);
        if (writer != NULL)
            MR_TRY(mr_matrix_writer_append(writer, n, scores));
    }
done:
    free(x);
    free(scores);
    return status;
}

static mr_status score_images(const mr_command_line *line, const score_options *chosen,
                              const mr_density *density) {
    return mr_images_score_run(density, &(mr_image_scoring){.data = line->arguments[1],
                                                            .out = chosen->out,
                                                            .size = chosen->size,
                                                            .labels = chosen->labels,
                                                            .skips_bad = chosen->skip_bad,
                                                            .n_samples = chosen->importance_samples,
                                                            .seed = chosen->seed,
                                                            .n_threads = (int)chosen->threads,
                                                            .json = chosen->json});
}

// Draws are for likelihoods that are bounds: the others are known.
static mr_status refuse_draws(const mr_command_line *line, const mr_density *density) {
    for (size_t j = 0; j < mr_density_dim(density); j++)
        if (mr_density_support(density)[j].type == MR_SUPPORT_CATEGORY)
            return MR_OK;
    return mr_command_line_refuse(line, 1, &(const char *){"importance_samples"},
                                  "is for models of text, of categorical columns or of images");
}

static mr_status run_score(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    score_options chosen;
    mr_density *density = NULL;
    mr_matrix data = {0};
    mr_matrix_writer *writer = NULL;

    MR_TRY(mr_command_line_store(&mr_command_flow_score, line, &chosen));
    if (chosen.out[0] != '\0')
        MR_TRY(mr_matrix_check_name(chosen.out));
    if (mr_text_flow_is_file(line->arguments[0])) {
        MR_TRY(mr_image_options_refuse(line, line->arguments[1], "a text"));
        status = mr_text_score_run(line, (int)chosen.threads, chosen.seed,
                                   chosen.importance_samples, chosen.out, chosen.json);
        goto done;
    }
    MR_TRY(mr_density_load(line->arguments[0], &density));
    if (mr_density_pixels(density) != NULL) {
        MR_TRY(mr_command_line_refuse(line, 1, &(const char *){"header"},
                                      "is for models of tables, and this is one of images"));
        status = score_images(line, &chosen, density);
        goto done;
    }
    if (mr_images_is_source(line->arguments[1])) {
        status = mr_fail_not_images(line->arguments[0], line->arguments[1]);
        goto done;
    }
    MR_TRY(mr_image_options_refuse(line, line->arguments[1], "a table"));
    MR_TRY(refuse_draws(line, density));
    MR_TRY(mr_score_table_read(line->arguments[1], mr_header_of(chosen.header), density, &data));
    summary s = {.is_csv = mr_is_csv(line->arguments[1]), .has_names = data.names != NULL};
    if (chosen.out[0] != '\0')
        MR_TRY(mr_matrix_writer_begin(chosen.out, data.n_rows, 1, NULL, &writer));
    MR_TRY(score(&chosen, density, &data, writer, &s));
    if (writer != NULL)
        MR_TRY(mr_matrix_writer_keep(writer));
    note_impossible(&s);
    if (chosen.json)
        status = print_json(&s);
    else
        print_text(&s);
done:
    mr_matrix_writer_close(writer);
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
               "Of images it also prints bits a dimension and typicality: how far an image's\n"
               "bits are from the mean of the images held out of the fit (Nalisnick et al.\n"
               "2019). A class-conditional model takes the labels of DATA if it has some, else\n"
               "the mean density of all classes.\n\n"
               "The density.safetensors of a run with --bonus density takes observations, and\n"
               "picks the features that it is about; the lower the likelihood, the more novel.\n\n"
               "DATA of a model of text is a text; the result is in bits a character.",
    .min_arguments = 2,
    .max_arguments = 2,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_score,
};
