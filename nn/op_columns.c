// Ops that move columns.

#include "nn/op.h"

#include <string.h>

// ---- Side by side

static void concat_forward(const mr_node *node, mr_rows rows) {
    const mr_node *a = node->input[0], *b = node->input[1];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *y = mr_row(node->value, node, i);
        memcpy(y, mr_row(a->value, a, i), a->cols * sizeof *y);
        memcpy(y + a->cols, mr_row(b->value, b, i), b->cols * sizeof *y);
    }
}

static void concat_backward(const mr_node *node, mr_rows rows) {
    size_t col = 0;
    for (size_t k = 0; k < 2; k++) {
        const mr_node *x = node->input[k];
        if (mr_node_passes(node, k))
            for (size_t i = rows.first; i < rows.first + rows.n; i++)
                mr_put(node->adds[k], x->cols, mr_row(node->grad, node, i) + col,
                       mr_row(x->grad, x, i));
        col += x->cols;
    }
}

static const mr_op op_concat = {
    .name = "concat",
    .forward = concat_forward,
    .backward = concat_backward,
};

mr_node *mr_concat(mr_node *a, mr_node *b) {
    return a && b ? mr_node_of(&op_concat, a->cols + b->cols, a, b) : NULL;
}

// ---- Any choice of columns

static void columns_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *from = mr_row(x->value, x, i);
        mr_real *y = mr_row(node->value, node, i);
        for (size_t j = 0; j < node->cols; j++)
            y[j] = from[node->column[j]];
    }
}

static void columns_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *dy = mr_row(node->grad, node, i);
        mr_real *dx = mr_row(x->grad, x, i);
        if (!node->adds[0])
            memset(dx, 0, x->cols * sizeof *dx);
        for (size_t j = 0; j < node->cols; j++)
            dx[node->column[j]] += dy[j];
    }
}

static const mr_op op_columns = {
    .name = "columns",
    .forward = columns_forward,
    .backward = columns_backward,
};

mr_node *mr_columns(mr_node *x, const size_t *index, size_t n) {
    mr_node *node = mr_node_of(&op_columns, n, x, NULL);
    if (!node)
        return NULL;
    node->column = mr_graph_alloc(node->graph, n * sizeof *node->column);
    if (!node->column)
        return NULL;
    for (size_t j = 0; j < n; j++) {
        assert(index[j] < x->cols);
        node->column[j] = index[j];
    }
    return node;
}

// ---- Neighbouring columns. number[0] is the first.

static void slice_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        memcpy(mr_row(node->value, node, i), mr_row(x->value, x, i) + (size_t)node->number[0],
               node->cols * sizeof *node->value);
}

static void slice_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *dx = mr_row(x->grad, x, i);
        if (!node->adds[0])
            memset(dx, 0, x->cols * sizeof *dx);
        mr_put(true, node->cols, mr_row(node->grad, node, i), dx + (size_t)node->number[0]);
    }
}

static const mr_op op_slice = {
    .name = "slice",
    .forward = slice_forward,
    .backward = slice_backward,
};

mr_node *mr_slice(mr_node *x, size_t first, size_t n) {
    if (!x)
        return NULL;
    assert(n > 0 && first + n <= x->cols);
    mr_node *node = mr_node_of(&op_slice, n, x, NULL);
    if (node)
        node->number[0] = (double)first;
    return node;
}

// ---- A wall for gradients: the plan gives it none.

static void stop_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    memcpy(mr_row(node->value, node, rows.first), mr_row(x->value, x, rows.first),
           rows.n * node->cols * sizeof *node->value);
}

static const mr_op op_stop = {.name = "stop_gradient", .forward = stop_forward};

mr_node *mr_stop_gradient(mr_node *x) {
    return x ? mr_node_of(&op_stop, x->cols, x, NULL) : NULL;
}
