// Dropout, by uniform numbers that the caller draws.

#include "nn/op.h"

typedef struct {
    mr_real rate;
} dropout_options;

// y = 0 if u < rate, else x / (1 - rate); added to y or overwriting it.
static void drop(const mr_node *node, mr_rows rows, bool adds, const mr_real *x, mr_real *y) {
    const mr_real rate = ((const dropout_options *)node->options)->rate;
    const mr_real scale = 1 / (1 - rate);
    const mr_real *u = node->input[1]->value;
    for (size_t i = rows.first * node->cols; i < (rows.first + rows.n) * node->cols; i++) {
        const mr_real d = u[i] < rate ? 0 : x[i] * scale;
        y[i] = adds ? y[i] + d : d;
    }
}

static void dropout_forward(const mr_node *node, mr_rows rows) {
    drop(node, rows, false, node->input[0]->value, node->value);
}

static void dropout_backward(const mr_node *node, mr_rows rows) {
    if (mr_node_passes(node, 0))
        drop(node, rows, node->adds[0], node->grad, node->input[0]->grad);
}

static const mr_op op_dropout = {
    .name = "dropout",
    .keeps_shape = true,
    .options_size = sizeof(dropout_options),
    .reads = MR_READS_INPUTS,
    .forward = dropout_forward,
    .backward = dropout_backward,
};

mr_node *mr_dropout(mr_node *x, mr_node *u, double rate) {
    if (!x || !u)
        return NULL;
    assert(x->cols == u->cols && rate >= 0 && rate < 1);
    return mr_node_of(&op_dropout, x->cols, &(dropout_options){(mr_real)rate}, 2,
                      (mr_node *[]){x, u});
}
