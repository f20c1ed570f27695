// Batch norm (Ioffe and Szegedy 2015, arXiv:1502.03167) and batch renorm (Ioffe 2017,
// arXiv:1702.03275). With mu and s^2 the mean and variance of a channel:
//
//     xhat = (x - mu) / sqrt(s^2 + epsilon),     y = gain (r xhat + d) + shift
//
// In training mu and s^2 are those of the batch; r and d move the result towards that of the
// running statistics, and count as constants. Plain batch norm has r = 1 and d = 0. Running mode
// takes mu and s^2 from the running statistics, r = 1 and d = 0, and each row is computed by
// itself.
//
// Sums over rows are made for each column, so that the loops go along memory, and are then merged
// over threads and over the columns of a channel, always in the same order.

#include "nn/graph_internal.h"

#include <math.h>
#include <string.h>

enum { GAIN, SHIFT };

/// What a thread reduces its rows to. All arrays are [cols].
typedef struct {
    double n_rows;
    double *origin; // the first row
    double *mean;
    double *squares;     // sum of squared deviations from the mean
    double *sum_dy;      // sum of the gradient,
    double *sum_dy_xhat; // and of the gradient times xhat
} reduced;

/// What a thread computes its rows with, made of what all threads have reduced: the same numbers in
/// each thread. All arrays are [cols], but for the variance.
typedef struct {
    mr_real *mu, *inverse; // inverse = 1 / sqrt(s^2 + epsilon)
    mr_real *r, *d;
    mr_real *factor, *offset;        // y = (x - mu) factor + offset
    mr_real *mean_dy, *mean_dy_xhat; // over the batch
    double *variance;                // [channels] s^2
} statistics;

typedef struct {
    mr_batch_norm norm;
    mr_batch_norm_options options;
    reduced *reduced;       // [n_threads]
    statistics *statistics; // [n_threads]
    bool relu;              // after the norm, in the same pass
} batch_norm_options;

static const batch_norm_options *options_of(const mr_node *node) {
    return node->options;
}

static size_t n_channels(const mr_node *node) {
    return node->param[GAIN].cols;
}

// Columns of a channel.
static size_t channel_size(const mr_node *node) {
    return node->cols / n_channels(node);
}

// ---- Statistics

enum { BLOCK = 4 }; // rows that are added at a time, so that sums are loaded and stored less

// sum += x - origin and squares += (x - origin)^2 over the first `n` of BLOCK rows.
static void add_rows(size_t n, size_t cols, const mr_real *restrict x,
                     const double *restrict origin, double *restrict sum,
                     double *restrict squares) {
    for (size_t j = 0; j < cols; j++) {
        double s = 0, q = 0;
        for (size_t k = 0; k < n; k++) {
            const double d = (double)x[k * cols + j] - origin[j];
            s += d;
            q += d * d;
        }
        sum[j] += s;
        squares[j] += q;
    }
}

// The sums are of distances from the thread's first row, so that a large mean cancels no digits.
static void reduce_forward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    reduced *own = &options_of(node)->reduced[rows.thread];
    const size_t cols = node->cols, n_blocks = rows.n / BLOCK;
    const mr_real *x = mr_row(input->value, input, rows.first);
    double *restrict origin = own->origin, *restrict mean = own->mean;
    double *restrict squares = own->squares;
    own->n_rows = (double)rows.n;
    memset(mean, 0, cols * sizeof *mean);
    memset(squares, 0, cols * sizeof *squares);
    for (size_t j = 0; j < cols; j++)
        origin[j] = (double)x[j];
    for (size_t b = 0; b < n_blocks; b++)
        add_rows(BLOCK, cols, x + b * BLOCK * cols, origin, mean, squares);
    add_rows(rows.n % BLOCK, cols, x + n_blocks * BLOCK * cols, origin, mean, squares);
    for (size_t j = 0; j < cols; j++) {
        const double sum = mean[j];
        mean[j] = origin[j] + sum / (double)rows.n;
        squares[j] = fmax(0, squares[j] - sum * sum / (double)rows.n);
    }
}

/// Of n numbers: their mean and the sum of squared deviations from it.
typedef struct {
    double n, mean, squares;
} moments;

// Of two groups together (Chan et al. 1983).
static moments merge(moments a, moments b) {
    const double n = a.n + b.n, delta = b.mean - a.mean;
    return (moments){n, a.mean + delta * b.n / n,
                     a.squares + b.squares + delta * delta * a.n * b.n / n};
}

static moments moments_of(const mr_node *node, int n_threads, size_t channel) {
    const size_t size = channel_size(node);
    moments all = {0};
    for (size_t j = channel * size; j < (channel + 1) * size; j++)
        for (int t = 0; t < n_threads; t++) {
            const reduced *of = &options_of(node)->reduced[t];
            all = merge(all, (moments){of->n_rows, of->mean[j], of->squares[j]});
        }
    return all;
}

/// Of one channel.
typedef struct {
    double mu, variance, r, d;
} channel_statistics;

static channel_statistics running_statistics(const mr_node *node, size_t channel) {
    const mr_batch_norm *norm = &options_of(node)->norm;
    return (channel_statistics){.mu = (double)mr_params_buffer(node->params, norm->mean)[channel],
                                .variance =
                                    (double)mr_params_buffer(node->params, norm->variance)[channel],
                                .r = 1};
}

static double clip(double value, double low, double high) {
    return fmin(fmax(value, low), high);
}

// r = clip(s / s_running, 1 / r_max, r_max), d = clip((mu - mu_running) / s_running, +-d_max).
static channel_statistics batch_statistics(const mr_node *node, int n_threads, size_t channel) {
    const mr_batch_norm_options *o = &options_of(node)->options;
    const moments m = moments_of(node, n_threads, channel);
    channel_statistics batch = {.mu = m.mean, .variance = m.squares / m.n, .r = 1};
    if ((double)*mr_params_buffer(node->params, options_of(node)->norm.n_batches) < o->n_warm_up)
        return batch;
    const channel_statistics running = running_statistics(node, channel);
    const double deviation = sqrt(running.variance + o->epsilon);
    batch.r = clip(sqrt(batch.variance + o->epsilon) / deviation, 1 / o->r_max, o->r_max);
    batch.d = clip((batch.mu - running.mu) / deviation, -o->d_max, o->d_max);
    return batch;
}

static void set_statistics(const mr_node *node, statistics *s, size_t channel,
                           channel_statistics of) {
    const size_t size = channel_size(node);
    const mr_real gain = mr_node_param(node, GAIN)[channel];
    const mr_real shift = mr_node_param(node, SHIFT)[channel];
    const double inverse = 1 / sqrt(of.variance + options_of(node)->options.epsilon);
    s->variance[channel] = of.variance;
    for (size_t j = channel * size; j < (channel + 1) * size; j++) {
        s->mu[j] = (mr_real)of.mu;
        s->inverse[j] = (mr_real)inverse;
        s->r[j] = (mr_real)of.r;
        s->d[j] = (mr_real)of.d;
        s->factor[j] = (mr_real)(inverse * of.r) * gain;
        s->offset[j] = (mr_real)of.d * gain + shift;
    }
}

static void update_buffers(const mr_node *node) {
    const mr_batch_norm *norm = &options_of(node)->norm;
    const double rate = options_of(node)->options.rate;
    const statistics *s = &options_of(node)->statistics[0];
    mr_real *mean = mr_params_buffer(node->params, norm->mean);
    mr_real *variance = mr_params_buffer(node->params, norm->variance);
    for (size_t c = 0; c < n_channels(node); c++) {
        const double mu = (double)s->mu[c * channel_size(node)];
        mean[c] += (mr_real)(rate * (mu - (double)mean[c]));
        variance[c] += (mr_real)(rate * (s->variance[c] - (double)variance[c]));
    }
    *mr_params_buffer(node->params, norm->n_batches) += 1;
}

// ---- Forward

static void normalise(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const bool relu = options_of(node)->relu;
    const statistics *s = &options_of(node)->statistics[rows.thread];
    const mr_real *restrict mu = s->mu, *restrict factor = s->factor, *restrict offset = s->offset;
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *restrict x = mr_row(input->value, input, i);
        mr_real *restrict y = mr_row(node->value, node, i);
        for (size_t j = 0; j < node->cols; j++)
            y[j] = mr_relu_if(relu, (x[j] - mu[j]) * factor[j] + offset[j]);
    }
}

static void batch_norm_forward(const mr_node *node, mr_rows rows) {
    statistics *s = &options_of(node)->statistics[rows.thread];
    for (size_t c = 0; c < n_channels(node); c++)
        set_statistics(node, s, c, batch_statistics(node, rows.n_threads, c));
    normalise(node, rows);
}

static void running_forward(const mr_node *node, mr_rows rows) {
    statistics *s = &options_of(node)->statistics[rows.thread];
    for (size_t c = 0; c < n_channels(node); c++)
        set_statistics(node, s, c, running_statistics(node, c));
    normalise(node, rows);
}

// ---- Backward

// The gradient before the ReLU, if there is one. v is the ReLU's argument, computed again.
static inline mr_real before_relu(bool relu, mr_real v, mr_real dy) {
    return relu && !(v > 0) ? 0 : dy;
}

// sum_dy += dy and sum_dy_x += dy (x - mu) over the first `n` of BLOCK rows, dy before the ReLU.
static void add_gradients(size_t n, size_t cols, bool relu, const statistics *of,
                          const mr_real *restrict x, const mr_real *restrict dy,
                          double *restrict sum_dy, double *restrict sum_dy_x) {
    const mr_real *restrict mu = of->mu, *restrict factor = of->factor;
    const mr_real *restrict offset = of->offset;
    for (size_t j = 0; j < cols; j++) {
        double s = 0, q = 0;
        for (size_t k = 0; k < n; k++) {
            const mr_real centred = x[k * cols + j] - mu[j];
            const mr_real d = before_relu(relu, centred * factor[j] + offset[j], dy[k * cols + j]);
            s += (double)d;
            q += (double)(d * centred);
        }
        sum_dy[j] += s;
        sum_dy_x[j] += q;
    }
}

static void reduce_backward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const reduced *own = &options_of(node)->reduced[rows.thread];
    const statistics *s = &options_of(node)->statistics[rows.thread];
    const bool relu = options_of(node)->relu;
    const size_t cols = node->cols, n_blocks = rows.n / BLOCK;
    const mr_real *x = mr_row(input->value, input, rows.first);
    const mr_real *dy = mr_row(node->grad, node, rows.first);
    memset(own->sum_dy, 0, cols * sizeof(double));
    memset(own->sum_dy_xhat, 0, cols * sizeof(double));
    for (size_t b = 0; b < n_blocks; b++)
        add_gradients(BLOCK, cols, relu, s, x + b * BLOCK * cols, dy + b * BLOCK * cols,
                      own->sum_dy, own->sum_dy_xhat);
    add_gradients(rows.n % BLOCK, cols, relu, s, x + n_blocks * BLOCK * cols,
                  dy + n_blocks * BLOCK * cols, own->sum_dy, own->sum_dy_xhat);
    for (size_t j = 0; j < cols; j++)
        own->sum_dy_xhat[j] *= (double)s->inverse[j];
}

// The gradients of gain and shift from the thread's own rows.
static void train(const mr_node *node, mr_rows rows) {
    const reduced *own = &options_of(node)->reduced[rows.thread];
    const statistics *s = &options_of(node)->statistics[rows.thread];
    const size_t size = channel_size(node);
    mr_real *d_gain = mr_node_param_grad(node, GAIN, rows.thread);
    mr_real *d_shift = mr_node_param_grad(node, SHIFT, rows.thread);
    for (size_t c = 0; c < n_channels(node); c++) {
        double of_gain = 0, of_shift = 0;
        for (size_t j = c * size; j < (c + 1) * size; j++) {
            of_gain += (double)s->r[j] * own->sum_dy_xhat[j] + (double)s->d[j] * own->sum_dy[j];
            of_shift += own->sum_dy[j];
        }
        const mr_real sums[] = {(mr_real)of_gain, (mr_real)of_shift};
        mr_put(mr_node_adds_param(node, GAIN, rows), 1, &sums[0], d_gain + c);
        mr_put(mr_node_adds_param(node, SHIFT, rows), 1, &sums[1], d_shift + c);
    }
}

// Means over the batch and over a channel's columns, from the sums of all threads.
static void find_means(const mr_node *node, mr_rows rows, const statistics *s) {
    const size_t size = channel_size(node);
    const double n = (double)(rows.n_batch * size);
    for (size_t c = 0; c < n_channels(node); c++) {
        double dy = 0, dy_xhat = 0;
        for (size_t j = c * size; j < (c + 1) * size; j++)
            for (int t = 0; t < rows.n_threads; t++) {
                dy += options_of(node)->reduced[t].sum_dy[j];
                dy_xhat += options_of(node)->reduced[t].sum_dy_xhat[j];
            }
        for (size_t j = c * size; j < (c + 1) * size; j++) {
            s->mean_dy[j] = (mr_real)(dy / n);
            s->mean_dy_xhat[j] = (mr_real)(dy_xhat / n);
        }
    }
}

// dx = factor (dy - mean(dy) - xhat mean(dy xhat)). In running mode both means are 0, because mu
// and s do not depend on x there.
static void pass(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const statistics *s = &options_of(node)->statistics[rows.thread];
    const mr_real *restrict mu = s->mu, *restrict inverse = s->inverse;
    const mr_real *restrict factor = s->factor, *restrict offset = s->offset;
    const mr_real *restrict mean_dy = s->mean_dy, *restrict mean_dy_xhat = s->mean_dy_xhat;
    const bool adds = node->adds[0], relu = options_of(node)->relu;
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *restrict x = mr_row(input->value, input, i);
        const mr_real *restrict dy = mr_row(node->grad, node, i);
        mr_real *restrict dx = mr_row(input->grad, input, i);
        for (size_t j = 0; j < node->cols; j++) {
            const mr_real centred = x[j] - mu[j], xhat = centred * inverse[j];
            const mr_real g = before_relu(relu, centred * factor[j] + offset[j], dy[j]);
            const mr_real d = factor[j] * (g - mean_dy[j] - xhat * mean_dy_xhat[j]);
            dx[j] = adds ? dx[j] + d : d;
        }
    }
}

static void batch_norm_backward(const mr_node *node, mr_rows rows) {
    if (node->set >= 0)
        train(node, rows);
    if (!mr_node_passes(node, 0))
        return;
    find_means(node, rows, &options_of(node)->statistics[rows.thread]);
    pass(node, rows);
}

static void running_backward(const mr_node *node, mr_rows rows) {
    if (node->set >= 0) {
        reduce_backward(node, rows);
        train(node, rows);
    }
    if (mr_node_passes(node, 0))
        pass(node, rows);
}

// ---- The ops

static const mr_op op_batch_norm = {
    .name = "batch_norm",
    .keeps_shape = true,
    .options_size = sizeof(batch_norm_options),
    .reads = MR_READS_INPUTS,
    .reduce_forward = reduce_forward,
    .forward = batch_norm_forward,
    .reduce_backward = reduce_backward,
    .backward = batch_norm_backward,
    .update_buffers = update_buffers,
};

// (x - mu) factor + shift: the statistics of a run, which are those of this one too.
static mr_value *running_write(const mr_node *node, mr_net_program *program,
                               mr_value *const *input) {
    statistics *s = &options_of(node)->statistics[0];
    const size_t cols = node->cols;
    if (channel_size(node) > 1)
        return NULL;
    for (size_t c = 0; c < n_channels(node); c++)
        set_statistics(node, s, c, running_statistics(node, c));
    mr_value *centred =
        mr_do_two(program, MR_DO_SUB, input[0], mr_do_constant(program, 1, cols, s->mu));
    mr_value *scaled =
        mr_do_two(program, MR_DO_MUL, centred, mr_do_constant(program, 1, cols, s->factor));
    return mr_do_activation(
        program, options_of(node)->relu ? MR_RELU : MR_IDENTITY,
        mr_do_two(program, MR_DO_ADD, scaled, mr_do_constant(program, 1, cols, s->offset)));
}

static const mr_op op_running = {
    .name = "batch_norm_running",
    .keeps_shape = true,
    .options_size = sizeof(batch_norm_options),
    .reads = MR_READS_INPUTS_TRAINED,
    .forward = running_forward,
    .backward = running_backward,
    .write = running_write,
};

static void allocate_thread(mr_graph *graph, size_t cols, size_t channels, reduced *r,
                            statistics *s) {
    double **const sums[] = {&r->origin, &r->mean, &r->squares, &r->sum_dy, &r->sum_dy_xhat};
    mr_real **const numbers[] = {&s->mu,     &s->inverse, &s->r,       &s->d,
                                 &s->factor, &s->offset,  &s->mean_dy, &s->mean_dy_xhat};
    for (size_t k = 0; k < MR_COUNT(sums); k++)
        *sums[k] = mr_graph_alloc(graph, cols * sizeof(double));
    for (size_t k = 0; k < MR_COUNT(numbers); k++)
        *numbers[k] = mr_graph_alloc(graph, cols * sizeof(mr_real));
    s->variance = mr_graph_alloc(graph, channels * sizeof(double));
}

static mr_node *batch_norm_new(const mr_op *op, mr_node *x, mr_params *params,
                               const mr_batch_norm *norm, const mr_batch_norm_options *options) {
    if (!x)
        return NULL;
    assert(norm->gain.cols == x->shape.channels);
    const size_t n_threads = (size_t)x->graph->n_threads;
    batch_norm_options own = {.norm = *norm,
                              .options = *options,
                              .relu = options->activation == MR_RELU,
                              .reduced = mr_graph_alloc(x->graph, n_threads * sizeof *own.reduced),
                              .statistics =
                                  mr_graph_alloc(x->graph, n_threads * sizeof *own.statistics)};
    for (size_t t = 0; t < n_threads && own.reduced && own.statistics; t++)
        allocate_thread(x->graph, x->cols, norm->gain.cols, &own.reduced[t], &own.statistics[t]);
    mr_node *node = mr_node_of(op, x->cols, &own, 1, &x);
    if (node)
        mr_node_use(node, params, 2,
                    (const mr_param[]){[GAIN] = norm->gain, [SHIFT] = norm->shift});
    return own.relu ? node : mr_activate(node, options->activation);
}

mr_node *mr_batch_norm_train(mr_node *x, mr_params *params, const mr_batch_norm *norm,
                             const mr_batch_norm_options *options) {
    return batch_norm_new(&op_batch_norm, x, params, norm, options);
}

mr_node *mr_batch_norm_running(mr_node *x, mr_params *params, const mr_batch_norm *norm,
                               const mr_batch_norm_options *options) {
    return batch_norm_new(&op_running, x, params, norm, options);
}
