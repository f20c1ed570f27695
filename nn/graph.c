// Building a graph. plan.c lays out its memory, run.c runs it, op_*.c are the ops.

#include "nn/graph_internal.h"

#include "base/threads.h"
#include "nn/openblas.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

mr_status mr_graph_new(size_t max_rows, int n_threads, mr_graph **out) {
    assert(max_rows > 0 && n_threads > 0);
    mr_status status = mr_openblas_reserve(n_threads);
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

static void append(mr_graph *graph, mr_node *node) {
    node->index = graph->n_nodes++;
    node->previous = graph->last;
    if (graph->last)
        graph->last->next = node;
    else
        graph->first = node;
    graph->last = node;
}

static size_t round_up(size_t n_bytes) {
    const size_t unit = alignof(max_align_t);
    return (n_bytes + unit - 1) / unit * unit;
}

// A node, its options, its list of inputs and its flags are one piece of memory.
static mr_node *node_new(mr_graph *graph, const mr_op *op, size_t cols, const void *options,
                         size_t n_inputs, mr_node *const *input) {
    assert(!graph->memory && cols > 0);
    const size_t options_at = round_up(sizeof(mr_node));
    const size_t inputs_at = options_at + round_up(op->options_size);
    const size_t flags_at = inputs_at + n_inputs * sizeof(mr_node *);
    char *memory = mr_graph_alloc(graph, flags_at + n_inputs * sizeof(bool));
    if (!memory)
        return NULL;
    mr_node *node = (void *)memory;
    *node = (mr_node){.graph = graph,
                      .op = op,
                      .options = memory + options_at,
                      .shape = {cols, 1, 1},
                      .cols = cols,
                      .n_parts = n_inputs > 0 ? input[0]->n_parts : 1,
                      .n_inputs = n_inputs,
                      .input = (void *)(memory + inputs_at),
                      .adds = (void *)(memory + flags_at),
                      .set = -1};
    if (op->options_size > 0)
        memcpy(node->options, options, op->options_size);
    for (size_t k = 0; k < n_inputs; k++) {
        node->input[k] = input[k];
        if (op->keeps_shape && input[k]->cols == cols)
            node->shape = input[k]->shape;
    }
    append(graph, node);
    return node;
}

mr_node *mr_leaf_new(mr_graph *graph, const mr_op *op, size_t cols, const void *options) {
    return node_new(graph, op, cols, options, 0, NULL);
}

mr_node *mr_node_of(const mr_op *op, size_t cols, const void *options, size_t n,
                    mr_node *const *input) {
    for (size_t k = 0; k < n; k++) {
        if (!input[k])
            return NULL;
        assert(input[k]->graph == input[0]->graph && input[k]->n_parts == input[0]->n_parts);
    }
    return node_new(input[0]->graph, op, cols, options, n, input);
}

mr_real *mr_graph_scratch(mr_graph *graph, size_t n) {
    return mr_graph_alloc(graph, (size_t)graph->n_threads * n * sizeof(mr_real));
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
    assert(!node || node->n_parts == 1);
    if (node)
        node->keep = true;
    return node;
}

size_t mr_node_cols(const mr_node *node) {
    return node->cols;
}

mr_shape mr_node_shape(const mr_node *node) {
    return node->shape;
}

mr_graph *mr_node_graph(const mr_node *node) {
    return node ? node->graph : NULL;
}

// The kept values that the caller sees.
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
