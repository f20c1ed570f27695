// Nodes without inputs: values that the caller fills in, and parameters.

#include "nn/graph_internal.h"

#include <string.h>

static void nothing(const mr_node *node, mr_rows rows) {
    (void)node, (void)rows;
}

static const mr_op op_input = {.name = "input", .forward = nothing, .backward = nothing};

mr_node *mr_input(mr_graph *graph, size_t cols, bool wants_grad) {
    mr_node *node = mr_leaf_new(graph, &op_input, cols, NULL);
    if (node) {
        node->keep = true;
        node->wants_grad = wants_grad;
    }
    return node;
}

mr_node *mr_input_image(mr_graph *graph, mr_shape shape, bool wants_grad) {
    mr_node *node = mr_input(graph, shape.channels * shape.height * shape.width, wants_grad);
    if (node)
        node->shape = shape;
    return node;
}

static const mr_op op_uniform = {.name = "uniform", .forward = nothing, .backward = nothing};

mr_node *mr_uniform_like(mr_node *x) {
    if (!x)
        return NULL;
    mr_node *node = mr_leaf_new(x->graph, &op_uniform, x->cols * x->n_parts, NULL);
    mr_keep(node);
    return x->n_parts > 1 ? mr_split_rows(node, x->n_parts) : node;
}

static void draw_rows(mr_graph *graph, size_t first, size_t n_rows, mr_random *random) {
    for (mr_node *node = graph->first; node; node = node->next)
        if (node->op == &op_uniform)
            mr_random_fill_uniform(random, n_rows * node->cols, 0, 1,
                                   mr_node_value(node) + first * node->cols);
}

void mr_graph_draw(mr_graph *graph, size_t n_rows, mr_random *random) {
    draw_rows(graph, 0, n_rows, random);
}

void mr_graph_draw_row(mr_graph *graph, size_t row, mr_random *random) {
    draw_rows(graph, row, 1, random);
}

static void param_rows_forward(const mr_node *node, mr_rows rows) {
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        memcpy(mr_row(node->value, node, i), mr_node_param(node, 0),
               node->cols * sizeof *node->value);
}

static void param_rows_backward(const mr_node *node, mr_rows rows) {
    mr_real *gradient = mr_node_param_grad(node, 0, rows.thread);
    for (size_t i = 0; i < rows.n; i++)
        mr_put(mr_node_adds_param(node, 0, rows) || i > 0, node->cols,
               mr_row(node->grad, node, rows.first + i), gradient);
}

static mr_value *param_rows_write(const mr_node *node, mr_net_program *program,
                                  mr_value *const *input) {
    (void)input;
    return mr_do_constant(program, 1, node->cols, mr_node_param(node, 0));
}

static const mr_op op_param_rows = {
    .name = "param_rows",
    .forward = param_rows_forward,
    .backward = param_rows_backward,
    .write = param_rows_write,
};

mr_node *mr_param_rows(mr_graph *graph, mr_params *params, mr_param param) {
    if (!graph || graph->failed) // a conditioner without a node may be one that failed
        return NULL;
    assert(param.rows == 1);
    mr_node *node = mr_leaf_new(graph, &op_param_rows, param.cols, NULL);
    if (node)
        mr_node_use(node, params, 1, &param);
    return node;
}
