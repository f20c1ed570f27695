// Embeddings: a vector for each of a set of things, looked up by number.

#include "nn/op.h"

#include <string.h>

// The table's row of a number.
static size_t row_of(const mr_node *node, mr_real number) {
    const size_t last = node->param[0].rows - 1;
    return number > 0 ? ((size_t)number < last ? (size_t)number : last) : 0;
}

static void embed_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    const mr_real *table = mr_node_param(node, 0);
    const size_t width = node->param[0].cols;
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        for (size_t j = 0; j < x->cols; j++)
            memcpy(mr_row(node->value, node, i) + j * width,
                   table + row_of(node, mr_row(x->value, x, i)[j]) * width, width * sizeof *table);
}

static void embed_backward(const mr_node *node, mr_rows rows) {
    if (node->set < 0)
        return;
    const mr_node *x = node->input[0];
    const size_t width = node->param[0].cols;
    mr_real *gradient = mr_node_param_grad(node, 0, rows.thread);
    if (!mr_node_adds_param(node, 0, rows))
        memset(gradient, 0, node->param[0].rows * width * sizeof *gradient);
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        for (size_t j = 0; j < x->cols; j++)
            mr_put(true, width, mr_row(node->grad, node, i) + j * width,
                   gradient + row_of(node, mr_row(x->value, x, i)[j]) * width);
}

static const mr_op op_embed = {
    .name = "embed",
    .reads = MR_READS_INPUTS_TRAINED,
    .forward = embed_forward,
    .backward = embed_backward,
};

mr_node *mr_embed(mr_node *x, mr_params *params, mr_param table) {
    if (!x)
        return NULL;
    mr_node *numbers = mr_stop_gradient(x);
    mr_node *node = mr_node_of(&op_embed, x->cols * table.cols, NULL, 1, &numbers);
    if (node)
        mr_node_use(node, params, 1, &table);
    return node;
}
