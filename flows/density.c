// A density: standardised data, a flow, a Gaussian base.

#include "flows/density.h"

#include "flows/base.h"
#include "flows/density_internal.h"
#include "base/threads.h"

#include <float.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Bounds of the base's log-deviation, in standardised units, where a deviation is 1: 0 in their
// middle is the start.
static const double log_std_low = -5, log_std_high = 5;

enum {
    BATCH = 1024,      // rows that are scored, sampled or started from at a time
    MAX_DIM = 1 << 20, // as a model file's sizes
};

struct mr_density {
    size_t dim;
    mr_flow_use use;
    mr_params *params;
    mr_base base;
    mr_flow *flow;
    double *shift, *scale; // [dim]
    mr_layout layout;      // owned
};

static mr_status declare(mr_density *density, const char *flow, uint64_t seed, size_t max_params) {
    mr_status status;
    mr_random random = mr_random_stream(seed, MR_STREAM_INIT, 0);
    MR_TRY(mr_params_new(&density->params));
    mr_params_limit(density->params, max_params);
    density->base =
        mr_base_declare(density->params, "base", density->dim, 0, log_std_low, log_std_high);
    MR_TRY(
        mr_flow_new(flow, density->use, density->dim, 0, density->params, "flow", &density->flow));
    status = mr_params_alloc(density->params, &random);
done:
    return status;
}

mr_status mr_density_new(const char *flow, mr_flow_use use, size_t dim, uint64_t seed,
                         mr_density **out) {
    MR_REQUIRE(flow);
    MR_REQUIRE(out);
    if (dim < 1 || dim > MAX_DIM)
        return mr_fail(MR_ERR_USAGE, "a density of %zu features was asked for; ask for 1 to %d",
                       dim, MAX_DIM);
    return mr_density_new_within(flow, use, dim, seed, SIZE_MAX, out);
}

mr_status mr_density_new_within(const char *flow, mr_flow_use use, size_t dim, uint64_t seed,
                                size_t max_params, mr_density **out) {
    mr_status status;
    mr_density *density = calloc(1, sizeof *density);
    if (!density)
        return mr_fail_memory("a density");
    density->dim = dim;
    density->use = use;
    density->shift = calloc(dim, sizeof *density->shift);
    density->scale = calloc(dim, sizeof *density->scale);
    if (!density->shift || !density->scale) {
        status = mr_fail_memory("a density");
        goto done;
    }
    for (size_t j = 0; j < dim; j++)
        density->scale[j] = 1;
    MR_TRY(declare(density, flow, seed, max_params));
    *out = density;
    density = NULL;
done:
    mr_density_free(density);
    return status;
}

void mr_layout_release(mr_layout *layout) {
    for (size_t j = 0; layout->names && j < layout->n_columns; j++)
        free(layout->names[j]);
    free(layout->names);
    free(layout->columns);
    free(layout->constants);
    *layout = (mr_layout){0};
}

void mr_density_free(mr_density *density) {
    if (!density)
        return;
    mr_flow_free(density->flow);
    mr_params_free(density->params);
    free(density->shift);
    free(density->scale);
    mr_layout_release(&density->layout);
    free(density);
}

const char *mr_density_flow(const mr_density *density) {
    return density != NULL ? mr_flow_text(density->flow) : NULL;
}

const char *mr_density_composition(const mr_density *density) {
    return mr_flow_composition(density->flow);
}

mr_flow_use mr_density_use(const mr_density *density) {
    return density != NULL ? density->use : MR_FLOW_TO_SAMPLE;
}

bool mr_density_is_affine(const mr_density *density) {
    return mr_flow_is_affine(density->flow);
}

size_t mr_density_dim(const mr_density *density) {
    return density != NULL ? density->dim : 0;
}

mr_params *mr_density_params(const mr_density *density) {
    return density->params;
}

const double *mr_density_shift(const mr_density *density) {
    return density->shift;
}

const double *mr_density_scale(const mr_density *density) {
    return density->scale;
}

// ---- Standardising

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

mr_status mr_density_set_scale(mr_density *density, const double *shift, const double *scale) {
    for (size_t j = 0; j < density->dim; j++)
        if (!isfinite(shift[j]) || !isfinite(scale[j]) || scale[j] <= 0)
            return mr_fail(MR_ERR_INPUT,
                           "column %zu cannot be standardised by shift %g and scale %g; both must "
                           "be finite and the scale above 0",
                           j + 1, shift[j], scale[j]);
    memcpy(density->shift, shift, density->dim * sizeof *shift);
    memcpy(density->scale, scale, density->dim * sizeof *scale);
    return MR_OK;
}

static double weight_of(const double *weights, size_t i) {
    return weights ? weights[i] : 1;
}

// Mean and standard deviation of a column, through its largest distance from the mean, so that no
// square overflows or vanishes.
static void measure_column(size_t n, size_t dim, const double *column, const double *weights,
                           double *mean, double *deviation) {
    double total = 0, centre = 0, reach = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        total += weight_of(weights, i);
    for (size_t i = 0; i < n; i++)
        centre += column[i * dim] * weight_of(weights, i) / total;
    for (size_t i = 0; i < n; i++)
        reach = fmax(reach, fabs(column[i * dim] - centre));
    for (size_t i = 0; i < n && reach > 0; i++) {
        const double part = (column[i * dim] - centre) / reach;
        sum += weight_of(weights, i) * part * part;
    }
    *mean = centre;
    *deviation = reach * sqrt(sum / total);
}

static bool is_constant(size_t n, size_t dim, const double *column) {
    for (size_t i = 1; i < n; i++)
        if (column[i * dim] != column[0])
            return false;
    return true;
}

static mr_status take_scale(mr_density *density, size_t n, const double *x, const double *weights) {
    const size_t dim = density->dim;
    for (size_t j = 0; j < dim; j++) {
        double mean, deviation;
        measure_column(n, dim, x + j, weights, &mean, &deviation);
        if (is_constant(n, dim, x + j)) {
            mean = x[j];
            deviation = 1;
        }
        if (!isfinite(mean) || !isfinite(deviation) || deviation < DBL_MIN)
            return mr_fail(MR_ERR_INPUT,
                           "column %zu has a standard deviation of %g; rescale it to ordinary size",
                           j + 1, deviation);
        density->shift[j] = mean;
        density->scale[j] = deviation;
    }
    return MR_OK;
}

mr_status mr_density_start(mr_density *density, size_t n, const double *x, const double *weights) {
    mr_status status;
    const size_t n_rows = smaller(n, BATCH);
    mr_real *u = malloc(n_rows * density->dim * sizeof *u);
    if (!u)
        return mr_fail_memory("a density's start");
    MR_TRY(take_scale(density, n, x, weights));
    mr_density_standardise(density, n_rows, x, u);
    MR_TRY(mr_density_start_flow(density, n_rows, u));
done:
    free(u);
    return status;
}

mr_status mr_density_start_flow(mr_density *density, size_t n, const mr_real *u) {
    return mr_flow_start(density->flow, density->params, smaller(n, BATCH), u, NULL);
}

void mr_density_standardise(const mr_density *density, size_t n, const double *x, mr_real *u) {
    const size_t dim = density->dim;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < dim; j++)
            u[i * dim + j] = (mr_real)((x[i * dim + j] - density->shift[j]) / density->scale[j]);
}

double mr_density_log_scale(const mr_density *density) {
    double sum = 0;
    for (size_t j = 0; j < density->dim; j++)
        sum += log(density->scale[j]);
    return sum;
}

// ---- Columns

// NULL where there is nothing to copy.
static void *copy_array(const void *from, size_t n_bytes, bool *is_whole) {
    void *copy = from ? malloc(n_bytes + 1) : NULL;
    if (copy)
        memcpy(copy, from, n_bytes);
    *is_whole = *is_whole && (copy || !from);
    return copy;
}

static mr_status copy_names(const mr_layout *from, mr_layout *out) {
    if (!from->names)
        return MR_OK;
    out->names = calloc(from->n_columns + 1, sizeof *out->names);
    for (size_t j = 0; out->names && j < from->n_columns; j++) {
        out->names[j] = strdup(from->names[j]);
        if (!out->names[j])
            return mr_fail_memory("a density");
    }
    return out->names ? MR_OK : mr_fail_memory("a density");
}

mr_status mr_density_set_layout(mr_density *density, const mr_layout *layout) {
    mr_status status;
    mr_layout copy = {.n_columns = layout->n_columns, .n_constants = layout->n_constants};
    bool is_whole = true;
    copy.columns = copy_array(layout->columns, density->dim * sizeof *copy.columns, &is_whole);
    copy.constants =
        copy_array(layout->constants, layout->n_constants * sizeof *copy.constants, &is_whole);
    if (!is_whole)
        MR_TRY(mr_fail_memory("a density"));
    MR_TRY(copy_names(layout, &copy));
    mr_layout_release(&density->layout);
    density->layout = copy;
    copy = (mr_layout){0};
done:
    mr_layout_release(&copy);
    return status;
}

const mr_layout *mr_density_layout(const mr_density *density) {
    return &density->layout;
}

mr_status mr_density_set_columns(mr_density *density, size_t n_columns, const size_t *columns) {
    MR_REQUIRE(density);
    MR_REQUIRE(columns);
    for (size_t j = 0; j < density->dim; j++)
        if (columns[j] >= n_columns || (j > 0 && columns[j] <= columns[j - 1]))
            return mr_fail(MR_ERR_USAGE,
                           "columns of a density: number %zu of them is %zu; they must ascend and "
                           "be below %zu, the columns of the table",
                           j, columns[j], n_columns);
    return mr_density_set_layout(
        density, &(mr_layout){.n_columns = n_columns, .columns = (size_t *)columns});
}

const size_t *mr_density_columns(const mr_density *density, size_t *n_columns) {
    if (density == NULL || n_columns == NULL)
        return NULL;
    *n_columns = density->layout.n_columns;
    return density->layout.columns;
}

// ---- In a graph

mr_node *mr_density_build_log_prob(const mr_density *density, mr_node *u) {
    mr_node *log_det = NULL;
    mr_node *z = mr_flow_inverse(density->flow, density->params, u, NULL, &log_det);
    const mr_gaussian base = mr_base_build(&density->base, density->params, mr_node_graph(u), NULL);
    mr_node *log_prob = mr_gaussian_log_prob(base, z);
    return log_det ? mr_add(log_prob, log_det) : log_prob;
}

mr_node *mr_density_build_sample(const mr_density *density, mr_node *noise, mr_node **log_prob) {
    mr_node *log_det = NULL;
    const mr_gaussian base =
        mr_base_build(&density->base, density->params, mr_node_graph(noise), NULL);
    mr_node *z = mr_gaussian_sample(base, noise, log_prob);
    mr_node *u = mr_flow_forward(density->flow, density->params, z, NULL, &log_det);
    if (log_det)
        *log_prob = mr_sub(*log_prob, log_det);
    return u;
}

// ---- Scoring

// Says which cell of a row keeps its log-density from being a number: the one farthest out.
static mr_status fail_row(const mr_density *density, size_t row, const double *x, double log_prob) {
    size_t worst = 0;
    double distance = -1;
    for (size_t j = 0; j < density->dim; j++) {
        const double d = fabs(x[j] - density->shift[j]) / density->scale[j];
        if (!(d <= distance)) {
            distance = d;
            worst = j;
        }
        if (isnan(d))
            break;
    }
    return mr_fail(MR_ERR_NUMERIC,
                   "the log-density of row %zu is %g: column %zu is %g, %.3g standard deviations "
                   "from the mean of the data that the model was fitted to; leave the row out",
                   row + 1, log_prob, worst + 1, x[worst], distance);
}

// Where `n_impossible` is NULL, a row without a log-density is a failure.
static mr_status score(const mr_density *density, int n_threads, size_t n, const double *x,
                       double *log_prob, size_t *n_impossible) {
    mr_status status;
    const size_t dim = density->dim;
    const double log_scale = mr_density_log_scale(density);
    mr_graph *graph = NULL;
    MR_TRY(mr_threads_check(n_threads));
    if (n == 0)
        return MR_OK;
    MR_TRY(mr_graph_new(smaller(n, BATCH), n_threads, &graph));
    mr_node *u = mr_input(graph, dim, false);
    mr_node *result = mr_keep(mr_density_build_log_prob(density, u));
    MR_TRY(mr_graph_plan(graph, NULL, 0, NULL));
    for (size_t first = 0; first < n; first += BATCH) {
        const size_t n_rows = smaller(n - first, BATCH);
        mr_density_standardise(density, n_rows, x + first * dim, mr_node_value(u));
        mr_graph_run(graph, n_rows);
        for (size_t i = first; i < first + n_rows; i++) {
            log_prob[i] = (double)mr_node_value(result)[i - first] - log_scale;
            if (isfinite(log_prob[i]))
                continue;
            if (!n_impossible) {
                status = fail_row(density, i, x + i * dim, log_prob[i]);
                goto done;
            }
            log_prob[i] = -INFINITY;
            ++*n_impossible;
        }
    }
done:
    mr_graph_free(graph);
    return status;
}

mr_status mr_density_log_prob(const mr_density *density, int n_threads, size_t n, const double *x,
                              double *log_prob) {
    MR_REQUIRE(density);
    MR_REQUIRE(x);
    MR_REQUIRE(log_prob);
    return score(density, n_threads, n, x, log_prob, NULL);
}

mr_status mr_density_score(const mr_density *density, int n_threads, size_t n, const double *x,
                           double *log_prob, size_t *n_impossible) {
    size_t n_found = 0;
    MR_REQUIRE(density);
    MR_REQUIRE(x);
    MR_REQUIRE(log_prob);
    MR_REQUIRE(n_impossible);
    const mr_status status = score(density, n_threads, n, x, log_prob, &n_found);
    if (status == MR_OK)
        *n_impossible = n_found;
    return status;
}

// ---- Sampling

static mr_status take_samples(const mr_density *density, size_t n_rows, const mr_real *u,
                              const mr_real *log_prob_u, size_t first, double *x,
                              double *log_prob) {
    const size_t dim = density->dim;
    const double log_scale = mr_density_log_scale(density);
    for (size_t i = 0; i < n_rows; i++) {
        for (size_t j = 0; j < dim; j++) {
            const double value = density->shift[j] + density->scale[j] * (double)u[i * dim + j];
            if (!isfinite(value))
                return mr_fail(MR_ERR_NUMERIC,
                               "column %zu of sample %zu is %g; was the model fitted well?", j + 1,
                               first + i + 1, value);
            x[(first + i) * dim + j] = value;
        }
        if (log_prob)
            log_prob[first + i] = (double)log_prob_u[i] - log_scale;
    }
    return MR_OK;
}

mr_status mr_density_sample(const mr_density *density, int n_threads, uint64_t seed, size_t n,
                            double *x, double *log_prob) {
    mr_status status;
    mr_graph *graph = NULL;
    mr_node *result;
    MR_REQUIRE(density);
    MR_REQUIRE(x);
    MR_TRY(mr_threads_check(n_threads));
    mr_random random = mr_random_stream(seed, MR_STREAM_SAMPLE, 0);
    MR_TRY(mr_graph_new(BATCH, n_threads, &graph));
    mr_node *noise = mr_input(graph, density->dim, false);
    mr_node *u = mr_keep(mr_density_build_sample(density, noise, &result));
    mr_keep(result);
    MR_TRY(mr_graph_plan(graph, NULL, 0, NULL));
    for (size_t first = 0; first < n; first += BATCH) {
        const size_t n_rows = smaller(n - first, BATCH);
        // Whole batches, so that fewer samples are the first of more, to the last bit.
        mr_random_fill_normal(&random, BATCH * density->dim, mr_node_value(noise));
        mr_graph_run(graph, BATCH);
        MR_TRY(take_samples(density, n_rows, mr_node_value(u), mr_node_value(result), first, x,
                            log_prob));
    }
done:
    mr_graph_free(graph);
    return status;
}
