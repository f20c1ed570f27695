// log(sum of exp) of each column over the whole batch, as contrastive losses need it.

#include "nn/graph_internal.h"

#include <math.h>

/// What a thread reduces its rows to. All are [cols].
typedef struct {
    double *largest;
    double *sum;    // of exp(x - largest)
    double *sum_dy; // of the gradient
} reduced;

typedef struct {
    reduced *reduced; // [n_threads]
} log_sum_exp_options;

static reduced *reduced_of(const mr_node *node, int thread) {
    return &((const log_sum_exp_options *)node->options)->reduced[thread];
}

static void reduce_forward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const reduced *own = reduced_of(node, rows.thread);
    for (size_t j = 0; j < node->cols; j++) {
        own->largest[j] = -INFINITY;
        own->sum[j] = 0;
    }
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        for (size_t j = 0; j < node->cols; j++)
            own->largest[j] = fmax(own->largest[j], (double)mr_row(input->value, input, i)[j]);
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        for (size_t j = 0; j < node->cols; j++)
            own->sum[j] += exp((double)mr_row(input->value, input, i)[j] - own->largest[j]);
}

static void log_sum_exp_forward(const mr_node *node, mr_rows rows) {
    for (size_t j = 0; j < node->cols; j++) {
        double largest = -INFINITY, sum = 0;
        for (int t = 0; t < rows.n_threads; t++)
            largest = fmax(largest, reduced_of(node, t)->largest[j]);
        for (int t = 0; t < rows.n_threads; t++)
            sum += reduced_of(node, t)->sum[j] * exp(reduced_of(node, t)->largest[j] - largest);
        for (size_t i = rows.first; i < rows.first + rows.n; i++)
            mr_row(node->value, node, i)[j] = (mr_real)(largest + log(sum));
    }
}

static void reduce_backward(const mr_node *node, mr_rows rows) {
    const reduced *own = reduced_of(node, rows.thread);
    for (size_t j = 0; j < node->cols; j++) {
        own->sum_dy[j] = 0;
        for (size_t i = rows.first; i < rows.first + rows.n; i++)
            own->sum_dy[j] += (double)mr_row(node->grad, node, i)[j];
    }
}

// Every row's result depends on x_ij, with the derivative exp(x_ij - y_j).
static void log_sum_exp_backward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    if (!mr_node_passes(node, 0))
        return;
    for (size_t j = 0; j < node->cols; j++) {
        double dy = 0;
        for (int t = 0; t < rows.n_threads; t++)
            dy += reduced_of(node, t)->sum_dy[j];
        for (size_t i = rows.first; i < rows.first + rows.n; i++) {
            const double x = (double)mr_row(input->value, input, i)[j];
            const double y = (double)mr_row(node->value, node, i)[j];
            const mr_real dx = (mr_real)(dy * exp(x - y));
            mr_put(node->adds[0], 1, &dx, mr_row(input->grad, input, i) + j);
        }
    }
}

static const mr_op op_log_sum_exp = {
    .name = "batch_log_sum_exp",
    .options_size = sizeof(log_sum_exp_options),
    .keeps_shape = true,
    .reads = MR_READS_INPUTS | MR_READS_OUTPUT,
    .reduce_forward = reduce_forward,
    .forward = log_sum_exp_forward,
    .reduce_backward = reduce_backward,
    .backward = log_sum_exp_backward,
};

mr_node *mr_batch_log_sum_exp(mr_node *x) {
    if (!x)
        return NULL;
    const size_t n_threads = (size_t)x->graph->n_threads, n_bytes = x->cols * sizeof(double);
    log_sum_exp_options options = {mr_graph_alloc(x->graph, n_threads * sizeof *options.reduced)};
    for (size_t t = 0; t < n_threads && options.reduced; t++)
        options.reduced[t] = (reduced){.largest = mr_graph_alloc(x->graph, n_bytes),
                                       .sum = mr_graph_alloc(x->graph, n_bytes),
                                       .sum_dy = mr_graph_alloc(x->graph, n_bytes)};
    return mr_node_of(&op_log_sum_exp, x->cols, &options, 1, &x);
}
