// The Huber loss as an op: docs/extending.md goes through this file.

#include "nn/op.h"

typedef struct {
    mr_real delta;
} huber_options;

// x^2 / 2 up to |x| = delta, then delta (|x| - delta / 2).
static void huber_forward(const mr_node *node, mr_rows rows) {
    const huber_options *o = node->options;
    const mr_node *input = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *x = mr_row(input->value, input, i);
        mr_real *y = mr_row(node->value, node, i);
        for (size_t j = 0; j < node->cols; j++) {
            const mr_real size = x[j] < 0 ? -x[j] : x[j];
            y[j] = size < o->delta ? x[j] * x[j] / 2 : o->delta * (size - o->delta / 2);
        }
    }
}

// The derivative is x, clipped to [-delta, delta].
static void huber_backward(const mr_node *node, mr_rows rows) {
    const huber_options *o = node->options;
    const mr_node *input = node->input[0];
    if (!mr_node_passes(node, 0))
        return;
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *x = mr_row(input->value, input, i), *dy = mr_row(node->grad, node, i);
        mr_real *dx = mr_row(input->grad, input, i);
        for (size_t j = 0; j < node->cols; j++) {
            const mr_real clipped = x[j] < -o->delta  ? -o->delta
                                    : x[j] > o->delta ? o->delta
                                                      : x[j];
            dx[j] = node->adds[0] ? dx[j] + clipped * dy[j] : clipped * dy[j];
        }
    }
}

static const mr_op op_huber = {
    .name = "huber",
    .options_size = sizeof(huber_options),
    .keeps_shape = true,
    .reads = MR_READS_INPUTS,
    .forward = huber_forward,
    .backward = huber_backward,
};

// In nn/graph.h, if the op is to be part of the library.
mr_node *mr_huber(mr_node *x, double delta);

mr_node *mr_huber(mr_node *x, double delta) {
    return x ? mr_node_of(&op_huber, x->cols, &(huber_options){(mr_real)delta}, 1, &x) : NULL;
}
