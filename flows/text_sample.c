// Samples of flows over text, step by step. The net computes each step once: what its blocks need
// of earlier steps is kept, as in the fast WaveNet (Le Paine et al. 2016, arXiv:1611.09482).

#include "flows/text_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = MR_TEXT_BATCH };

struct mr_text_sampler {
    const mr_text_flow *flow;
    uint64_t seed;
    double temperature;
    size_t max_length;
    size_t n_drawn; // sequences
    mr_graph *graph;
    mr_node *z, *log_p, *logit; // the present point; what it says of itself; of
                                // the next
    mr_node *earlier[MR_MAX_CAUSAL_BLOCKS], *latest[MR_MAX_CAUSAL_BLOCKS];
    mr_real *ring[MR_MAX_CAUSAL_BLOCKS]; // [distance x N x hidden] the last `latest`
    double *probability;                 // [alphabet] work
    mr_random random[N];                 // of each sequence of the batch
    bool is_finished[N];                 // likewise
    mr_characters sequence[N];           // [max_length] each
};

// ---- One step

// Whether the mark of its end may follow a sequence of n characters: no line is empty.
static bool may_end(const mr_text_sampler *s, size_t n) {
    return s->flow->options.length == 0 && n > 0;
}

// A category by its log-probabilities, which need not be normalised.
static size_t choose(mr_text_sampler *s, size_t n, const mr_real *log_p, double temperature,
                     bool has_mark, mr_random *random) {
    double largest = -INFINITY, total = 0;
    const size_t first = has_mark ? 0 : 1;
    for (size_t c = first; c < n; c++)
        largest = fmax(largest, (double)log_p[c]);
    for (size_t c = first; c < n; c++) {
        s->probability[c] = exp(((double)log_p[c] - largest) / temperature);
        total += s->probability[c];
    }
    double u = mr_random_uniform(random) * total;
    for (size_t c = first; c + 1 < n; c++) {
        u -= s->probability[c];
        if (u < 0)
            return c;
    }
    return n - 1;
}

// Runs the net on the present points of all sequences, as step t.
static void run_step(mr_text_sampler *s, size_t t) {
    const mr_text_flow *flow = s->flow;
    const size_t n_numbers = N * flow->options.hidden;
    for (size_t i = 0; i < flow->net.n_blocks; i++)
        memcpy(mr_node_value(s->earlier[i]), s->ring[i] + t % mr_causal_net_distance(i) * n_numbers,
               n_numbers * sizeof *s->ring[i]);
    mr_graph_run(s->graph, N);
    for (size_t i = 0; i < flow->net.n_blocks; i++)
        memcpy(s->ring[i] + t % mr_causal_net_distance(i) * n_numbers, mr_node_value(s->latest[i]),
               n_numbers * sizeof *s->ring[i]);
}

static void draw_point(mr_text_sampler *s, size_t i, size_t code) {
    const mr_categories *categories = &s->flow->categories;
    mr_categories_draw(categories, s->flow->params, &s->random[i], code,
                       mr_node_value(s->z) + i * categories->latent);
}

// Draws the next point of sequence i: a component of the mixture, and a point of that.
static void draw_next(mr_text_sampler *s, size_t i) {
    const size_t n = s->flow->alphabet.n;
    const mr_real *log_p = mr_node_value(s->logit) + i * n;
    const bool has_mark = may_end(s, s->sequence[i].n);
    draw_point(s, i, choose(s, n, log_p, s->temperature, has_mark, &s->random[i]));
}

// Decodes the present point of sequence i.
static void decode(mr_text_sampler *s, size_t i) {
    const mr_alphabet *alphabet = &s->flow->alphabet;
    mr_characters *to = &s->sequence[i];
    const mr_real *log_p = mr_node_value(s->log_p) + i * alphabet->n;
    const size_t code = choose(s, alphabet->n, log_p, 1, may_end(s, to->n), &s->random[i]);
    s->is_finished[i] |= code == 0 || to->n == s->max_length;
    if (!s->is_finished[i])
        to->character[to->n++] = alphabet->character[code];
}

// ---- Sequences

static void begin(mr_text_sampler *s) {
    const mr_text_flow *flow = s->flow;
    for (size_t i = 0; i < flow->net.n_blocks; i++)
        memset(s->ring[i], 0,
               mr_causal_net_distance(i) * N * flow->options.hidden * sizeof *s->ring[i]);
    for (size_t i = 0; i < N; i++) {
        s->random[i] = mr_random_stream(s->seed, MR_STREAM_SAMPLE, s->n_drawn + i);
        s->is_finished[i] = false;
        s->sequence[i].n = 0;
        draw_point(s, i, 0);
    }
}

static bool are_finished(const mr_text_sampler *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!s->is_finished[i])
            return false;
    return true;
}

// The context of running text is marks, as at the beginning of a book. What follows them is left
// out until none is in sight.
mr_status mr_text_sampler_draw(mr_text_sampler *s, size_t n, const mr_characters **out) {
    const size_t n_context = mr_text_flow_context(s->flow);
    const size_t n_hidden = s->flow->options.length > 0 ? n_context : 0;
    begin(s);
    for (size_t t = 0; !are_finished(s, n); t++) {
        run_step(s, t);
        for (size_t i = 0; i < N; i++) {
            if (t >= n_context + n_hidden)
                decode(s, i);
            if (t + 1 < n_context)
                draw_point(s, i, 0);
            else
                draw_next(s, i);
        }
    }
    s->n_drawn += n;
    *out = s->sequence;
    return MR_OK;
}

// ---- Building

static mr_status build(mr_text_sampler *s) {
    const mr_text_flow *flow = s->flow;
    const size_t hidden = flow->options.hidden;
    const mr_status status = mr_graph_new(N, 1, &s->graph);
    if (status != MR_OK)
        return status;
    s->z = mr_input(s->graph, flow->options.latent, false);
    for (size_t i = 0; i < flow->net.n_blocks; i++)
        s->earlier[i] = mr_input(s->graph, hidden, false);
    s->log_p = mr_keep(mr_categories_decode(&flow->categories, flow->params, s->z, NULL));
    s->logit = mr_keep(mr_causal_net_build_step(&flow->net, flow->params, mr_exp(s->log_p),
                                                s->earlier, s->latest));
    for (size_t i = 0; i < flow->net.n_blocks; i++)
        mr_keep(s->latest[i]);
    return mr_graph_plan(s->graph, NULL, 0, NULL);
}

static mr_status allocate(mr_text_sampler *s) {
    const mr_text_flow *flow = s->flow;
    s->probability = malloc(flow->alphabet.n * sizeof *s->probability);
    bool is_allocated = s->probability;
    for (size_t i = 0; i < flow->net.n_blocks; i++) {
        s->ring[i] =
            calloc(mr_causal_net_distance(i) * N * flow->options.hidden, sizeof *s->ring[i]);
        is_allocated = is_allocated && s->ring[i];
    }
    for (size_t i = 0; i < N; i++) {
        s->sequence[i].character = malloc(s->max_length * sizeof *s->sequence[i].character);
        is_allocated = is_allocated && s->sequence[i].character;
    }
    return is_allocated ? MR_OK : mr_fail_memory("the samples");
}

mr_status mr_text_sampler_new(const mr_text_flow *flow, uint64_t seed, double temperature,
                              size_t max_length, mr_text_sampler **out) {
    mr_status status;
    mr_text_sampler *s = calloc(1, sizeof *s);
    if (!s)
        return mr_fail_memory("the samples");
    s->flow = flow;
    s->seed = seed;
    s->temperature = temperature;
    const size_t n_marks = flow->options.length == 0; // at the end of the longest line
    const size_t longest = flow->longest > n_marks ? flow->longest - n_marks : 1;
    s->max_length = max_length > 0 ? max_length : longest;
    MR_TRY(allocate(s));
    MR_TRY(build(s));
    *out = s;
    s = NULL;
done:
    mr_text_sampler_free(s);
    return status;
}

void mr_text_sampler_free(mr_text_sampler *s) {
    if (!s)
        return;
    mr_graph_free(s->graph);
    free(s->probability);
    for (size_t i = 0; i < MR_MAX_CAUSAL_BLOCKS; i++)
        free(s->ring[i]);
    for (size_t i = 0; i < N; i++)
        mr_characters_free(&s->sequence[i]);
    free(s);
}
