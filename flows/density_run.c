// Scoring rows and drawing samples, by batches.

#include "flows/density.h"

#include "flows/density_internal.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

// ---- Scoring

// Says which cell of a row keeps its log-density from being a number: the one farthest out.
static mr_status fail_row(const mr_density *density, size_t row, const double *x, double log_prob) {
    size_t worst = 0;
    double distance = -1;
    for (size_t j = 0; j < mr_density_width(density); j++) {
        const double d = fabs(mr_density_standardise_one(density, j, x[j]));
        if (!(d <= distance)) {
            distance = d;
            worst = j;
        }
        if (isnan(d))
            break;
    }
    if (density->category[worst].n > 0 && isnan(distance))
        return mr_fail(MR_ERR_NUMERIC,
                       "row %zu has no log-density: column %zu is %g, none of its categories, the "
                       "whole numbers from %g to %g; leave the row out",
                       row + 1, worst + 1, x[worst], mr_density_limits(density, worst).low,
                       mr_density_limits(density, worst).high);
    if (isnan(distance) && isfinite(x[worst]))
        return mr_fail(MR_ERR_NUMERIC,
                       "row %zu has no log-density: column %zu is %g, outside its bounds %g and "
                       "%g; leave the row out",
                       row + 1, worst + 1, x[worst], mr_density_limits(density, worst).low,
                       mr_density_limits(density, worst).high);
    return mr_fail(MR_ERR_NUMERIC,
                   "the log-density of row %zu is %g: column %zu is %g, %.3g standard deviations "
                   "from the mean of the data that the model was fitted to; leave the row out",
                   row + 1, log_prob, worst + 1, x[worst], distance);
}

double mr_density_add_draw(size_t k, double log_sum, double log_prob) {
    if (isnan(log_prob))
        log_prob = -INFINITY;
    if (k == 0)
        return log_prob;
    const double high = fmax(log_sum, log_prob), low = fmin(log_sum, log_prob);
    return isinf(high) ? high : high + log1p(exp(low - high));
}

/// How rows are scored.
typedef struct {
    int n_threads;
    uint64_t seed;    // of the latents of categories and the noise of pixels
    size_t n_samples; // draws of them for each row
    size_t first;     // the first row's number: row i is drawn by the stream of its number
} scoring;

// Runs the graph on its rows, and adds up their draws, each row's by its own stream.
static void score_batch(const mr_density *density, const scoring *how, mr_graph *graph,
                        const mr_real *result, size_t n, const double *x, double *log_prob,
                        mr_random *random) {
    const size_t width = mr_density_width(density);
    const size_t n_samples = mr_density_has_latents(density) ? how->n_samples : 1;
    const double log_scale = mr_density_log_scale(density);
    for (size_t k = 0; k < n_samples; k++) {
        for (size_t i = 0; i < n && mr_density_has_latents(density); i++)
            mr_graph_draw_row(graph, i, &random[i]);
        mr_graph_run(graph, n);
        for (size_t i = 0; i < n; i++)
            log_prob[i] = mr_density_add_draw(k, log_prob[i], (double)result[i]);
    }
    for (size_t i = 0; i < n; i++) {
        const double log_slope = density->noise ? 0 : mr_density_log_slope(density, x + i * width);
        log_prob[i] = log_prob[i] - log((double)n_samples) - log_scale + log_slope;
    }
}

// Where `n_impossible` is NULL, a row without a log-density is a failure.
static mr_status score(const mr_density *density, const scoring *how, size_t n, const double *x,
                       double *log_prob, size_t *n_impossible) {
    mr_status status;
    const size_t width = mr_density_width(density);
    const size_t batch = mr_density_batch(density);
    mr_graph *graph = NULL;
    mr_random *random = NULL;
    MR_TRY(mr_threads_check(how->n_threads));
    if (n == 0)
        return MR_OK;
    random = malloc(smaller(n, batch) * sizeof *random);
    if (!random)
        return mr_fail_memory("the scores");
    MR_TRY(mr_graph_new(smaller(n, batch), how->n_threads, &graph));
    mr_node *u = mr_input(graph, width, false);
    mr_node *result = mr_keep(mr_density_build_log_prob(density, u));
    MR_TRY(mr_graph_plan(graph, NULL, 0, NULL));
    for (size_t first = 0; first < n; first += batch) {
        const size_t n_rows = smaller(n - first, batch);
        for (size_t i = 0; i < n_rows; i++)
            random[i] = mr_random_stream(how->seed, MR_STREAM_LATENT, how->first + first + i);
        mr_density_standardise(density, n_rows, x + first * width, mr_node_value(u));
        score_batch(density, how, graph, mr_node_value(result), n_rows, x + first * width,
                    log_prob + first, random);
        for (size_t i = first; i < first + n_rows; i++) {
            if (isfinite(log_prob[i]))
                continue;
            if (!n_impossible) {
                status = fail_row(density, i, x + i * width, log_prob[i]);
                goto done;
            }
            log_prob[i] = -INFINITY;
            ++*n_impossible;
        }
    }
done:
    mr_graph_free(graph);
    free(random);
    return status;
}

mr_status mr_density_log_prob(const mr_density *density, int n_threads, size_t n, const double *x,
                              double *log_prob) {
    MR_REQUIRE(density);
    MR_REQUIRE(x);
    MR_REQUIRE(log_prob);
    return score(density, &(scoring){.n_threads = n_threads, .seed = 1, .n_samples = 1}, n, x,
                 log_prob, NULL);
}

mr_status mr_density_score(const mr_density *density, int n_threads, size_t n, const double *x,
                           double *log_prob, size_t *n_impossible) {
    MR_REQUIRE(density);
    MR_REQUIRE(x);
    MR_REQUIRE(log_prob);
    MR_REQUIRE(n_impossible);
    return mr_density_score_samples(density, n_threads, 1, 1, 0, n, x, log_prob, n_impossible);
}

mr_status mr_density_score_samples(const mr_density *density, int n_threads, uint64_t seed,
                                   size_t n_samples, size_t first, size_t n, const double *x,
                                   double *log_prob, size_t *n_impossible) {
    size_t n_found = 0;
    const mr_status status =
        score(density, &(scoring){n_threads, seed, n_samples, first}, n, x, log_prob, &n_found);
    if (status == MR_OK)
        *n_impossible = n_found;
    return status;
}

// ---- Sampling

struct mr_sampler {
    const mr_density *density;
    mr_random random;
    size_t batch; // samples at a time
    double temperature;
    size_t n_drawn;
    mr_graph *graph;
    mr_node *noise, *given, *u, *log_prob; // given: NULL if there are none
    mr_node **decoder;                     // [dim] of categories, NULL for other columns
    mr_real *of_lines;                     // [batch x features on lines] noise of the base
};

static mr_status sampler_init(mr_sampler *s, int n_threads) {
    const mr_density *density = s->density;
    const mr_status status = mr_graph_new(s->batch, n_threads, &s->graph);
    if (status != MR_OK)
        return status;
    s->of_lines = malloc((s->batch * density->of_base.n_lines + 1) * sizeof *s->of_lines);
    if (!s->of_lines)
        return mr_fail_memory("the samples");
    s->decoder = calloc(density->dim, sizeof *s->decoder);
    if (!s->decoder)
        return mr_fail_memory("the samples");
    s->noise = mr_input(s->graph, density->flow_dim, false);
    if (density->given_dim > 0)
        s->given = mr_input(s->graph, density->given_dim, false);
    s->u = mr_keep(mr_density_build_sample_given(density, s->noise, s->given, &s->log_prob));
    for (size_t j = 0; j < density->dim && density->has_categories; j++) {
        mr_node *log_total;
        if (density->category[j].n == 0)
            continue;
        s->decoder[j] = mr_keep(mr_density_build_decoder(density, j, s->u, &log_total));
        s->log_prob = mr_sub(s->log_prob, log_total);
    }
    mr_keep(s->log_prob);
    return mr_graph_plan(s->graph, NULL, 0, NULL);
}

// Noise for a whole batch, so that fewer samples are the first of more, to the last bit.
static void draw_noise(mr_sampler *s) {
    const mr_density *density = s->density;
    mr_random *random = &s->random;
    const size_t n_lines = density->of_base.n_lines, dim = density->flow_dim;
    mr_real *noise = mr_node_value(s->noise);
    if (n_lines == dim) {
        density->base.ops->draw(&density->base, density->params, random, s->batch, noise);
        return;
    }
    if (n_lines > 0)
        density->base.ops->draw(&density->base, density->params, random, s->batch, s->of_lines);
    for (size_t i = 0; i < s->batch; i++) {
        memcpy(noise + i * dim, s->of_lines + i * n_lines, n_lines * sizeof *noise);
        mr_random_fill_uniform(random, dim - n_lines, -pi, pi, noise + i * dim + n_lines);
    }
}

static void draw(mr_sampler *s) {
    const size_t n = s->batch * s->density->flow_dim;
    mr_real *noise = mr_node_value(s->noise);
    draw_noise(s);
    for (size_t i = 0; i < n && s->temperature != 1; i++)
        noise[i] *= (mr_real)s->temperature;
}

// Standardises given rows; those past the last are copies of the first, so that a batch is whole.
static mr_status fill_given(mr_sampler *s, size_t first, size_t n_rows, const double *given) {
    const mr_density *density = s->density;
    const size_t n = density->given_dim;
    for (size_t i = 0; i < s->batch && n > 0; i++)
        for (size_t k = 0; k < n; k++) {
            const size_t row = i < n_rows ? first + i : 0;
            const double value = given[row * n + k];
            const double u = mr_density_standardise_one(density, density->dim + k, value);
            if (!isfinite(u))
                return mr_fail(MR_ERR_INPUT,
                               "given row %zu, column %zu is %g, which is %s; leave the row out",
                               s->n_drawn + row + 1, k + 1, value,
                               density->support[density->dim + k].type == MR_SUPPORT_CATEGORY
                                   ? "none of its categories"
                                   : "not finite or not within its bounds");
            mr_node_value(s->given)[i * n + k] = (mr_real)u;
        }
    return MR_OK;
}

// The value of column j in row i of the graph. A category is drawn from those that may have its
// point.
static double sample_value(mr_sampler *s, size_t i, size_t j, mr_real u) {
    const size_t n = s->density->category[j].n;
    if (n == 0)
        return mr_density_unstandardise(s->density, j, (double)u);
    const mr_real *log_p = mr_node_value(s->decoder[j]) + i * n;
    double left = mr_random_uniform(&s->random);
    size_t code = 0;
    while (code + 1 < n && (left -= exp((double)log_p[code])) >= 0)
        code++;
    return isfinite(log_p[0]) ? s->density->support[j].low + (double)code : (double)NAN;
}

// Takes rows of the graph as samples first, first + 1, ... of x.
static mr_status take_samples(mr_sampler *s, size_t n_rows, size_t first, double *x,
                              double *log_prob) {
    const mr_density *density = s->density;
    const mr_real *u = mr_node_value(s->u), *log_prob_u = mr_node_value(s->log_prob);
    const size_t dim = density->dim;
    const double log_scale = mr_density_log_scale(density);
    for (size_t i = 0; i < n_rows; i++) {
        double *row = x + (first + i) * dim;
        for (size_t j = 0; j < dim; j++) {
            row[j] = sample_value(s, i, j, u[i * density->flow_dim + density->place[j]]);
            if (!isfinite(row[j]))
                return mr_fail(MR_ERR_NUMERIC,
                               "column %zu of sample %zu is %g; was the model fitted well?", j + 1,
                               s->n_drawn + first + i + 1, row[j]);
        }
        if (log_prob)
            log_prob[first + i] =
                (double)log_prob_u[i] - log_scale + mr_density_log_slope(density, row);
    }
    return MR_OK;
}

mr_status mr_sampler_new(const mr_density *density, int n_threads, uint64_t seed,
                         mr_sampler **out) {
    mr_status status;
    mr_sampler *s = calloc(1, sizeof *s);
    if (!s)
        return mr_fail_memory("the samples");
    s->density = density;
    s->batch = mr_density_batch(density);
    s->temperature = 1;
    s->random = mr_random_stream(seed, MR_STREAM_SAMPLE, 0);
    MR_TRY(mr_threads_check(n_threads));
    MR_TRY(sampler_init(s, n_threads));
    *out = s;
    s = NULL;
done:
    mr_sampler_free(s);
    return status;
}

mr_status mr_sampler_set_temperature(mr_sampler *s, double temperature) {
    const char *base = s->density->base.ops->name;
    if (!(temperature > 0))
        return mr_fail(MR_ERR_USAGE, "the temperature is %g; it must be above 0", temperature);
    if (temperature != 1 && (strcmp(base, "normal") != 0 || s->density->of_base.n_circles > 0))
        return mr_fail(MR_ERR_USAGE,
                       "the model's base is %s, which has no temperature; leave it at 1",
                       mr_density_base(s->density));
    s->temperature = temperature;
    return MR_OK;
}

void mr_sampler_free(mr_sampler *s) {
    if (!s)
        return;
    mr_graph_free(s->graph);
    free(s->decoder);
    free(s->of_lines);
    free(s);
}

// Rows of a batch that are computed: all of them, so that a sample's last bits don't depend on how
// many are wanted. An image takes long and is computed by itself, but for what a layer makes of the
// given columns: whole blocks of rows are enough.
static size_t count_rows(const mr_sampler *s, size_t n_rows) {
    enum { BLOCK = 64 };
    const size_t n = (n_rows + BLOCK - 1) / BLOCK * BLOCK;
    return mr_density_is_image(s->density) ? smaller(n, s->batch) : s->batch;
}

mr_status mr_sampler_draw(mr_sampler *s, size_t n, const double *given, double *x,
                          double *log_prob) {
    mr_status status = MR_OK;
    for (size_t first = 0; first < n; first += s->batch) {
        const size_t n_rows = smaller(n - first, s->batch);
        draw(s);
        MR_TRY(fill_given(s, first, n_rows, given));
        mr_graph_run(s->graph, count_rows(s, n_rows));
        MR_TRY(take_samples(s, n_rows, first, x, log_prob));
    }
    s->n_drawn += n;
done:
    return status;
}

static mr_status draw_samples(const mr_density *density, int n_threads, uint64_t seed, size_t n,
                              const double *given, double *x, double *log_prob) {
    mr_sampler *sampler;
    mr_status status = mr_sampler_new(density, n_threads, seed, &sampler);
    if (status != MR_OK)
        return status;
    status = mr_sampler_draw(sampler, n, given, x, log_prob);
    mr_sampler_free(sampler);
    return status;
}

mr_status mr_density_fail_conditional(const mr_density *density) {
    return mr_fail(MR_ERR_USAGE,
                   "the model is conditional: its samples need %zu given columns (--given)",
                   density->given_dim);
}

mr_status mr_density_sample(const mr_density *density, int n_threads, uint64_t seed, size_t n,
                            double *x, double *log_prob) {
    MR_REQUIRE(density);
    MR_REQUIRE(x);
    if (density->given_dim > 0)
        return mr_density_fail_conditional(density);
    return draw_samples(density, n_threads, seed, n, NULL, x, log_prob);
}

mr_status mr_density_sample_given(const mr_density *density, int n_threads, uint64_t seed, size_t n,
                                  const double *given, double *x, double *log_prob) {
    MR_REQUIRE(density);
    MR_REQUIRE(given);
    MR_REQUIRE(x);
    if (density->given_dim == 0)
        return mr_fail(MR_ERR_USAGE, "the model is not conditional: its samples take no given "
                                     "columns (--given)");
    return draw_samples(density, n_threads, seed, n, given, x, log_prob);
}
