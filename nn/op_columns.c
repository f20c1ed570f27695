// Ops that move columns.

#include "nn/op.h"

#include <string.h>

// ---- Side by side

static void concat_forward(const mr_node *node, mr_rows rows) {
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *y = mr_row(node->value, node, i);
        for (size_t k = 0; k < node->n_inputs; k++) {
            const mr_node *x = node->input[k];
            memcpy(y, mr_row(x->value, x, i), x->cols * sizeof *y);
            y += x->cols;
        }
    }
}

static void concat_backward(const mr_node *node, mr_rows rows) {
    size_t col = 0;
    for (size_t k = 0; k < node->n_inputs; k++) {
        const mr_node *x = node->input[k];
        if (mr_node_passes(node, k))
            for (size_t i = rows.first; i < rows.first + rows.n; i++)
                mr_put(node->adds[k], x->cols, mr_row(node->grad, node, i) + col,
                       mr_row(x->grad, x, i));
        col += x->cols;
    }
}

static mr_value *concat_write(const mr_node *node, mr_net_program *program,
                              mr_value *const *input) {
    return mr_do_concat(program, node->n_inputs, input);
}

static const mr_op op_concat = {
    .name = "concat",
    .forward = concat_forward,
    .backward = concat_backward,
    .write = concat_write,
};

mr_node *mr_concat_all(size_t n, mr_node *const *x) {
    size_t cols = 0;
    for (size_t k = 0; k < n; k++)
        cols += x[k] ? x[k]->cols : 0;
    return mr_node_of(&op_concat, cols, NULL, n, x);
}

mr_node *mr_concat(mr_node *a, mr_node *b) {
    return mr_concat_all(2, (mr_node *[]){a, b});
}

// ---- Any choice of columns

typedef struct {
    size_t *index; // [cols] column j of the result is column index[j] of the input
} columns_options;

static void columns_forward(const mr_node *node, mr_rows rows) {
    const columns_options *o = node->options;
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *from = mr_row(x->value, x, i);
        mr_real *y = mr_row(node->value, node, i);
        for (size_t j = 0; j < node->cols; j++)
            y[j] = from[o->index[j]];
    }
}

static void columns_backward(const mr_node *node, mr_rows rows) {
    const columns_options *o = node->options;
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *dy = mr_row(node->grad, node, i);
        mr_real *dx = mr_row(x->grad, x, i);
        if (!node->adds[0])
            memset(dx, 0, x->cols * sizeof *dx);
        for (size_t j = 0; j < node->cols; j++)
            dx[o->index[j]] += dy[j];
    }
}

static mr_value *columns_write(const mr_node *node, mr_net_program *program,
                               mr_value *const *input) {
    return mr_do_columns(program, input[0], node->cols,
                         ((const columns_options *)node->options)->index);
}

static const mr_op op_columns = {
    .name = "columns",
    .options_size = sizeof(columns_options),
    .forward = columns_forward,
    .backward = columns_backward,
    .write = columns_write,
};

mr_node *mr_columns(mr_node *x, const size_t *index, size_t n) {
    columns_options options = {x ? mr_graph_alloc(x->graph, n * sizeof *options.index) : NULL};
    if (!options.index)
        return NULL;
    for (size_t j = 0; j < n; j++) {
        assert(index[j] < x->cols);
        options.index[j] = index[j];
    }
    return mr_node_of(&op_columns, n, &options, 1, &x);
}

// ---- Neighbouring columns

typedef struct {
    size_t first; // column of the input
} slice_options;

static size_t first_of(const mr_node *node) {
    return ((const slice_options *)node->options)->first;
}

static void slice_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        memcpy(mr_row(node->value, node, i), mr_row(x->value, x, i) + first_of(node),
               node->cols * sizeof *node->value);
}

static void slice_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *dx = mr_row(x->grad, x, i);
        if (!node->adds[0])
            memset(dx, 0, x->cols * sizeof *dx);
        mr_put(true, node->cols, mr_row(node->grad, node, i), dx + first_of(node));
    }
}

static mr_value *slice_write(const mr_node *node, mr_net_program *program, mr_value *const *input) {
    const bool is_written = first_of(node) + node->cols <= input[0]->cols;
    return is_written ? mr_do_part(program, input[0], first_of(node), 1, node->cols) : NULL;
}

static const mr_op op_slice = {
    .name = "slice",
    .options_size = sizeof(slice_options),
    .forward = slice_forward,
    .backward = slice_backward,
    .write = slice_write,
};

mr_node *mr_slice(mr_node *x, size_t first, size_t n) {
    if (!x)
        return NULL;
    assert(n > 0 && first + n <= x->cols);
    return mr_node_of(&op_slice, n, &(slice_options){first}, 1, &x);
}

// ---- Moved to the right

static void shift_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    const size_t first = first_of(node), n = node->cols - first;
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *y = mr_row(node->value, node, i);
        memset(y, 0, first * sizeof *y);
        memcpy(y + first, mr_row(x->value, x, i), n * sizeof *y);
    }
}

static void shift_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    const size_t first = first_of(node), n = node->cols - first;
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *dx = mr_row(x->grad, x, i);
        mr_put(node->adds[0], n, mr_row(node->grad, node, i) + first, dx);
        if (!node->adds[0])
            memset(dx + n, 0, first * sizeof *dx);
    }
}

static const mr_op op_shift = {
    .name = "shift_columns",
    .options_size = sizeof(slice_options),
    .forward = shift_forward,
    .backward = shift_backward,
};

mr_node *mr_shift_columns(mr_node *x, size_t n) {
    if (!x)
        return NULL;
    return mr_node_of(&op_shift, x->cols, &(slice_options){n < x->cols ? n : x->cols}, 1, &x);
}

// ---- The same values, in the same order in memory. Without a backward the plan lets no gradient
// through.

static void copy_forward(const mr_node *node, mr_rows rows) {
    const size_t first = rows.first * node->cols;
    memcpy(node->value + first, node->input[0]->value + first,
           rows.n * node->cols * sizeof *node->value);
}

static mr_value *copy_write(const mr_node *node, mr_net_program *program, mr_value *const *input) {
    (void)node, (void)program;
    return input[0];
}

static const mr_op op_stop = {
    .name = "stop_gradient", .keeps_shape = true, .forward = copy_forward, .write = copy_write};

mr_node *mr_stop_gradient(mr_node *x) {
    return x ? mr_node_of(&op_stop, x->cols, NULL, 1, &x) : NULL;
}

static void copy_backward(const mr_node *node, mr_rows rows) {
    const size_t first = rows.first * node->cols;
    mr_put(node->adds[0], rows.n * node->cols, node->grad + first, node->input[0]->grad + first);
}

static const mr_op op_reshape = {
    .name = "reshape", .forward = copy_forward, .backward = copy_backward, .write = copy_write};

mr_node *mr_reshape(mr_node *x, mr_shape shape) {
    if (!x)
        return NULL;
    assert(shape.channels * shape.height * shape.width == x->cols);
    mr_node *node = mr_node_of(&op_reshape, x->cols, NULL, 1, &x);
    if (node)
        node->shape = shape;
    return node;
}

static mr_node *part(mr_node *x, size_t cols, size_t n_parts) {
    mr_node *node = mr_node_of(&op_reshape, cols, NULL, 1, &x);
    if (node)
        node->n_parts = n_parts;
    return node;
}

mr_node *mr_split_rows(mr_node *x, size_t n) {
    if (!x)
        return NULL;
    assert(n > 0 && x->cols % n == 0);
    return part(x, x->cols / n, n * x->n_parts);
}

mr_node *mr_join_rows(mr_node *x, size_t n) {
    if (!x)
        return NULL;
    assert(n > 0 && x->n_parts % n == 0);
    return part(x, n * x->cols, x->n_parts / n);
}

// ---- One of several nodes

typedef struct {
    const size_t *index;
} select_options;

static void select_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[*((const select_options *)node->options)->index];
    const size_t first = rows.first * node->cols;
    memcpy(node->value + first, x->value + first, rows.n * node->cols * sizeof *node->value);
}

static const mr_op op_select = {
    .name = "select", .options_size = sizeof(select_options), .forward = select_forward};

mr_node *mr_select(size_t n, mr_node *const *x, const size_t *index) {
    return x[0] ? mr_node_of(&op_select, x[0]->cols, &(select_options){index}, n, x) : NULL;
}
