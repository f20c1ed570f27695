// Normalisation of each row by its own features: layer norm and RMS norm, with or without a ReLU
// after it in the same pass.

#include "nn/graph_internal.h"

#include <math.h>

// ---- Layer norm

enum { GAIN, SHIFT };

static const double layer_norm_epsilon = 1e-5; // PyTorch's default

/// The mean of a row, and 1 / sqrt(variance + epsilon).
typedef struct {
    mr_real mean, inverse;
} moments;

typedef struct {
    bool relu;
    moments *moments; // [rows] of each row, from its way forward to its way back
} layer_norm_options;

static const layer_norm_options *layer_options(const mr_node *node) {
    return node->options;
}

static moments row_moments(size_t n, const mr_real *x) {
    double sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < n; j++)
        sum += (double)x[j];
    const double mean = sum / (double)n;
#pragma omp simd reduction(+ : squares)
    for (size_t j = 0; j < n; j++)
        squares += ((double)x[j] - mean) * ((double)x[j] - mean);
    return (moments){(mr_real)mean, (mr_real)(1 / sqrt(squares / (double)n + layer_norm_epsilon))};
}

static void layer_norm_forward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const mr_real *gain = mr_node_param(node, GAIN), *shift = mr_node_param(node, SHIFT);
    const bool relu = layer_options(node)->relu;
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *x = mr_row(input->value, input, i);
        mr_real *restrict y = mr_row(node->value, node, i);
        const moments m = row_moments(node->cols, x);
        layer_options(node)->moments[i] = m;
        for (size_t j = 0; j < node->cols; j++)
            y[j] = mr_relu_if(relu, (x[j] - m.mean) * m.inverse * gain[j] + shift[j]);
    }
}

// dy becomes the gradient before the ReLU.
static void layer_norm_deactivate(const mr_node *node, size_t row, moments m) {
    const mr_node *input = node->input[0];
    const mr_real *gain = mr_node_param(node, GAIN), *shift = mr_node_param(node, SHIFT);
    const mr_real *x = mr_row(input->value, input, row);
    mr_real *restrict dy = mr_row(node->grad, node, row);
    for (size_t j = 0; j < node->cols; j++)
        dy[j] = (x[j] - m.mean) * m.inverse * gain[j] + shift[j] > 0 ? dy[j] : 0;
}

// With xhat the normalised row, g = dy gain: dx = (g - mean(g) - xhat mean(g xhat)) / deviation.
static void layer_norm_pass(const mr_node *node, size_t row, moments m) {
    const mr_node *input = node->input[0];
    const mr_real *gain = mr_node_param(node, GAIN);
    const mr_real *x = mr_row(input->value, input, row), *dy = mr_row(node->grad, node, row);
    mr_real *restrict dx = mr_row(input->grad, input, row);
    const size_t n = node->cols;
    const bool adds = node->adds[0];
    double sum_g = 0, sum_g_xhat = 0;
#pragma omp simd reduction(+ : sum_g, sum_g_xhat)
    for (size_t j = 0; j < n; j++) {
        const double g = (double)(dy[j] * gain[j]);
        sum_g += g;
        sum_g_xhat += g * (double)((x[j] - m.mean) * m.inverse);
    }
    const mr_real mean_g = (mr_real)(sum_g / (double)n);
    const mr_real mean_g_xhat = (mr_real)(sum_g_xhat / (double)n);
    for (size_t j = 0; j < n; j++) {
        const mr_real xhat = (x[j] - m.mean) * m.inverse;
        const mr_real d = (dy[j] * gain[j] - mean_g - xhat * mean_g_xhat) * m.inverse;
        dx[j] = adds ? dx[j] + d : d;
    }
}

// `adds[k]`: to the gradient of parameter k.
static void layer_norm_train(const mr_node *node, mr_rows rows, size_t row, moments m,
                             const bool adds[2]) {
    const mr_node *input = node->input[0];
    const mr_real *x = mr_row(input->value, input, row), *dy = mr_row(node->grad, node, row);
    mr_real *restrict d_gain = mr_node_param_grad(node, GAIN, rows.thread);
    for (size_t j = 0; j < node->cols; j++) {
        const mr_real d = dy[j] * (x[j] - m.mean) * m.inverse;
        d_gain[j] = adds[GAIN] ? d_gain[j] + d : d;
    }
    mr_put(adds[SHIFT], node->cols, dy, mr_node_param_grad(node, SHIFT, rows.thread));
}

static void layer_norm_backward(const mr_node *node, mr_rows rows) {
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const moments m = layer_options(node)->moments[i];
        const bool adds[] = {mr_node_adds_param(node, GAIN, rows) || i > rows.first,
                             mr_node_adds_param(node, SHIFT, rows) || i > rows.first};
        if (layer_options(node)->relu)
            layer_norm_deactivate(node, i, m);
        if (node->set >= 0)
            layer_norm_train(node, rows, i, m, adds);
        if (mr_node_passes(node, 0))
            layer_norm_pass(node, i, m);
    }
}

static mr_value *write_mean(const mr_node *node, mr_net_program *program, mr_value *x) {
    return mr_do_affine(program, mr_do_sum_all(program, x), 1 / (double)node->cols, 0);
}

// x / sqrt(mean(x^2) + epsilon) gain
static mr_value *write_scaled(const mr_node *node, mr_net_program *program, mr_value *x,
                              double epsilon) {
    mr_value *square = write_mean(node, program, mr_do_two(program, MR_DO_MUL, x, x));
    mr_value *q = mr_do_one(program, MR_DO_SQRT, mr_do_affine(program, square, 1, epsilon));
    mr_value *gain = mr_do_constant(program, 1, node->cols, mr_node_param(node, GAIN));
    return mr_do_two(program, MR_DO_MUL, mr_do_two(program, MR_DO_DIV, x, q), gain);
}

static mr_value *layer_norm_write(const mr_node *node, mr_net_program *program,
                                  mr_value *const *input) {
    mr_value *centred =
        mr_do_two(program, MR_DO_SUB, input[0], write_mean(node, program, input[0]));
    mr_value *scaled = write_scaled(node, program, centred, layer_norm_epsilon);
    mr_value *shift = mr_do_constant(program, 1, node->cols, mr_node_param(node, SHIFT));
    return mr_do_activation(program, layer_options(node)->relu ? MR_RELU : MR_IDENTITY,
                            mr_do_two(program, MR_DO_ADD, scaled, shift));
}

static const mr_op op_layer_norm = {
    .name = "layer_norm",
    .options_size = sizeof(layer_norm_options),
    .keeps_shape = true,
    .reads = MR_READS_INPUTS,
    .forward = layer_norm_forward,
    .backward = layer_norm_backward,
    .write = layer_norm_write,
};

mr_node *mr_layer_norm(mr_node *x, mr_params *params, mr_param gain, mr_param shift,
                       mr_activation activation) {
    if (!x)
        return NULL;
    assert(gain.cols == x->cols && shift.cols == x->cols);
    const size_t n_rows = x->graph->max_rows * x->n_parts;
    const layer_norm_options options = {
        .relu = activation == MR_RELU,
        .moments = mr_graph_alloc(x->graph, n_rows * sizeof *options.moments)};
    mr_node *node = mr_node_of(&op_layer_norm, x->cols, &options, 1, &x);
    if (node)
        mr_node_use(node, params, 2, (const mr_param[]){[GAIN] = gain, [SHIFT] = shift});
    return options.relu ? node : mr_activate(node, activation);
}

// ---- RMS norm: y = x gain / q, q = sqrt(mean(x^2) + epsilon)

static const double rms_norm_epsilon = 1e-6; // Flax's default

typedef struct {
    bool relu;
    mr_real *inverse; // [rows] 1 / q of each row, from its way forward to its way back
} rms_norm_options;

static const rms_norm_options *rms_options(const mr_node *node) {
    return node->options;
}

// 1 / q of a row.
static mr_real row_inverse(size_t n, const mr_real *x) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < n; j++)
        sum += (double)x[j] * (double)x[j];
    return (mr_real)(1 / sqrt(sum / (double)n + rms_norm_epsilon));
}

static void rms_norm_forward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const mr_real *gain = mr_node_param(node, GAIN);
    const bool relu = rms_options(node)->relu;
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *x = mr_row(input->value, input, i);
        mr_real *restrict y = mr_row(node->value, node, i);
        const mr_real inverse = row_inverse(node->cols, x);
        rms_options(node)->inverse[i] = inverse;
        for (size_t j = 0; j < node->cols; j++)
            y[j] = mr_relu_if(relu, x[j] * inverse * gain[j]);
    }
}

// dy becomes the gradient before the ReLU.
static void rms_norm_deactivate(const mr_node *node, size_t row, mr_real inverse) {
    const mr_node *input = node->input[0];
    const mr_real *gain = mr_node_param(node, GAIN), *x = mr_row(input->value, input, row);
    mr_real *restrict dy = mr_row(node->grad, node, row);
    for (size_t j = 0; j < node->cols; j++)
        dy[j] = x[j] * inverse * gain[j] > 0 ? dy[j] : 0;
}

// With xhat = x / q and g = dy gain: dx = (g - xhat mean(g xhat)) / q.
static void rms_norm_pass(const mr_node *node, size_t row, mr_real inverse) {
    const mr_node *input = node->input[0];
    const mr_real *gain = mr_node_param(node, GAIN);
    const mr_real *x = mr_row(input->value, input, row), *dy = mr_row(node->grad, node, row);
    mr_real *restrict dx = mr_row(input->grad, input, row);
    const bool adds = node->adds[0];
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < node->cols; j++)
        sum += (double)(dy[j] * gain[j]) * (double)(x[j] * inverse);
    const mr_real mean = (mr_real)(sum / (double)node->cols);
    for (size_t j = 0; j < node->cols; j++) {
        const mr_real d = (dy[j] * gain[j] - x[j] * inverse * mean) * inverse;
        dx[j] = adds ? dx[j] + d : d;
    }
}

static void rms_norm_train(const mr_node *node, mr_rows rows, size_t row, mr_real inverse,
                           bool adds) {
    const mr_node *input = node->input[0];
    const mr_real *x = mr_row(input->value, input, row), *dy = mr_row(node->grad, node, row);
    mr_real *restrict d_gain = mr_node_param_grad(node, GAIN, rows.thread);
    for (size_t j = 0; j < node->cols; j++)
        d_gain[j] = adds ? d_gain[j] + dy[j] * x[j] * inverse : dy[j] * x[j] * inverse;
}

static void rms_norm_backward(const mr_node *node, mr_rows rows) {
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real inverse = rms_options(node)->inverse[i];
        if (rms_options(node)->relu)
            rms_norm_deactivate(node, i, inverse);
        if (node->set >= 0)
            rms_norm_train(node, rows, i, inverse,
                           mr_node_adds_param(node, GAIN, rows) || i > rows.first);
        if (mr_node_passes(node, 0))
            rms_norm_pass(node, i, inverse);
    }
}

static mr_value *rms_norm_write(const mr_node *node, mr_net_program *program,
                                mr_value *const *input) {
    return mr_do_activation(program, rms_options(node)->relu ? MR_RELU : MR_IDENTITY,
                            write_scaled(node, program, input[0], rms_norm_epsilon));
}

static const mr_op op_rms_norm = {
    .name = "rms_norm",
    .options_size = sizeof(rms_norm_options),
    .keeps_shape = true,
    .reads = MR_READS_INPUTS,
    .forward = rms_norm_forward,
    .backward = rms_norm_backward,
    .write = rms_norm_write,
};

mr_node *mr_rms_norm(mr_node *x, mr_params *params, mr_param gain, mr_activation activation) {
    if (!x)
        return NULL;
    assert(gain.cols == x->cols);
    const size_t n_rows = x->graph->max_rows * x->n_parts;
    const rms_norm_options options = {
        .relu = activation == MR_RELU,
        .inverse = mr_graph_alloc(x->graph, n_rows * sizeof *options.inverse)};
    mr_node *node = mr_node_of(&op_rms_norm, x->cols, &options, 1, &x);
    if (node)
        mr_node_use(node, params, 1, (const mr_param[]){[GAIN] = gain});
    return options.relu ? node : mr_activate(node, activation);
}
