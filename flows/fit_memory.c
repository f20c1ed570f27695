// The data of a fit in memory.

#include "flows/fit_data.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    mr_fit_data data;
    const mr_density *density;
    const mr_fit_options *options;
    size_t width; // of a row
    mr_fit_rows trained, held_out;
    size_t *order; // [trained.n] of this epoch
    size_t batch;  // of this epoch, the next
    size_t next_held_out;
} memory_data;

// ---- The split

static mr_status check_columns(const mr_density *density, size_t n, const double *x) {
    const size_t width = mr_density_width(density);
    bool *constant = malloc(width * sizeof *constant);
    if (!constant)
        return mr_fail_memory("the data");
    for (size_t j = 0; j < width; j++)
        constant[j] = mr_column_is_constant(n, width, x + j);
    const mr_status status = mr_fit_check_constants(density, constant, x);
    free(constant);
    return status;
}

// The weighted mean of what a log-density in x is smaller by than that in u.
static double mean_log_scale(const memory_data *m, size_t n, const double *x,
                             const double *weights) {
    double sum = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        const double weight = weights ? weights[i] : 1;
        sum += weight * mr_density_log_slope(m->density, x + i * m->width);
        total += weight;
    }
    return mr_density_log_scale(m->density) - sum / total;
}

static mr_status standardise(const memory_data *m, size_t n, const double *x, const double *weights,
                             mr_fit_rows *out, mr_fit_part *part) {
    double sum = 0;
    part->n = n;
    part->n_units = (double)n;
    const size_t n_numbers = n * m->width;
    out->u = calloc(n_numbers > 0 ? n_numbers : 1, sizeof *out->u);
    out->weight = weights ? calloc(n + 1, sizeof *out->weight) : NULL;
    if (!out->u || (weights && !out->weight))
        return mr_fail_memory("the data");
    mr_density_standardise(m->density, n, x, out->u);
    for (size_t i = 0; i < n && weights; i++)
        sum += weights[i] / (double)n;
    const mr_status status = weights ? mr_fit_check_sum(sum) : MR_OK;
    for (size_t i = 0; i < n && weights; i++)
        out->weight[i] = (mr_real)(weights[i] / sum);
    part->log_scale = mean_log_scale(m, n, x, weights);
    return status;
}

// Splits the rows at random; the density starts from those that it will be trained on.
static mr_status split(memory_data *m, mr_density *density, size_t n, const double *x) {
    mr_status status;
    const size_t n_trained = n - mr_fit_count_held_out(n, m->options->held_out);
    const double *weights = m->options->weights;
    mr_random random = mr_random_stream(m->options->seed, MR_STREAM_SPLIT, 0);
    size_t *order = malloc(n * sizeof *order);
    double *mixed = malloc(n * m->width * sizeof *mixed);
    double *weight = weights ? malloc(n * sizeof *weight) : NULL;
    if (!order || !mixed || (weights && !weight)) {
        status = mr_fail_memory("the data");
        goto done;
    }
    mr_fit_shuffle(&random, n, order);
    for (size_t i = 0; i < n; i++)
        memcpy(mixed + i * m->width, x + order[i] * m->width, m->width * sizeof *mixed);
    for (size_t i = 0; i < n && weights; i++)
        weight[i] = weights[order[i]];
    MR_TRY(mr_density_start(density, n_trained, mixed, weight));
    MR_TRY(standardise(m, n_trained, mixed, weight, &m->trained, &m->data.trained));
    MR_TRY(standardise(m, n - n_trained, mixed + n_trained * m->width,
                       weight ? weight + n_trained : NULL, &m->held_out, &m->data.held_out));
done:
    free(order);
    free(mixed);
    free(weight);
    return status;
}

// ---- Its rows

static mr_status memory_begin_epoch(mr_fit_data *data, uint64_t epoch) {
    memory_data *m = (memory_data *)data;
    mr_random random = mr_random_stream(m->options->seed, MR_STREAM_ORDER, epoch);
    mr_fit_shuffle(&random, data->trained.n, m->order);
    m->batch = 0;
    return MR_OK;
}

static mr_status memory_next(mr_fit_data *data, mr_real *u, mr_real *weight, size_t *n) {
    memory_data *m = (memory_data *)data;
    *n = mr_fit_copy_batch(&m->trained, m->width, data->trained.n, m->order, m->options->batch_size,
                           m->batch++, u, weight);
    return MR_OK;
}

static mr_status memory_begin_held_out(mr_fit_data *data) {
    ((memory_data *)data)->next_held_out = 0;
    return MR_OK;
}

static mr_status memory_next_held_out(mr_fit_data *data, mr_real *u, mr_real *weight, size_t *n) {
    memory_data *m = (memory_data *)data;
    *n = mr_fit_copy_next(&m->held_out, m->width, data->held_out.n, m->next_held_out, u, weight);
    m->next_held_out += *n;
    return MR_OK;
}

static void memory_free(mr_fit_data *data) {
    memory_data *m = (memory_data *)data;
    free(m->trained.u);
    free(m->trained.weight);
    free(m->held_out.u);
    free(m->held_out.weight);
    free(m->order);
    free(m);
}

static const mr_fit_data_ops ops = {memory_begin_epoch, memory_next, memory_begin_held_out,
                                    memory_next_held_out, memory_free};

mr_status mr_fit_data_in_memory(mr_density *density, const mr_fit_options *options, size_t n,
                                const double *x, mr_fit_data **out) {
    mr_status status;
    const size_t width = mr_density_width(density);
    memory_data *m = NULL;
    if (n < 2)
        return mr_fail(MR_ERR_INPUT, "the data has %zu row; a fit needs two at least", n);
    MR_TRY(mr_fit_check_weights(n, options->weights));
    MR_TRY(check_columns(density, n, x));
    MR_TRY(mr_density_check_bounds(density, 0, n, x));
    m = calloc(1, sizeof *m);
    if (!m)
        return mr_fail_memory("the data");
    m->data.ops = &ops;
    m->density = density;
    m->options = options;
    m->width = width;
    MR_TRY(split(m, density, n, x));
    m->order = malloc((m->data.trained.n + 1) * sizeof *m->order);
    if (!m->order) {
        status = mr_fail_memory("a fit");
        goto done;
    }
    *out = &m->data;
    m = NULL;
done:
    if (m)
        memory_free(&m->data);
    return status;
}
