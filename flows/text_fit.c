// Fits of flows over text, and scores.

#include "flows/text_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

enum {
    MAX_BATCH = 64,      // rows that are scored at a time,
    BATCH_CODES = 16384, // of so many codes together: lines may be long
    PACKED_ROW = 128,    // codes that a row of lines has room for, at least
};

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t batch_of(size_t width) {
    const size_t n = BATCH_CODES / width;
    return n == 0 ? 1 : smaller(n, MAX_BATCH);
}

static size_t row_width(const mr_text_flow *flow, const mr_sequences *s) {
    const bool has_lines = mr_text_flow_length(flow) == 0;
    return s->context + (has_lines && s->longest < PACKED_ROW ? PACKED_ROW : s->longest);
}

// ---- The data of a fit. A row is a window, or as many lines as there is room for, so that little
// of it is empty.

typedef struct {
    mr_fit_data data;
    const mr_text_flow *flow;
    const mr_sequences *sequences;
    const mr_fit_options *options;
    size_t width;                 // of a row
    size_t n_trained, n_held_out; // sequences
    size_t *sequence;             // [n] all in random order: those to train on, then the others
    size_t *order;                // [n_trained] of those of this epoch
    size_t next, next_held_out;   // sequences
} text_data;

// Codes of the row that a sequence would end at.
static size_t end_of(const text_data *t, size_t used, size_t sequence) {
    return used + mr_sequences_length(t->sequences, sequence);
}

// Fills rows with sequences `*next` and later of a list, n_max rows at most; returns how many.
//
//   index  [n] places in the list; NULL: all in order
static size_t fill_rows(const text_data *t, const size_t *list, const size_t *index, size_t n,
                        size_t *next, size_t n_max, mr_real *u) {
    const bool has_lines = mr_text_flow_length(t->flow) == 0;
    size_t n_rows = 0;
    while (n_rows < n_max && *next < n) {
        mr_real *row = u + n_rows++ * t->width;
        size_t used = t->sequences->context;
        do {
            const size_t sequence = list[index ? index[*next] : *next];
            if (end_of(t, used, sequence) > t->width)
                break;
            const size_t from = used - t->sequences->context; // where its context begins
            mr_sequences_fill(t->sequences, sequence, t->width - from, row + from);
            used = end_of(t, used, sequence);
            ++*next;
        } while (has_lines && *next < n);
    }
    return n_rows;
}

static mr_status text_begin_epoch(mr_fit_data *data, uint64_t epoch) {
    text_data *t = (text_data *)data;
    mr_random random = mr_random_stream(t->options->seed, MR_STREAM_ORDER, epoch);
    mr_fit_shuffle(&random, t->n_trained, t->order);
    t->next = 0;
    return MR_OK;
}

static mr_status text_next(mr_fit_data *data, mr_real *u, mr_real *weight, size_t *n) {
    (void)weight;
    text_data *t = (text_data *)data;
    const size_t n_max = smaller(t->options->batch_size, data->trained.n);
    *n = fill_rows(t, t->sequence, t->order, t->n_trained, &t->next, n_max, u);
    return MR_OK;
}

static mr_status text_begin_held_out(mr_fit_data *data) {
    ((text_data *)data)->next_held_out = 0;
    return MR_OK;
}

static mr_status text_next_held_out(mr_fit_data *data, mr_real *u, mr_real *weight, size_t *n) {
    (void)weight;
    text_data *t = (text_data *)data;
    *n = fill_rows(t, t->sequence + t->n_trained, NULL, t->n_held_out, &t->next_held_out,
                   smaller(data->held_out_batch, data->held_out.n), u);
    return MR_OK;
}

static void text_free(mr_fit_data *data) {
    text_data *t = (text_data *)data;
    free(t->sequence);
    free(t->order);
    free(t);
}

static const mr_fit_data_ops ops = {text_begin_epoch, text_next, text_begin_held_out,
                                    text_next_held_out, text_free};

// Lines are packed in the order of the split; those of epochs take as many rows, but for a few.
static mr_fit_part part_of(const text_data *t, size_t first, size_t n) {
    const bool has_lines = mr_text_flow_length(t->flow) == 0;
    mr_fit_part part = {0};
    size_t used = t->width;
    for (size_t i = first; i < first + n; i++) {
        if (!has_lines || end_of(t, used, t->sequence[i]) > t->width) {
            part.n++;
            used = t->sequences->context;
        }
        used = end_of(t, used, t->sequence[i]);
        part.n_units += (double)mr_sequences_length(t->sequences, t->sequence[i]);
    }
    return part;
}

static mr_status text_data_new(const mr_text_flow *flow, const mr_sequences *s,
                               const mr_fit_options *options, mr_fit_data **out) {
    if (s->n < 2 && mr_text_flow_length(flow) == 0)
        return mr_fail(MR_ERR_INPUT, "the text is one line; a fit needs two at least: give more "
                                     "lines, or fit windows of it (--flow text:length=128)");
    if (s->n < 2)
        return mr_fail(MR_ERR_INPUT,
                       "the text is one window of %zu characters; a fit needs two at least: give a "
                       "longer text, or shorter windows",
                       s->n_codes);
    text_data *t = calloc(1, sizeof *t);
    if (!t)
        return mr_fail_memory("the data");
    t->data.ops = &ops;
    t->flow = flow;
    t->sequences = s;
    t->options = options;
    t->width = row_width(flow, s);
    t->n_held_out = mr_fit_count_held_out(s->n, options->held_out);
    t->n_trained = s->n - t->n_held_out;
    t->sequence = malloc(s->n * sizeof *t->sequence);
    t->order = malloc(t->n_trained * sizeof *t->order);
    if (!t->sequence || !t->order) {
        text_free(&t->data);
        return mr_fail_memory("the data");
    }
    mr_random random = mr_random_stream(options->seed, MR_STREAM_SPLIT, 0);
    mr_fit_shuffle(&random, s->n, t->sequence);
    t->data.trained = part_of(t, 0, t->n_trained);
    t->data.held_out = part_of(t, t->n_trained, t->n_held_out);
    t->data.held_out_batch = batch_of(t->width);
    *out = &t->data;
    return MR_OK;
}

// ---- The fit

// A hash of the text: the characters of its alphabet, and their codes.
static void describe(const mr_alphabet *alphabet, const mr_sequences *s,
                     char text[MR_FIT_DATA_SIZE]) {
    char digits[MR_FIT_HASH_SIZE];
    crypto_generichash_state state;
    mr_fit_hash_begin(&state);
    crypto_generichash_update(&state, (const unsigned char *)alphabet->character,
                              alphabet->n * sizeof *alphabet->character);
    crypto_generichash_update(&state, (const unsigned char *)s->code, s->n_codes * sizeof *s->code);
    mr_fit_hash_end(&state, digits);
    snprintf(text, MR_FIT_DATA_SIZE, ", text %s", digits);
}

mr_status mr_text_flow_fit(mr_text_flow *flow, const mr_sequences *sequences,
                           const mr_fit_options *options, mr_fit_watcher watcher, void *self,
                           const volatile sig_atomic_t *stop, mr_fit_progress *result) {
    mr_status status;
    mr_fit_data *data = NULL;
    flow->longest = sequences->longest;
    const mr_fit_model model = {.params = flow->params,
                                .width = row_width(flow, sequences),
                                .build_log_prob = mr_text_flow_build_log_prob,
                                .self = flow,
                                .flow = flow->text,
                                .dim = sequences->longest};
    MR_TRY(mr_fit_check_options(options));
    MR_TRY(text_data_new(flow, sequences, options, &data));
    describe(&flow->alphabet, sequences, data->text);
    status = mr_fit_train(&model, data, options, &(mr_fit_watch){.epoch = watcher, .self = self},
                          stop, result);
done:
    return status;
}

// ---- Scores

// log of the mean of exp(bound) over draws, whose sum goes from draw to draw.
static double log_add(double a, double b) {
    const double high = fmax(a, b), low = fmin(a, b);
    return high + log1p(exp(low - high));
}

static mr_status score_batch(mr_graph *graph, const mr_node *bound, size_t n, mr_random *random,
                             size_t n_samples, size_t first, double *log_prob) {
    for (size_t k = 0; k < n_samples; k++) {
        mr_graph_draw(graph, n, random);
        mr_graph_run(graph, n);
        for (size_t i = 0; i < n; i++) {
            const double b = (double)mr_node_value((mr_node *)bound)[i];
            if (!isfinite(b))
                return mr_fail(MR_ERR_NUMERIC,
                               "the log-probability of sequence %zu is %g; was the model fitted "
                               "well?",
                               first + i + 1, b);
            log_prob[i] = k == 0 ? b : log_add(log_prob[i], b);
        }
    }
    for (size_t i = 0; i < n; i++)
        log_prob[i] -= log((double)n_samples);
    return MR_OK;
}

mr_status mr_text_flow_score(const mr_text_flow *flow, const mr_sequences *s, int n_threads,
                             uint64_t seed, size_t n_samples, double *log_prob) {
    mr_status status;
    const size_t width = s->context + s->longest, batch = batch_of(width);
    mr_graph *graph = NULL;
    MR_TRY(mr_threads_check(n_threads));
    MR_TRY(mr_graph_new(smaller(s->n, batch), n_threads, &graph));
    mr_node *u = mr_input(graph, width, false);
    mr_node *bound = mr_keep(mr_text_flow_build_log_prob(flow, u));
    MR_TRY(mr_graph_plan(graph, NULL, 0, NULL));
    for (size_t first = 0; first < s->n; first += batch) {
        const size_t n = smaller(s->n - first, batch);
        mr_random random = mr_random_stream(seed, MR_STREAM_LATENT, first);
        for (size_t i = 0; i < n; i++)
            mr_sequences_fill(s, first + i, width, mr_node_value(u) + i * width);
        MR_TRY(score_batch(graph, bound, n, &random, n_samples, first, log_prob + first));
    }
done:
    mr_graph_free(graph);
    return status;
}
