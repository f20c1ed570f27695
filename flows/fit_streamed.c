// The data of a fit that is read when it is needed, by blocks of rows that stay together.
//
// Some blocks are held out. Those to train on are drawn in a new order each epoch, and read into a
// pool of POOL_BLOCKS of them; batches are drawn from the pool without replacement. The disk is
// read by blocks, each once an epoch, and a batch has rows of up to POOL_BLOCKS places of the file.

#include "flows/fit_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_NUMBERS = 1 << 18, // in a block
    POOL_BLOCKS = 64,        // 64 MB of float32
};

typedef struct {
    mr_fit_data data;
    mr_density *density;
    const mr_fit_options *options;
    const mr_row_source *source;
    size_t width, n_in_block;
    size_t n_blocks, n_trained_blocks;
    size_t *block;           // [n_blocks] those to train on, then those held out
    double *x;               // [n_in_block x width] a block as it was read
    double weight_factor[2]; // what makes the mean weight 1: of the trained, of the held-out rows
    // The epoch.
    mr_random random;
    size_t *order;     // [n_trained_blocks] of the blocks
    size_t next_block; // of `order`
    // The pool.
    mr_fit_rows pool; // [POOL_BLOCKS x n_in_block] rows
    size_t *row;      // [n_pool] of them, in the order of training
    size_t n_pool, batch;
    // The held-out block that is scored.
    mr_fit_rows held; // [n_in_block] rows
    size_t n_held, held_row, held_block;
} streamed_data;

enum { TRAINED, HELD_OUT };

// ---- Blocks

static size_t rows_of(const streamed_data *s, size_t block) {
    const size_t n_left = s->source->n - block * s->n_in_block;
    return n_left < s->n_in_block ? n_left : s->n_in_block;
}

static mr_status read_block(streamed_data *s, size_t block) {
    return s->source->read(s->source->self, block * s->n_in_block, rows_of(s, block), s->x);
}

// Reads a block and standardises its rows.
static mr_status take_block(streamed_data *s, size_t block, int part, mr_real *u, mr_real *weight) {
    const mr_status status = read_block(s, block);
    const size_t n = rows_of(s, block);
    const double *weights = s->options->weights;
    if (status != MR_OK)
        return status;
    mr_density_standardise(s->density, n, s->x, u);
    for (size_t i = 0; i < n && weights && weight; i++)
        weight[i] = (mr_real)(weights[block * s->n_in_block + i] * s->weight_factor[part]);
    return MR_OK;
}

// ---- Statistics, in one pass through the file

/// What the rows of a part add up to.
typedef struct {
    size_t n;
    double weight, log_slope; // sums; of the slopes times the weights
} sums;

/// Weighted mean and sum of squared distances from it, of each column.
typedef struct {
    double weight;
    double *mean, *square; // [width]
} moments;

/// Of the pass.
typedef struct {
    sums part[2];
    moments all, block; // of the trained rows
    double *first;      // [width] the first row
    bool *is_constant;  // [width]
} survey;

static double weight_at(const streamed_data *s, size_t row) {
    return s->options->weights ? s->options->weights[row] : 1;
}

static double mapped(const streamed_data *s, size_t i, size_t j) {
    return mr_density_map(s->density, j, s->x[i * s->width + j]);
}

static void measure_block(const streamed_data *s, size_t first, size_t n, moments *m) {
    m->weight = 0;
    memset(m->mean, 0, s->width * sizeof *m->mean);
    memset(m->square, 0, s->width * sizeof *m->square);
    for (size_t i = 0; i < n; i++)
        m->weight += weight_at(s, first + i);
    for (size_t i = 0; i < n && m->weight > 0; i++)
        for (size_t j = 0; j < s->width; j++)
            m->mean[j] += mapped(s, i, j) * (weight_at(s, first + i) / m->weight);
    for (size_t i = 0; i < n && m->weight > 0; i++)
        for (size_t j = 0; j < s->width; j++) {
            const double distance = mapped(s, i, j) - m->mean[j];
            m->square[j] += weight_at(s, first + i) * distance * distance;
        }
}

// Source: Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing
// sample variances", equations 2.1.
static void merge(size_t width, const moments *block, moments *all) {
    const double weight = all->weight + block->weight;
    if (block->weight == 0)
        return;
    for (size_t j = 0; j < width; j++) {
        const double distance = block->mean[j] - all->mean[j];
        all->mean[j] += distance * (block->weight / weight);
        all->square[j] +=
            block->square[j] + distance * distance * (all->weight * block->weight / weight);
    }
    all->weight = weight;
}

static mr_status survey_block(streamed_data *s, size_t block, int part, survey *v) {
    mr_status status;
    const size_t first = block * s->n_in_block, n = rows_of(s, block), width = s->width;
    MR_TRY(read_block(s, block));
    MR_TRY(mr_density_check_bounds(s->density, first, n, s->x));
    if (block == 0)
        memcpy(v->first, s->x, width * sizeof *v->first);
    for (size_t i = 0; i < n; i++) {
        const double *x = s->x + i * width;
        for (size_t j = 0; j < width; j++)
            v->is_constant[j] &= x[j] == v->first[j];
        v->part[part].weight += weight_at(s, first + i);
        v->part[part].log_slope += weight_at(s, first + i) * mr_density_log_slope(s->density, x);
    }
    v->part[part].n += n;
    if (part == TRAINED) {
        measure_block(s, first, n, &v->block);
        merge(width, &v->block, &v->all);
    }
done:
    return status;
}

static mr_status take_scale(const streamed_data *s, const moments *m) {
    double *deviation = malloc(s->width * sizeof *deviation);
    if (!deviation)
        return mr_fail_memory("the data");
    for (size_t j = 0; j < s->width; j++)
        deviation[j] = sqrt(m->square[j] / m->weight);
    const mr_status status = mr_density_take_moments(s->density, m->mean, deviation);
    free(deviation);
    return status;
}

static mr_status take_parts(streamed_data *s, const survey *v) {
    mr_status status = MR_OK;
    mr_fit_part *const part[] = {&s->data.trained, &s->data.held_out};
    for (int k = TRAINED; k <= HELD_OUT; k++) {
        const sums *sum = &v->part[k];
        MR_TRY(mr_fit_check_sum(sum->weight));
        part[k]->n = sum->n;
        part[k]->n_units = (double)sum->n;
        part[k]->log_scale = mr_density_log_scale(s->density) - sum->log_slope / sum->weight;
        s->weight_factor[k] = (double)sum->n / sum->weight;
    }
done:
    return status;
}

// The blocks in the order of the file, each with its part of the data.
static mr_status survey_blocks(streamed_data *s, survey *v) {
    mr_status status = MR_OK;
    bool *is_held_out = calloc(s->n_blocks, sizeof *is_held_out);
    if (!is_held_out)
        return mr_fail_memory("the data");
    for (size_t k = s->n_trained_blocks; k < s->n_blocks; k++)
        is_held_out[s->block[k]] = true;
    for (size_t k = 0; k < s->n_blocks; k++)
        MR_TRY(survey_block(s, k, is_held_out[k] ? HELD_OUT : TRAINED, v));
done:
    free(is_held_out);
    return status;
}

static mr_status take_statistics(streamed_data *s) {
    mr_status status;
    const size_t width = s->width;
    double *numbers = calloc(5 * width, sizeof *numbers);
    bool *is_constant = malloc(width * sizeof *is_constant);
    if (!numbers || !is_constant) {
        status = mr_fail_memory("the data");
        goto done;
    }
    memset(is_constant, true, width * sizeof *is_constant);
    survey v = {.all = {.mean = numbers, .square = numbers + width},
                .block = {.mean = numbers + 2 * width, .square = numbers + 3 * width},
                .first = numbers + 4 * width,
                .is_constant = is_constant};
    MR_TRY(survey_blocks(s, &v));
    MR_TRY(mr_fit_check_constants(s->density, v.is_constant, v.first));
    MR_TRY(mr_fit_check_sum(v.part[TRAINED].weight));
    MR_TRY(take_scale(s, &v.all));
    status = take_parts(s, &v);
done:
    free(numbers);
    free(is_constant);
    return status;
}

// ---- Its rows

static mr_status fill_pool(streamed_data *s) {
    size_t n_taken = 0;
    s->n_pool = 0;
    s->batch = 0;
    for (; n_taken < POOL_BLOCKS && s->next_block < s->n_trained_blocks; n_taken++) {
        const size_t block = s->block[s->order[s->next_block++]];
        const mr_status status = take_block(s, block, TRAINED, s->pool.u + s->n_pool * s->width,
                                            s->pool.weight ? s->pool.weight + s->n_pool : NULL);
        if (status != MR_OK)
            return status;
        s->n_pool += rows_of(s, block);
    }
    mr_fit_shuffle(&s->random, s->n_pool, s->row);
    return MR_OK;
}

static mr_status streamed_begin_epoch(mr_fit_data *data, uint64_t epoch) {
    streamed_data *s = (streamed_data *)data;
    s->random = mr_random_stream(s->options->seed, MR_STREAM_ORDER, epoch);
    mr_fit_shuffle(&s->random, s->n_trained_blocks, s->order);
    s->next_block = 0;
    return fill_pool(s);
}

static size_t copy_batch(streamed_data *s, mr_real *u, mr_real *weight) {
    return mr_fit_copy_batch(&s->pool, s->width, s->n_pool, s->row, s->options->batch_size,
                             s->batch++, u, weight);
}

// Batches are of one pool each.
static mr_status streamed_next(mr_fit_data *data, mr_real *u, mr_real *weight, size_t *n) {
    streamed_data *s = (streamed_data *)data;
    *n = copy_batch(s, u, weight);
    if (*n > 0)
        return MR_OK;
    const mr_status status = fill_pool(s);
    if (status == MR_OK)
        *n = copy_batch(s, u, weight);
    return status;
}

static mr_status streamed_begin_held_out(mr_fit_data *data) {
    streamed_data *s = (streamed_data *)data;
    s->held_block = s->n_trained_blocks;
    s->n_held = s->held_row = 0;
    return MR_OK;
}

static mr_status streamed_next_held_out(mr_fit_data *data, mr_real *u, mr_real *weight, size_t *n) {
    streamed_data *s = (streamed_data *)data;
    if (s->held_row == s->n_held && s->held_block < s->n_blocks) {
        const size_t block = s->block[s->held_block++];
        const mr_status status = take_block(s, block, HELD_OUT, s->held.u, s->held.weight);
        if (status != MR_OK)
            return status;
        s->n_held = rows_of(s, block);
        s->held_row = 0;
    }
    *n = mr_fit_copy_next(&s->held, s->width, s->n_held, s->held_row, u, weight);
    s->held_row += *n;
    return MR_OK;
}

static void streamed_free(mr_fit_data *data) {
    streamed_data *s = (streamed_data *)data;
    free(s->block);
    free(s->order);
    free(s->x);
    free(s->pool.u);
    free(s->pool.weight);
    free(s->row);
    free(s->held.u);
    free(s->held.weight);
    free(s);
}

static const mr_fit_data_ops ops = {streamed_begin_epoch, streamed_next, streamed_begin_held_out,
                                    streamed_next_held_out, streamed_free};

// ---- Building

static mr_status allocate(streamed_data *s) {
    const size_t n = s->n_in_block, width = s->width;
    const size_t n_in_pool =
        n * (s->n_trained_blocks < POOL_BLOCKS ? s->n_trained_blocks : POOL_BLOCKS);
    const bool has_weights = s->options->weights != NULL;
    s->order = malloc(s->n_trained_blocks * sizeof *s->order);
    s->x = malloc(n * width * sizeof *s->x);
    s->pool.u = malloc(n_in_pool * width * sizeof *s->pool.u);
    s->row = malloc(n_in_pool * sizeof *s->row);
    s->held.u = malloc(n * width * sizeof *s->held.u);
    s->pool.weight = has_weights ? malloc(n_in_pool * sizeof *s->pool.weight) : NULL;
    s->held.weight = has_weights ? malloc(n * sizeof *s->held.weight) : NULL;
    const bool is_whole = s->order && s->x && s->pool.u && s->row && s->held.u &&
                          (!has_weights || (s->pool.weight && s->held.weight));
    return is_whole ? MR_OK : mr_fail_memory("the data");
}

// Draws which blocks are held out.
static mr_status split_blocks(streamed_data *s) {
    mr_random random = mr_random_stream(s->options->seed, MR_STREAM_SPLIT, 0);
    s->n_blocks = (s->source->n + s->n_in_block - 1) / s->n_in_block;
    if (s->n_blocks < 2)
        return mr_fail(MR_ERR_INPUT, "the data has %zu rows in %zu block; a fit needs two blocks",
                       s->source->n, s->n_blocks);
    s->block = malloc(s->n_blocks * sizeof *s->block);
    if (!s->block)
        return mr_fail_memory("the data");
    mr_fit_shuffle(&random, s->n_blocks, s->block);
    s->n_trained_blocks = s->n_blocks - mr_fit_count_held_out(s->n_blocks, s->options->held_out);
    return MR_OK;
}

// A start that depends on data takes the first rows of the first epoch's first pool.
static mr_status start_flow(streamed_data *s) {
    mr_status status;
    const size_t n = s->source->n < MR_DENSITY_BATCH ? s->source->n : MR_DENSITY_BATCH;
    mr_real *u = malloc(n * s->width * sizeof *u);
    size_t n_rows = 0;
    if (!u)
        return mr_fail_memory("a density's start");
    MR_TRY(streamed_begin_epoch(&s->data, 0));
    for (; n_rows < n && n_rows < s->n_pool; n_rows++)
        memcpy(u + n_rows * s->width, s->pool.u + s->row[n_rows] * s->width, s->width * sizeof *u);
    status = mr_density_start_flow(s->density, n_rows, u);
done:
    free(u);
    return status;
}

mr_status mr_fit_data_streamed(mr_density *density, const mr_fit_options *options,
                               const mr_row_source *source, mr_fit_data **out) {
    mr_status status;
    streamed_data *s = calloc(1, sizeof *s);
    if (!s)
        return mr_fail_memory("the data");
    s->data.ops = &ops;
    s->density = density;
    s->options = options;
    s->source = source;
    s->width = mr_density_width(density);
    s->n_in_block = source->n_in_block > 0 ? source->n_in_block : BLOCK_NUMBERS / s->width;
    s->n_in_block = s->n_in_block > 0 ? s->n_in_block : 1;
    MR_TRY(mr_fit_check_weights(source->n, options->weights));
    MR_TRY(split_blocks(s));
    MR_TRY(allocate(s));
    MR_TRY(take_statistics(s));
    MR_TRY(start_flow(s));
    *out = &s->data;
    s = NULL;
done:
    if (s)
        streamed_free(&s->data);
    return status;
}
