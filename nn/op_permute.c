// Permutations of the features, or of an image's channels, that belong to a model: the order is a
// buffer, read at every run.

#include "nn/op.h"

typedef struct {
    const mr_params *params; // borrowed
    mr_buffer order;
} permute_options;

static const mr_real *order_of(const mr_node *node) {
    const permute_options *o = node->options;
    return mr_params_buffer(o->params, o->order);
}

/// Features that stay together: the places of an image's channel.
static size_t places_of(const mr_node *node) {
    const permute_options *o = node->options;
    return node->cols / o->order.cols;
}

// to[j] = from[order[j]] in each row.
static void gather(const mr_node *node, size_t n_rows, const mr_real *from, bool adds,
                   mr_real *to) {
    const mr_real *order = order_of(node);
    const size_t cols = node->cols, n_places = places_of(node);
    for (size_t j = 0; j < cols / n_places; j++) {
        const size_t k = (size_t)order[j];
        for (size_t i = 0; i < n_rows * cols; i += cols)
            mr_put(adds, n_places, from + i + k * n_places, to + i + j * n_places);
    }
}

// to[order[j]] = from[j] in each row.
static void scatter(const mr_node *node, size_t n_rows, const mr_real *from, bool adds,
                    mr_real *to) {
    const mr_real *order = order_of(node);
    const size_t cols = node->cols, n_places = places_of(node);
    for (size_t j = 0; j < cols / n_places; j++) {
        const size_t k = (size_t)order[j];
        for (size_t i = 0; i < n_rows * cols; i += cols)
            mr_put(adds, n_places, from + i + j * n_places, to + i + k * n_places);
    }
}

static void permute_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    gather(node, rows.n, mr_row(x->value, x, rows.first), false,
           mr_row(node->value, node, rows.first));
}

static void permute_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    scatter(node, rows.n, mr_row(node->grad, node, rows.first), node->adds[0],
            mr_row(x->grad, x, rows.first));
}

static void unpermute_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    scatter(node, rows.n, mr_row(x->value, x, rows.first), false,
            mr_row(node->value, node, rows.first));
}

static void unpermute_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    gather(node, rows.n, mr_row(node->grad, node, rows.first), node->adds[0],
           mr_row(x->grad, x, rows.first));
}

// Column j of the result is column order[j], or column j goes to order[j].
static mr_value *write_order(const mr_node *node, mr_net_program *program, mr_value *x,
                             bool inverted) {
    const mr_real *order = order_of(node);
    size_t *columns = mr_graph_alloc(node->graph, node->cols * sizeof *columns);
    if (!columns || places_of(node) > 1)
        return NULL;
    for (size_t j = 0; j < node->cols; j++)
        columns[inverted ? (size_t)order[j] : j] = inverted ? j : (size_t)order[j];
    return mr_do_columns(program, x, node->cols, columns);
}

static mr_value *permute_write(const mr_node *node, mr_net_program *program,
                               mr_value *const *input) {
    return write_order(node, program, input[0], false);
}

static mr_value *unpermute_write(const mr_node *node, mr_net_program *program,
                                 mr_value *const *input) {
    return write_order(node, program, input[0], true);
}

static const mr_op op_permute = {
    .name = "permute",
    .options_size = sizeof(permute_options),
    .forward = permute_forward,
    .backward = permute_backward,
    .write = permute_write,
};

static const mr_op op_unpermute = {
    .name = "unpermute",
    .options_size = sizeof(permute_options),
    .forward = unpermute_forward,
    .backward = unpermute_backward,
    .write = unpermute_write,
};

static mr_node *permute_new(const mr_op *op, mr_node *x, const mr_params *params, mr_buffer order) {
    if (!x)
        return NULL;
    assert(order.rows == 1 && x->cols % order.cols == 0);
    return mr_node_of(op, x->cols, &(permute_options){params, order}, 1, &x);
}

mr_node *mr_permute(mr_node *x, const mr_params *params, mr_buffer order) {
    return permute_new(&op_permute, x, params, order);
}

mr_node *mr_unpermute(mr_node *x, const mr_params *params, mr_buffer order) {
    return permute_new(&op_unpermute, x, params, order);
}
