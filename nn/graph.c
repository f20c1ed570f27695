// Building a graph and running it. The plan is in plan.c, the ops in op_*.c.

#include "nn/graph_internal.h"

#include "base/threads.h"
#include "nn/denormals.h"
#include "nn/openblas.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

mr_status mr_graph_new(size_t max_rows, int n_threads, mr_graph **out) {
    assert(max_rows > 0 && n_threads > 0);
    mr_status status = mr_openblas_init(n_threads);
    if (status == MR_OK)
        status = mr_threads_start(n_threads);
    if (status != MR_OK)
        return status;
    mr_graph *graph = calloc(1, sizeof *graph);
    if (graph)
        graph->arena = mr_arena_new();
    if (!graph || !graph->arena) {
        free(graph);
        return mr_fail_memory("a graph");
    }
    graph->max_rows = max_rows;
    graph->n_threads = n_threads;
    *out = graph;
    return MR_OK;
}

mr_status mr_graph_new_for_one(mr_graph **out) {
    const mr_status status = mr_graph_new(1, 1, out);
    if (status == MR_OK)
        (*out)->is_for_one = true;
    return status;
}

bool mr_node_is_for_one(const mr_node *node) {
    return node->graph->is_for_one;
}

void mr_graph_free(mr_graph *graph) {
    if (!graph)
        return;
    free(graph->memory);
    mr_arena_free(graph->arena);
    free(graph);
}

// ---- Building

void *mr_graph_alloc(mr_graph *graph, size_t n_bytes) {
    void *memory = mr_arena_alloc(graph->arena, n_bytes);
    if (!memory)
        graph->failed = true;
    return memory;
}

mr_node *mr_node_new(mr_graph *graph, const mr_op *op, size_t cols) {
    assert(!graph->memory && cols > 0);
    mr_node *node = mr_graph_alloc(graph, sizeof *node);
    if (!node)
        return NULL;
    node->graph = graph;
    node->op = op;
    node->cols = cols;
    node->set = -1;
    node->index = graph->n_nodes++;
    if (graph->last)
        graph->last->next = node;
    else
        graph->first = node;
    node->previous = graph->last;
    graph->last = node;
    return node;
}

mr_node *mr_node_of(const mr_op *op, size_t cols, mr_node *a, mr_node *b) {
    mr_node *node = a ? mr_node_new(a->graph, op, cols) : NULL;
    if (!node)
        return NULL;
    assert(!b || b->graph == a->graph);
    node->input[0] = a;
    node->input[1] = b;
    node->n_inputs = b ? 2 : 1;
    return node;
}

mr_real *mr_node_scratch(const mr_node *node, size_t n) {
    return mr_graph_alloc(node->graph, (size_t)node->graph->n_threads * n * sizeof(mr_real));
}

void mr_node_use(mr_node *node, mr_params *params, size_t n, const mr_param *param) {
    assert(n <= MR_MAX_PARAMS);
    node->params = params;
    node->n_params = n;
    memcpy(node->param, param, n * sizeof *param);
}

mr_real *mr_node_param_grad(const mr_node *node, size_t k, int thread) {
    return node->graph->set[node->set].grad[thread] + node->param[k].offset;
}

mr_node *mr_keep(mr_node *node) {
    if (node)
        node->keep = true;
    return node;
}

size_t mr_node_cols(const mr_node *node) {
    return node->cols;
}

mr_graph *mr_node_graph(const mr_node *node) {
    return node ? node->graph : NULL;
}

// Where the caller finds a kept value.
static mr_real *seen(const mr_node *node) {
    return node->whole ? node->whole : node->value;
}

mr_real *mr_node_value(mr_node *node) {
    assert(node->keep);
    return seen(node);
}

void mr_input_fill(mr_node *input, size_t n_rows, const mr_real *values) {
    memcpy(mr_node_value(input), values, n_rows * mr_node_cols(input) * sizeof *values);
}

const mr_real *mr_node_grad(const mr_node *node) {
    assert(node->n_inputs == 0 && node->keep);
    return node->whole_grad ? node->whole_grad : node->grad;
}

double mr_node_mean(const mr_node *node, size_t n_rows) {
    assert(node->keep && node->cols == 1);
    double sum = 0;
    for (size_t i = 0; i < n_rows; i++)
        sum += (double)seen(node)[i];
    return sum / (double)n_rows;
}

// ---- Leaves

static void nothing(const mr_node *node, mr_rows rows) {
    (void)node, (void)rows;
}

static const mr_op op_input = {.name = "input", .forward = nothing, .backward = nothing};

mr_node *mr_input(mr_graph *graph, size_t cols, bool wants_grad) {
    mr_node *node = mr_node_new(graph, &op_input, cols);
    if (node) {
        node->keep = true;
        node->wants_grad = wants_grad;
    }
    return node;
}

static void param_rows_forward(const mr_node *node, mr_rows rows) {
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        memcpy(mr_row(node->value, node, i), mr_node_param(node, 0),
               node->cols * sizeof *node->value);
}

static void param_rows_backward(const mr_node *node, mr_rows rows) {
    mr_real *gradient = mr_node_param_grad(node, 0, rows.thread);
    for (size_t i = 0; i < rows.n; i++)
        mr_put(mr_node_adds_param(node, 0, rows) || i > 0, node->cols,
               mr_row(node->grad, node, rows.first + i), gradient);
}

static const mr_op op_param_rows = {
    .name = "param_rows",
    .forward = param_rows_forward,
    .backward = param_rows_backward,
};

mr_node *mr_param_rows(mr_graph *graph, mr_params *params, mr_param param) {
    if (!graph || graph->failed) // a conditioner without a node may be one that failed
        return NULL;
    assert(param.rows == 1);
    mr_node *node = mr_node_new(graph, &op_param_rows, param.cols);
    if (node)
        mr_node_use(node, params, 1, &param);
    return node;
}

// ---- Running

static mr_rows rows_of_thread(size_t n_rows, int thread, int n_threads) {
    const size_t t = (size_t)thread, n = (size_t)n_threads;
    const size_t first = n_rows * t / n;
    return (mr_rows){.first = first, .n = n_rows * (t + 1) / n - first, .thread = thread};
}

static void clear_untouched(const mr_graph *graph, int thread) {
    for (size_t s = 0; s < graph->n_sets; s++)
        if (!graph->set[s].all_written)
            memset(graph->set[s].grad[thread], 0,
                   mr_params_size(graph->set[s].params) * sizeof(mr_real));
}

static void backward(const mr_graph *graph, mr_rows rows, size_t n_rows) {
    if (!rows.more)
        clear_untouched(graph, rows.thread);
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        graph->loss->grad[i] = 1 / (mr_real)n_rows;
    for (const mr_node *node = graph->loss; node; node = node->previous)
        if (node->grad)
            node->op->backward(node, rows);
}

// Adds the threads' gradients up, each thread a slice of the block, in the order of the threads.
static void add_up(const mr_graph *graph, int thread, int n_threads) {
    for (size_t s = 0; s < graph->n_sets; s++) {
        mr_real *const *grad = graph->set[s].grad;
        const mr_rows slice =
            rows_of_thread(mr_params_size(graph->set[s].params), thread, n_threads);
        for (int t = 1; t < n_threads; t++)
            mr_put(true, slice.n, grad[t] + slice.first, grad[0] + slice.first);
    }
}

static void run_ops(const mr_graph *graph, mr_rows rows, size_t n_rows) {
    for (const mr_node *node = graph->first; node; node = node->next)
        node->op->forward(node, rows);
    if (graph->loss)
        backward(graph, rows, n_rows);
}

// Copies n rows between the caller's matrix, from row `first`, and the thread's tile.
static void copy_in(const mr_graph *graph, mr_rows tile, size_t first) {
    for (const mr_node *node = graph->first; node; node = node->next)
        if (node->whole && node->n_inputs == 0)
            memcpy(mr_row(node->value, node, tile.first), mr_row(node->whole, node, first),
                   tile.n * node->cols * sizeof *node->value);
}

static void copy_out(const mr_graph *graph, mr_rows tile, size_t first) {
    for (const mr_node *node = graph->first; node; node = node->next) {
        if (node->whole && node->n_inputs > 0)
            memcpy(mr_row(node->whole, node, first), mr_row(node->value, node, tile.first),
                   tile.n * node->cols * sizeof *node->value);
        if (node->whole_grad)
            memcpy(mr_row(node->whole_grad, node, first), mr_row(node->grad, node, tile.first),
                   tile.n * node->cols * sizeof *node->grad);
    }
}

// Takes a large share through the graph in tiles, so that values are read again while they are in
// the cache (64 features, batch 4096: a third faster).
static void run_tiles(const mr_graph *graph, mr_rows rows, size_t n_rows) {
    mr_rows tile = {.first = (size_t)rows.thread * graph->tile, .thread = rows.thread};
    for (size_t done = 0; done < rows.n; done += tile.n) {
        const size_t n_left = rows.n - done;
        tile.n = n_left < graph->tile ? n_left : graph->tile;
        tile.more = done > 0;
        copy_in(graph, tile, rows.first + done);
        run_ops(graph, tile, n_rows);
        copy_out(graph, tile, rows.first + done);
    }
}

static void run_rows(const mr_graph *graph, size_t n_rows, int thread, int n_threads) {
    const mr_rows rows = rows_of_thread(n_rows, thread, n_threads);
    if (graph->tile > 0)
        run_tiles(graph, rows, n_rows);
    else
        run_ops(graph, rows, n_rows);
    if (!graph->loss || n_threads == 1)
        return;
#pragma omp barrier
    add_up(graph, thread, n_threads);
}

static void run_thread(const mr_graph *graph, size_t n_rows, int thread, int n_threads) {
    const mr_denormals kept = mr_denormals_flush();
    run_rows(graph, n_rows, thread, n_threads);
    mr_denormals_restore(kept);
}

void mr_graph_run(mr_graph *graph, size_t n_rows) {
    assert(graph->memory && n_rows > 0 && n_rows <= graph->max_rows);
    const int n_threads = n_rows < (size_t)graph->n_threads ? (int)n_rows : graph->n_threads;
    if (n_threads == 1) {
        run_thread(graph, n_rows, 0, 1);
        return;
    }
#pragma omp parallel num_threads(n_threads)
    run_thread(graph, n_rows, omp_get_thread_num(), omp_get_num_threads());
}
