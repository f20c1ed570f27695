/// Ops and nodes, for whoever writes an op.
///
/// An op is a const struct of functions (mr_op) in a file nn/op_*.c, beside a function that adds a
/// node with that op to a graph. Its options, a struct of the op's own, are copied into each node.
/// docs/extending.md goes through an example.
///
/// Ops run on several threads at once, each with its own rows of the batch. So an op writes to
/// nothing but those rows of values and gradients, its thread's own scratch memory and, for
/// parameters, its thread's own gradient.
#pragma once

#include "nn/program.h"

#include <assert.h>

/// The rows that a call is for, and the thread that makes it.
typedef struct {
    size_t first;
    size_t n;
    int thread;
    int n_threads;  // that compute this batch
    size_t n_batch; // rows of the whole batch
    bool more;      // the thread has computed other rows of this run before these
} mr_rows;

/// The values that `backward` reads: the plan keeps them in memory until then.
enum {
    MR_READS_INPUTS = 1,         // the inputs' values
    MR_READS_OUTPUT = 2,         // the node's own values
    MR_READS_INPUTS_TRAINED = 4, // the inputs' values, if the node's parameters are trained
};

typedef struct {
    const char *name;
    size_t options_size; // of the struct of its options; 0: it has none
    bool keeps_shape;    // the result has the shape of its widest input; else it is a vector, until
                         // the op sets node->shape
    unsigned reads;      // MR_READS_..., joined by |
    void (*forward)(const mr_node *node, mr_rows rows);
    /// Adds the node's gradient, times the op's derivative, to the gradients of those inputs that
    /// want one (mr_node_passes) and, if they are trained, of its parameters. May overwrite the
    /// node's own gradient, which nobody reads afterwards. NULL: no gradient goes through.
    void (*backward)(const mr_node *node, mr_rows rows);

    // An op over the whole batch has these two as well (both or neither). Each thread first reduces
    // its own rows to a few numbers, which it keeps in memory of its own; all threads then meet;
    // after that `forward` (or `backward`) finds the numbers of all threads, and adds them up in
    // the order of the threads, so that the result does not depend on which thread was fastest.
    void (*reduce_forward)(const mr_node *node, mr_rows rows);
    void (*reduce_backward)(const mr_node *node, mr_rows rows);
    /// Moves the node's buffers (running statistics) by the latest run; NULL: it has none to move.
    void (*update_buffers)(const mr_node *node);

    /// Adds what `forward` computes, for one row, to a program, and returns its value [1 x cols].
    /// NULL, or returns NULL: a net with this node is not exported. A spline's last column, its log
    /// |det|, is left out of the value: exported nets have no densities.
    ///
    ///   input  [n_inputs] the inputs' values
    mr_value *(*write)(const mr_node *node, mr_net_program *program, mr_value *const *input);
} mr_op;

enum { MR_MAX_PARAMS = 2 };

struct mr_node {
    mr_graph *graph;
    const mr_op *op;
    void *options;            // the op's own struct
    mr_node *next, *previous; // in order of building
    size_t index;             // its position in that order
    mr_shape shape;
    size_t cols;    // all features of a row: channels height width
    size_t n_parts; // rows that it has for each row of the batch: 1, or as many as mr_split_rows
                    // made of one. An op's mr_rows count rows of its node
    size_t n_inputs;
    mr_node **input;     // [n_inputs]
    mr_real *value;      // [rows n_parts x cols], set by the plan
    mr_real *grad;       // likewise; NULL: no gradient is wanted
    mr_real *whole;      // [max_rows x cols] for the caller, if the batch runs in tiles
    mr_real *whole_grad; // likewise

    bool keep;
    bool wants_grad; // depends on something trained, and the loss depends on it
    bool *adds;      // [n_inputs] to the gradient of input k, which a later op has written already;
                     // else it overwrites

    mr_params *params; // NULL: none
    size_t n_params;
    mr_param param[MR_MAX_PARAMS];
    int set;                        // of the trained sets; -1: its parameters are constants
    bool adds_param[MR_MAX_PARAMS]; // as `adds`, for the parameters' gradients
};

/// A new node without inputs, NULL if memory runs out. The graph remembers the failure.
///
///   options  op->options_size bytes, copied
mr_node *mr_leaf_new(mr_graph *graph, const mr_op *op, size_t cols, const void *options);

/// A new node with the inputs input[n], n > 0, all of the same graph and with as many parts as the
/// new node has. NULL if one of them is.
mr_node *mr_node_of(const mr_op *op, size_t cols, const void *options, size_t n,
                    mr_node *const *input);

/// Memory that lives as long as the graph, zeroed; NULL if that fails.
void *mr_graph_alloc(mr_graph *graph, size_t n_bytes);

/// `n` numbers for each thread, side by side, that live as long as the graph; NULL if that fails.
mr_real *mr_graph_scratch(mr_graph *graph, size_t n);

/// Sets the parameters of a node.
void mr_node_use(mr_node *node, mr_params *params, size_t n, const mr_param *param);

/// Whether input k wants a gradient.
static inline bool mr_node_passes(const mr_node *node, size_t k) {
    return node->input[k]->grad != NULL;
}

/// Row `row` of a value or gradient of `node`.
static inline mr_real *mr_row(mr_real *matrix, const mr_node *node, size_t row) {
    return matrix + row * node->cols;
}

/// The value of the node's parameter k.
static inline const mr_real *mr_node_param(const mr_node *node, size_t k) {
    return mr_params_read(node->params) + node->param[k].offset;
}

/// Whether the op adds to the gradient of parameter k; else it overwrites it.
static inline bool mr_node_adds_param(const mr_node *node, size_t k, mr_rows rows) {
    return node->adds_param[k] || rows.more;
}

/// Whether the node's graph is one of mr_graph_new_for_one.
bool mr_node_is_for_one(const mr_node *node);

/// The gradient of the node's parameter k that `thread` collects.
mr_real *mr_node_param_grad(const mr_node *node, size_t k, int thread);

/// max(v, 0) if `relu`, else v. Written so that NaN goes through.
static inline mr_real mr_relu_if(bool relu, mr_real v) {
    return relu && v < 0 ? 0 : v;
}

/// d[n] = v, or d += v.
static inline void mr_put(bool adds, size_t n, const mr_real *restrict v, mr_real *restrict d) {
    if (adds)
        for (size_t i = 0; i < n; i++)
            d[i] += v[i];
    else
        for (size_t i = 0; i < n; i++)
            d[i] = v[i];
}
