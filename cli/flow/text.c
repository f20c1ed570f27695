// Flows over text in `millrace flow fit`, `sample` and `score`.

#include "cli/flow/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flows/text.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_memory.h"
#include "base/matrix_file.h"
#include "cli/command_line.h"
#include "cli/flow/table.h"
#include "cli/live_line.h"
#include "cli/print_json.h"
#include "cli/stopping.h"

static const double log_2 = 0.69314718055994530942;

// ---- Fit

/// A fit and how it went.
typedef struct {
    const char *out;
    mr_text_flow *flow; // owned
    mr_sequences sequences;
    mr_fit_progress end;
    double seconds;
} text_fit;

static double bits(double nats) {
    return -nats / log_2;
}

static void finished_epoch(void *self, const mr_fit_progress *now) {
    mr_live_line *line = self;
    if (mr_live_line_is_due(line))
        mr_live_line_draw(line,
                          "epoch %zu  train %.4f  held out %.4f bits a character  best %.4f after "
                          "epoch %zu",
                          now->epoch, bits(now->train_log_prob), bits(now->held_out_log_prob),
                          bits(now->best_log_prob), now->best_epoch);
}

static mr_status fit(text_fit *t, const mr_fit_options *options) {
    mr_live_line line;
    const double begun = mr_clock_s();
    mr_live_line_begin(&line);
    const mr_status status = mr_text_flow_fit(t->flow, &t->sequences, options, finished_epoch,
                                              &line, mr_stop_on_signals(), &t->end);
    mr_live_line_clear(&line);
    t->seconds = mr_clock_s() - begun;
    return status;
}

static void print_fit(const text_fit *t) {
    const bool has_lines = mr_text_flow_length(t->flow) == 0;
    printf("data      %zu %s, %zu characters%s\n", t->sequences.n, has_lines ? "lines" : "windows",
           t->sequences.n_codes, has_lines ? " with their ends" : "");
    printf("alphabet  %zu characters\n", mr_text_flow_alphabet(t->flow)->n - 1);
    printf("flow      %s, %zu parameters\n", mr_text_flow_text(t->flow),
           mr_params_count(mr_text_flow_params(t->flow)));
    printf("epochs    %zu in %.1f s, the best was %zu\n", t->end.epoch, t->seconds,
           t->end.best_epoch);
    printf("held out  %.4f bits a character (a bound from above)\n", bits(t->end.best_log_prob));
    printf("model     %s\n", t->out);
}

static mr_status print_fit_json(const text_fit *t) {
    json_t *object =
        json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "out",
                  mr_json_text(t->out), "flow", mr_text_flow_text(t->flow), "n",
                  (json_int_t)t->sequences.n, "characters", (json_int_t)t->sequences.n_codes,
                  "alphabet", (json_int_t)mr_text_flow_alphabet(t->flow)->n - 1, "parameters",
                  (json_int_t)mr_params_count(mr_text_flow_params(t->flow)), "epochs",
                  (json_int_t)t->end.epoch, "best_epoch", (json_int_t)t->end.best_epoch,
                  "train_bits_per_character", bits(t->end.train_log_prob),
                  "held_out_bits_per_character", bits(t->end.best_log_prob), "seconds", t->seconds);
    return mr_print_json(object);
}

// A fit that is stopped saves its best model so far, and a checkpoint to resume from.
static mr_status finish(const text_fit *t, const mr_fit_options *options, bool json) {
    const bool is_stopped = mr_stop_exit_code() != 0;
    if (is_stopped)
        mr_stop_report_fit(t->end.epoch + 1, options->checkpoint);
    if (t->end.epoch == 0)
        return MR_OK;
    const mr_status status = mr_text_flow_save(t->flow, t->out);
    if (status != MR_OK)
        return status;
    if (!is_stopped)
        unlink(options->checkpoint);
    if (json)
        return print_fit_json(t);
    print_fit(t);
    return MR_OK;
}

static const double default_lr = 0.002;

// Steps of some 512 characters, and a learning rate that falls over few epochs: a text has many
// more of them than a table has rows. Lines share rows of ROW characters.
static void set_defaults(const mr_command_line *line, const text_fit *t, mr_fit_options *o) {
    enum { CHARACTERS = 512, ROW = 128, EPOCHS = 20 };
    const bool has_lines = mr_text_flow_length(t->flow) == 0;
    const size_t longest = t->sequences.longest;
    const size_t n = CHARACTERS / (has_lines && longest < ROW ? ROW : longest);
    if (!mr_command_line_has(line, "batch_size"))
        o->batch_size = n > 0 ? n : 1;
    if (!mr_command_line_has(line, "epochs"))
        o->max_epochs = EPOCHS;
    if (!mr_command_line_has(line, "lr"))
        o->lr = default_lr;
    if (!mr_command_line_has(line, "lr_schedule"))
        o->lr_schedule = "cosine";
}

mr_status mr_text_fit_run(const mr_command_line *line, mr_fit_options *options, const char *flow,
                          const char *out, bool json, int *exit_code) {
    static const char why[] = "is for tables, and --flow text fits a text";
    mr_status status;
    const char *path = line->arguments[0];
    text_fit t = {.out = out};
    mr_characters text = {0};
    MR_TRY(mr_command_line_refuse(line, MR_N_OPTIONS_OF_TABLES, mr_options_of_tables, why));
    MR_TRY(mr_command_line_refuse(line, 1, &(const char *){"base"}, why));
    MR_TRY(mr_characters_read(path, &text));
    MR_TRY(mr_text_flow_new(flow, path, &text, options->seed, &t.flow));
    MR_TRY(mr_text_flow_cut(t.flow, path, &text, &t.sequences));
    set_defaults(line, &t, options);
    status = fit(&t, options);
    if (status == MR_ERR_NUMERIC)
        unlink(options->checkpoint); // going on from it would end the same way
    if (status == MR_OK)
        status = finish(&t, options, json);
    *exit_code = mr_stop_exit_code();
done:
    mr_characters_free(&text);
    mr_sequences_free(&t.sequences);
    mr_text_flow_free(t.flow);
    return status;
}

// ---- Sample

// To the file; NULL: to the standard output.
static mr_status put(mr_new_file *file, const char *text) {
    if (file != NULL)
        return mr_new_file_write(file, text, strlen(text));
    return fputs(text, stdout) != EOF ? MR_OK : mr_fail(MR_ERR_IO, "the samples cannot be written");
}

// Samples of running text, which have several lines, are followed by a line with a percent sign, as
// in the files of fortune(6).
static mr_status write_samples(mr_text_sampler *sampler, size_t n, bool has_lines,
                               mr_new_file *file) {
    mr_status status = MR_OK;
    for (size_t first = 0; first < n; first += MR_TEXT_BATCH) {
        const mr_characters *sequence;
        const size_t n_now = n - first < MR_TEXT_BATCH ? n - first : MR_TEXT_BATCH;
        MR_TRY(mr_text_sampler_draw(sampler, n_now, &sequence));
        for (size_t i = 0; i < n_now; i++) {
            char *text;
            MR_TRY(mr_characters_print(sequence[i].n, sequence[i].character, &text));
            status = put(file, text);
            free(text);
            MR_TRY(status);
            MR_TRY(put(file, has_lines ? "\n" : "\n%\n"));
        }
    }
done:
    return status;
}

static mr_status save_samples(mr_text_sampler *sampler, size_t n, bool has_lines, uint64_t seed,
                              const char *path, bool json) {
    mr_status status;
    mr_new_file *file = NULL;
    MR_TRY(mr_new_file_begin(path, &file));
    MR_TRY(write_samples(sampler, n, has_lines, file));
    MR_TRY(mr_new_file_keep(file));
    if (json)
        status = mr_print_json(json_pack("{s:o, s:I, s:o}", "out", mr_json_text(path), "n",
                                         (json_int_t)n, "seed", mr_json_unsigned(seed)));
    else
        printf("%zu samples are in %s\n", n, path);
done:
    mr_new_file_close(file);
    return status;
}

mr_status mr_text_sample_run(const mr_command_line *line, size_t n, double temperature,
                             size_t length, uint64_t seed, const char *out, bool json) {
    static const char *const of_tables[] = {"given", "per_row", "header"};
    mr_status status;
    mr_text_flow *flow = NULL;
    mr_text_sampler *sampler = NULL;
    MR_TRY(mr_command_line_refuse(line, MR_COUNT(of_tables), of_tables,
                                  "is for models of tables, and this is one of text"));
    if (json && out == NULL) {
        status = mr_fail(MR_ERR_USAGE, "--json needs --out FILE: samples of text are printed");
        goto done;
    }
    if (out != NULL && mr_matrix_is_table(out)) {
        status =
            mr_fail(MR_ERR_USAGE,
                    "--out %s: samples of text are no table; give a name such as samples.txt", out);
        goto done;
    }
    MR_TRY(mr_text_flow_load(line->arguments[0], &flow));
    MR_TRY(mr_text_sampler_new(flow, seed, temperature, length, &sampler));
    const bool has_lines = mr_text_flow_length(flow) == 0;
    status = out == NULL ? write_samples(sampler, n, has_lines, NULL)
                         : save_samples(sampler, n, has_lines, seed, out, json);
done:
    mr_text_sampler_free(sampler);
    mr_text_flow_free(flow);
    return status;
}

// ---- Score

static mr_status write_scores(const char *path, size_t n, const double *log_prob) {
    mr_status status;
    mr_matrix_writer *writer = NULL;
    MR_TRY(mr_matrix_check_name(path));
    MR_TRY(mr_matrix_writer_begin(path, n, 1, NULL, &writer));
    MR_TRY(mr_matrix_writer_append(writer, n, log_prob));
    status = mr_matrix_writer_keep(writer);
done:
    mr_matrix_writer_close(writer);
    return status;
}

static mr_status print_score(const mr_text_flow *flow, const mr_sequences *s,
                             const double *log_prob, bool json) {
    double sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += log_prob[i];
    const double result = bits(sum / (double)s->n_codes);
    if (json)
        return mr_print_json(json_pack("{s:I, s:I, s:f, s:f}", "n", (json_int_t)s->n, "characters",
                                       (json_int_t)s->n_codes, "bits_per_character", result,
                                       "mean_log_likelihood", sum / (double)s->n));
    const bool has_lines = mr_text_flow_length(flow) == 0;
    printf("%-12s%zu\n", has_lines ? "lines" : "windows", s->n);
    printf("characters  %zu%s\n", s->n_codes, has_lines ? " with the ends of lines" : "");
    printf("likelihood  %.4f bits a character (a bound from above)\n", result);
    return MR_OK;
}

mr_status mr_text_score_run(const mr_command_line *line, int n_threads, uint64_t seed,
                            size_t n_samples, const char *out, bool json) {
    static const char *const of_tables[] = {"header"};
    mr_status status;
    const char *path = line->arguments[1];
    mr_text_flow *flow = NULL;
    mr_characters text = {0};
    mr_sequences s = {0};
    double *log_prob = NULL;
    MR_TRY(mr_command_line_refuse(line, MR_COUNT(of_tables), of_tables,
                                  "is for models of tables, and this is one of text"));
    MR_TRY(mr_text_flow_load(line->arguments[0], &flow));
    MR_TRY(mr_characters_read(path, &text));
    MR_TRY(mr_text_flow_cut(flow, path, &text, &s));
    log_prob = malloc(s.n * sizeof *log_prob);
    if (log_prob == NULL) {
        status = mr_fail_memory("the scores");
        goto done;
    }
    MR_TRY(mr_text_flow_score(flow, &s, n_threads, seed, n_samples, log_prob));
    if (out[0] != '\0')
        MR_TRY(write_scores(out, s.n, log_prob));
    status = print_score(flow, &s, log_prob, json);
done:
    free(log_prob);
    mr_sequences_free(&s);
    mr_characters_free(&text);
    mr_text_flow_free(flow);
    return status;
}
