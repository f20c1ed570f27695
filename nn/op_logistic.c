// The log-densities of a point under several products of logistic distributions.
//
// With a = (x - m) / s, each factor is
//
//     log f = -|a| - 2 log1p(exp(-|a|)) - log s      (no overflow, f being symmetric)
//     dlog f/dx = -tanh(a/2) / s,   dlog f/dm = tanh(a/2) / s,   dlog f/dlog s = a tanh(a/2) - 1

#include "nn/op.h"

#include "base/vmath.h"

enum { MEAN, LOG_SCALE };

typedef struct {
    mr_real *inverse, *a, *t; // [n_threads x numbers of a parameter] 1 / s, a, and work
} logistic_options;

/// The work of one thread.
typedef struct {
    size_t n; // numbers of a parameter
    mr_real *restrict inverse, *restrict a, *restrict t;
} work;

static work work_of(const mr_node *node, mr_rows rows) {
    const logistic_options *o = node->options;
    const size_t n = node->param[MEAN].rows * node->param[MEAN].cols;
    const size_t offset = (size_t)rows.thread * n;
    const mr_real *log_scale = mr_node_param(node, LOG_SCALE);
    const work w = {n, o->inverse + offset, o->a + offset, o->t + offset};
    for (size_t i = 0; i < n; i++)
        w.inverse[i] = -log_scale[i];
    mr_vexp(n, w.inverse, w.inverse);
    return w;
}

static void set_a(const mr_node *node, work w, size_t row) {
    const mr_node *input = node->input[0];
    const mr_real *x = mr_row(input->value, input, row), *mean = mr_node_param(node, MEAN);
    const size_t dim = input->cols;
    for (size_t k = 0; k < node->cols; k++)
        for (size_t d = 0; d < dim; d++)
            w.a[k * dim + d] = (x[d] - mean[k * dim + d]) * w.inverse[k * dim + d];
}

static void logistic_forward(const mr_node *node, mr_rows rows) {
    const work w = work_of(node, rows);
    const mr_real *log_scale = mr_node_param(node, LOG_SCALE);
    const size_t dim = node->input[0]->cols;
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *y = mr_row(node->value, node, i);
        set_a(node, w, i);
        for (size_t j = 0; j < w.n; j++)
            w.t[j] = w.a[j] = w.a[j] < 0 ? w.a[j] : -w.a[j];
        mr_vexp(w.n, w.t, w.t);
        mr_vlog1p(w.n, w.t, w.t);
        for (size_t k = 0; k < node->cols; k++) {
            y[k] = 0;
            for (size_t j = k * dim; j < (k + 1) * dim; j++)
                y[k] += w.a[j] - 2 * w.t[j] - log_scale[j];
        }
    }
}

static void pass(const mr_node *node, work w, size_t row) {
    const mr_node *input = node->input[0];
    const mr_real *dy = mr_row(node->grad, node, row);
    mr_real *dx = mr_row(input->grad, input, row);
    const size_t dim = input->cols;
    for (size_t d = 0; d < dim; d++) {
        mr_real sum = 0;
        for (size_t k = 0; k < node->cols; k++)
            sum -= dy[k] * w.t[k * dim + d] * w.inverse[k * dim + d];
        dx[d] = node->adds[0] ? dx[d] + sum : sum;
    }
}

static void train(const mr_node *node, work w, mr_rows rows, size_t row) {
    const mr_real *dy = mr_row(node->grad, node, row);
    const size_t dim = node->input[0]->cols;
    mr_real *d_mean = mr_node_param_grad(node, MEAN, rows.thread);
    mr_real *d_log_scale = mr_node_param_grad(node, LOG_SCALE, rows.thread);
    const bool is_later = row > rows.first;
    const bool adds_mean = is_later || mr_node_adds_param(node, MEAN, rows);
    const bool adds_log_scale = is_later || mr_node_adds_param(node, LOG_SCALE, rows);
    for (size_t k = 0; k < node->cols; k++)
        for (size_t j = k * dim; j < (k + 1) * dim; j++) {
            const mr_real by_mean = dy[k] * w.t[j] * w.inverse[j];
            const mr_real by_log_scale = dy[k] * (w.a[j] * w.t[j] - 1);
            d_mean[j] = adds_mean ? d_mean[j] + by_mean : by_mean;
            d_log_scale[j] = adds_log_scale ? d_log_scale[j] + by_log_scale : by_log_scale;
        }
}

static void logistic_backward(const mr_node *node, mr_rows rows) {
    const work w = work_of(node, rows);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        set_a(node, w, i);
        for (size_t j = 0; j < w.n; j++)
            w.t[j] = w.a[j] / 2;
        mr_vtanh(w.n, w.t, w.t);
        if (mr_node_passes(node, 0))
            pass(node, w, i);
        if (node->set >= 0)
            train(node, w, rows, i);
    }
}

static const mr_op op_logistic = {
    .name = "logistic_log_density",
    .options_size = sizeof(logistic_options),
    .reads = MR_READS_INPUTS,
    .forward = logistic_forward,
    .backward = logistic_backward,
};

mr_node *mr_logistic_log_density(mr_node *x, mr_params *params, mr_param mean, mr_param log_scale) {
    if (!x)
        return NULL;
    assert(mean.cols == x->cols && log_scale.cols == x->cols && mean.rows == log_scale.rows);
    const size_t n = mean.rows * mean.cols;
    const logistic_options options = {.inverse = mr_graph_scratch(x->graph, n),
                                      .a = mr_graph_scratch(x->graph, n),
                                      .t = mr_graph_scratch(x->graph, n)};
    mr_node *node = mr_node_of(&op_logistic, mean.rows, &options, 1, &x);
    if (node)
        mr_node_use(node, params, 2, (const mr_param[]){[MEAN] = mean, [LOG_SCALE] = log_scale});
    return node;
}
