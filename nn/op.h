/// For those who write ops: what a node holds, and the row of functions behind it.
///
/// Private to nn/. An op computes a range of rows; it may be called for different ranges by
/// different threads at once, so it writes nothing but its rows and, for parameters, its thread's
/// own gradient.
#pragma once

#include "nn/graph.h"

#include <assert.h>

/// The rows that a call is for, and who calls.
typedef struct {
    size_t first;
    size_t n;
    int thread;
    bool more; // the thread has done other rows of this run before
} mr_rows;

/// What `backward` reads, so that the plan keeps it until then.
enum {
    MR_READS_INPUTS = 1,         // the inputs' values
    MR_READS_OUTPUT = 2,         // the node's own values
    MR_READS_INPUTS_TRAINED = 4, // the inputs' values, if the node's parameters are trained
};

typedef struct {
    const char *name;
    unsigned reads;
    void (*forward)(const mr_node *node, mr_rows rows);
    /// Hands the node's gradient on to the inputs that want one (`mr_node_passes`) and to the
    /// parameters if trained. May destroy the node's own gradient, which nobody reads afterwards.
    void (*backward)(const mr_node *node, mr_rows rows);

    // Ops of one value at a time share their forward and backward, and differ in these.
    void (*unary)(const mr_node *node, size_t n, const mr_real *x, mr_real *y);
    void (*unary_derivative)(const mr_node *node, size_t n, const mr_real *x, const mr_real *y,
                             mr_real *d);
    void (*binary)(size_t n, const mr_real *a, const mr_real *b, mr_real *y);
    void (*binary_derivative)(size_t n, const mr_real *a, const mr_real *b, mr_real *da,
                              mr_real *db);
} mr_op;

enum { MR_MAX_PARAMS = 2 };

struct mr_node {
    mr_graph *graph;
    const mr_op *op;
    mr_node *next, *previous; // in order of building
    size_t index;             // its place in that order
    size_t cols;
    size_t n_inputs;
    mr_node *input[2];
    mr_real *value; // [rows x cols], set by the plan
    mr_real *grad;  // likewise; NULL where no gradient is wanted
    mr_real *whole; // [max_rows x cols] what the caller sees, where the batch is cut in tiles
    mr_real *whole_grad;

    bool keep;
    bool wants_grad; // depends on something trained, and the loss depends on it
    bool adds[2];    // to the gradient of input k, which a later op has written already; else it
                     // overwrites

    mr_params *params; // NULL: none
    size_t n_params;
    mr_param param[MR_MAX_PARAMS];
    int set;                        // of the trained sets; -1: its parameters are constants
    bool adds_param[MR_MAX_PARAMS]; // as `adds`, for the parameters' gradients

    // What some ops are told at building.
    double number[2];
    mr_activation activation;
    const mr_real *mask;
    mr_real *scratch; // each thread's own, side by side
    size_t *column;   // [cols], owned by the graph's arena
    void *own;        // an op's own data, in the graph's arena
};

/// A new node of `graph`, NULL if that fails. The graph remembers the failure.
mr_node *mr_node_new(mr_graph *graph, const mr_op *op, size_t cols);

/// A new node with one or two inputs, NULL if one of them is.
mr_node *mr_node_of(const mr_op *op, size_t cols, mr_node *a, mr_node *b);

/// Memory that lives as long as the graph, NULL if that fails.
void *mr_graph_alloc(mr_graph *graph, size_t n_bytes);

/// `n` numbers for each thread, side by side, that live as long as the graph; NULL if that fails.
mr_real *mr_node_scratch(const mr_node *node, size_t n);

/// Sets the parameters of a node.
void mr_node_use(mr_node *node, mr_params *params, size_t n, const mr_param *param);

/// Whether input k wants a gradient.
static inline bool mr_node_passes(const mr_node *node, size_t k) {
    return node->input[k]->grad != NULL;
}

/// Where a row of a value or gradient of `node` begins.
static inline mr_real *mr_row(mr_real *matrix, const mr_node *node, size_t row) {
    return matrix + row * node->cols;
}

/// The value of the node's parameter k.
static inline const mr_real *mr_node_param(const mr_node *node, size_t k) {
    return mr_params_read(node->params) + node->param[k].offset;
}

/// Whether the gradient of parameter k is added to what is there; else it overwrites.
static inline bool mr_node_adds_param(const mr_node *node, size_t k, mr_rows rows) {
    return node->adds_param[k] || rows.more;
}

/// Whether the node's graph is one of mr_graph_new_for_one.
bool mr_node_is_for_one(const mr_node *node);

/// Where `thread` collects the gradient of the node's parameter k.
mr_real *mr_node_param_grad(const mr_node *node, size_t k, int thread);

/// d[n] = v, or d += v.
static inline void mr_put(bool adds, size_t n, const mr_real *restrict v, mr_real *restrict d) {
    if (adds)
        for (size_t i = 0; i < n; i++)
            d[i] += v[i];
    else
        for (size_t i = 0; i < n; i++)
            d[i] = v[i];
}
