// A C function of the caller's as an op. One call on the way forward gives value and gradient.

#include "nn/graph_internal.h"

typedef struct {
    mr_row_function function;
    void *self;        // the function's own
    mr_real *gradient; // [max_rows x cols of the input]
} callback_options;

static void callback_forward(const mr_node *node, mr_rows rows) {
    const callback_options *o = node->options;
    const mr_node *x = node->input[0];
    o->function(o->self, rows.n, x->cols, mr_row(x->value, x, rows.first), node->value + rows.first,
                mr_row(o->gradient, x, rows.first));
}

static void callback_backward(const mr_node *node, mr_rows rows) {
    const callback_options *o = node->options;
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *d = mr_row(o->gradient, x, i);
        for (size_t j = 0; j < x->cols; j++)
            d[j] *= node->grad[i];
        mr_put(node->adds[0], x->cols, d, mr_row(x->grad, x, i));
    }
}

static const mr_op op_callback = {
    .name = "callback",
    .options_size = sizeof(callback_options),
    .forward = callback_forward,
    .backward = callback_backward,
};

mr_node *mr_callback(mr_node *x, mr_row_function function, void *self) {
    if (!x)
        return NULL;
    const size_t n_bytes = x->graph->max_rows * x->n_parts * x->cols * sizeof(mr_real);
    const callback_options options = {
        .function = function, .self = self, .gradient = mr_graph_alloc(x->graph, n_bytes)};
    return mr_node_of(&op_callback, 1, &options, 1, &x);
}
