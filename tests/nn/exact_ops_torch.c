// The ops that are layers of PyTorch's against what it makes of them (tests/oracle/ops_torch.py),
// in double precision. Sums of some ten numbers of order 1 round to 1e-15; 1e-12 of the largest
// leaves room for the products and roots after them.

#include "nn/graph.h"

#include "tests/recorded.h"

#include <criterion/criterion.h>

enum { ROWS = 9, COLS = 5 };

static const mr_shape image = {3, 6, 5};
static const double tolerance = 1e-12;
static const double dropout_rate = 0.3;

static const mr_batch_norm_options plain = {.rate = 0.1, .epsilon = 1e-3, .r_max = 1};
static const mr_batch_norm_options renorm = {
    .rate = 0.1, .epsilon = 1e-3, .r_max = 1.4, .d_max = 0.4};

/// A case under way.
typedef struct {
    const mr_tensors *file;
    const char *name;
    mr_params *params;
    mr_param weight, bias;
    mr_batch_norm norm;
    mr_graph *graph;
    mr_node *x, *u;
} model;

typedef struct {
    const char *name;
    mr_node *(*build)(model *m);
    bool is_image, has_bias, has_statistics, moves;
    size_t weight_rows, weight_cols; // 0 rows: no parameters
} op_case;

static mr_node *layer_norm(model *m) {
    return mr_layer_norm(m->x, m->params, m->weight, m->bias, MR_IDENTITY);
}
static mr_node *rms_norm(model *m) {
    return mr_rms_norm(m->x, m->params, m->weight, MR_IDENTITY);
}
static mr_node *batch_norm(model *m) {
    return mr_batch_norm_train(m->x, m->params, &m->norm, &plain);
}
static mr_node *batch_norm_running(model *m) {
    return mr_batch_norm_running(m->x, m->params, &m->norm, &plain);
}
static mr_node *batch_renorm(model *m) {
    return mr_batch_norm_train(m->x, m->params, &m->norm, &renorm);
}
static mr_node *dropout(model *m) {
    m->u = mr_input(m->graph, COLS, false);
    return mr_dropout(m->x, m->u, dropout_rate);
}
static mr_node *convolve(model *m, size_t kernel, size_t stride, size_t padding) {
    return mr_conv2d(m->x, NULL, m->params, m->weight, m->bias,
                     (mr_conv2d_options){.kernel = kernel, .stride = stride, .padding = padding});
}
static mr_node *conv2d(model *m) {
    return convolve(m, 3, 1, 1);
}
static mr_node *conv2d_strided(model *m) {
    return convolve(m, 3, 2, 1);
}
static mr_node *conv2d_wide(model *m) {
    return convolve(m, 4, 3, 2);
}
static mr_node *conv2d_pointwise(model *m) {
    return convolve(m, 1, 1, 0);
}

static const op_case cases[] = {
    {"layer_norm", layer_norm, false, true, false, false, 1, COLS},
    {"rms_norm", rms_norm, false, false, false, false, 1, COLS},
    {"batch_norm", batch_norm, false, true, true, true, 1, COLS},
    {"batch_norm_running", batch_norm_running, false, true, true, false, 1, COLS},
    {"batch_renorm", batch_renorm, false, true, true, true, 1, COLS},
    {"batch_norm_image", batch_norm, true, true, true, true, 1, 3},
    {"batch_norm_running_image", batch_norm_running, true, true, true, false, 1, 3},
    {"batch_renorm_image", batch_renorm, true, true, true, true, 1, 3},
    {"dropout", dropout, false, false, false, false, 0, 0},
    {"conv2d", conv2d, true, true, false, false, 4, 3 * 9},
    {"conv2d_strided", conv2d_strided, true, true, false, false, 4, 3 * 9},
    {"conv2d_wide", conv2d_wide, true, true, false, false, 2, 3 * 16},
    {"conv2d_pointwise", conv2d_pointwise, true, true, false, false, 4, 3},
};

static const char *key(const model *m, const char *array) {
    static char text[64];
    snprintf(text, sizeof text, "%s.%s", m->name, array);
    return text;
}

static void copy(const model *m, const char *array, size_t n, mr_real *out) {
    recorded_copy(m->file, key(m, array), n, out);
}

static void expect(const model *m, const char *array, size_t n, const mr_real *found) {
    recorded_expect(m->file, key(m, array), n, found, tolerance);
}

static void declare(model *m, const op_case *c) {
    mr_random random = mr_random_stream(8, MR_STREAM_TEST, 0);
    const size_t n_bias = c->weight_rows == 1 ? c->weight_cols : c->weight_rows;
    cr_assert_eq(mr_params_new(&m->params), MR_OK);
    if (c->weight_rows > 0) {
        m->weight =
            mr_params_add(m->params, "w", c->weight_rows, c->weight_cols, MR_INIT_ZERO, 1, NULL);
        m->bias = mr_params_add(m->params, "b", 1, n_bias, MR_INIT_ZERO, 1, NULL);
        m->norm = (mr_batch_norm){
            .gain = m->weight,
            .shift = m->bias,
            .mean = mr_params_add_buffer(m->params, "mean", 1, n_bias, 0),
            .variance = mr_params_add_buffer(m->params, "variance", 1, n_bias, 1),
            .n_batches = mr_params_add_buffer(m->params, "n_batches", 1, 1, 0),
        };
    }
    cr_assert_eq(mr_params_alloc(m->params, &random), MR_OK);
    if (c->weight_rows > 0)
        copy(m, "weight", c->weight_rows * c->weight_cols,
             mr_params_value(m->params) + m->weight.offset);
    if (c->has_bias)
        copy(m, "bias", n_bias, mr_params_value(m->params) + m->bias.offset);
    if (!c->has_statistics)
        return;
    copy(m, "running_mean", n_bias, mr_params_buffer(m->params, m->norm.mean));
    copy(m, "running_var", n_bias, mr_params_buffer(m->params, m->norm.variance));
}

static void expect_params(const model *m, const op_case *c) {
    const size_t n_bias = m->bias.cols;
    if (c->weight_rows > 0)
        expect(m, "dweight", c->weight_rows * c->weight_cols,
               mr_params_grad(m->params) + m->weight.offset);
    if (c->has_bias)
        expect(m, "dbias", n_bias, mr_params_grad(m->params) + m->bias.offset);
    if (!c->moves)
        return;
    mr_graph_update_buffers(m->graph);
    expect(m, "new_running_mean", n_bias, mr_params_buffer(m->params, m->norm.mean));
    expect(m, "new_running_var", n_bias, mr_params_buffer(m->params, m->norm.variance));
}

// The loss is the sum over rows of y dy; its mean's gradient is scaled back.
static void check(const mr_tensors *file, const op_case *c, int n_threads) {
    model m = {.file = file, .name = c->name};
    declare(&m, c);
    cr_assert_eq(mr_graph_new(ROWS, n_threads, &m.graph), MR_OK);
    m.x = c->is_image ? mr_input_image(m.graph, image, true) : mr_input(m.graph, COLS, true);
    mr_node *y = mr_keep(c->build(&m));
    mr_node *dy = mr_input(m.graph, mr_node_cols(y), false);
    mr_node *loss = mr_affine(mr_row_sum(mr_mul(y, dy)), ROWS, 0);
    cr_assert_eq(mr_graph_plan(m.graph, loss, 1, &m.params), MR_OK);
    copy(&m, "x", ROWS * mr_node_cols(m.x), mr_node_value(m.x));
    copy(&m, "dy", ROWS * mr_node_cols(dy), mr_node_value(dy));
    if (m.u)
        copy(&m, "u", ROWS * COLS, mr_node_value(m.u));
    mr_graph_run(m.graph, ROWS);
    expect(&m, "y", ROWS * mr_node_cols(y), mr_node_value(y));
    expect(&m, "dx", ROWS * mr_node_cols(m.x), mr_node_grad(m.x));
    expect_params(&m, c);
    mr_graph_free(m.graph);
    mr_params_free(m.params);
}

Test(exact_ops_torch, values_and_gradients_are_pytorchs) {
    mr_tensors *file = recorded_open("nn/ops");
    for (size_t i = 0; i < MR_COUNT(cases); i++)
        for (int n_threads = 1; n_threads <= 4; n_threads += 3)
            check(file, &cases[i], n_threads);
    mr_tensors_close(file);
}
