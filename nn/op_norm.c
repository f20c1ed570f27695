// Normalisation of each row by its own features: layer norm and RMS norm.

#include "nn/op.h"

#include <math.h>

// ---- Layer norm

enum { GAIN, SHIFT };

static const double layer_norm_epsilon = 1e-5; // PyTorch's default

/// The mean of a row, and 1 / sqrt(variance + epsilon).
typedef struct {
    mr_real mean, inverse_deviation;
} moments;

static moments row_moments(size_t n, const mr_real *x) {
    double sum = 0, sum_of_squares = 0;
    for (size_t j = 0; j < n; j++)
        sum += (double)x[j];
    const double mean = sum / (double)n;
    for (size_t j = 0; j < n; j++)
        sum_of_squares += ((double)x[j] - mean) * ((double)x[j] - mean);
    return (moments){(mr_real)mean,
                     (mr_real)(1 / sqrt(sum_of_squares / (double)n + layer_norm_epsilon))};
}

static void layer_norm_forward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const mr_real *gain = mr_node_param(node, GAIN), *shift = mr_node_param(node, SHIFT);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *x = mr_row(input->value, input, i);
        mr_real *y = mr_row(node->value, node, i);
        const moments m = row_moments(node->cols, x);
        for (size_t j = 0; j < node->cols; j++)
            y[j] = (x[j] - m.mean) * m.inverse_deviation * gain[j] + shift[j];
    }
}

// With xhat the normalised row, g = dy gain: dx = (g - mean(g) - xhat mean(g xhat)) / deviation.
static void layer_norm_backward_row(const mr_node *node, size_t row) {
    const mr_node *input = node->input[0];
    const mr_real *gain = mr_node_param(node, GAIN);
    const mr_real *x = mr_row(input->value, input, row), *dy = mr_row(node->grad, node, row);
    mr_real *dx = mr_row(input->grad, input, row);
    const size_t n = node->cols;
    const moments m = row_moments(n, x);
    double mean_g = 0, mean_g_xhat = 0;
    for (size_t j = 0; j < n; j++) {
        const double g = (double)(dy[j] * gain[j]);
        mean_g += g / (double)n;
        mean_g_xhat += g * (double)((x[j] - m.mean) * m.inverse_deviation) / (double)n;
    }
    for (size_t j = 0; j < n; j++) {
        const mr_real xhat = (x[j] - m.mean) * m.inverse_deviation;
        const mr_real d =
            (dy[j] * gain[j] - (mr_real)mean_g - xhat * (mr_real)mean_g_xhat) * m.inverse_deviation;
        dx[j] = node->adds[0] ? dx[j] + d : d;
    }
}

static void layer_norm_train(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    mr_real *d_gain = mr_node_param_grad(node, GAIN, rows.thread);
    mr_real *d_shift = mr_node_param_grad(node, SHIFT, rows.thread);
    for (size_t i = 0; i < rows.n; i++) {
        const mr_real *x = mr_row(input->value, input, rows.first + i);
        const mr_real *dy = mr_row(node->grad, node, rows.first + i);
        const moments m = row_moments(node->cols, x);
        const bool adds_gain = mr_node_adds_param(node, GAIN, rows) || i > 0;
        for (size_t j = 0; j < node->cols; j++) {
            const mr_real d = dy[j] * (x[j] - m.mean) * m.inverse_deviation;
            d_gain[j] = adds_gain ? d_gain[j] + d : d;
        }
        mr_put(mr_node_adds_param(node, SHIFT, rows) || i > 0, node->cols, dy, d_shift);
    }
}

static void layer_norm_backward(const mr_node *node, mr_rows rows) {
    if (node->set >= 0)
        layer_norm_train(node, rows);
    if (mr_node_passes(node, 0))
        for (size_t i = 0; i < rows.n; i++)
            layer_norm_backward_row(node, rows.first + i);
}

static const mr_op op_layer_norm = {
    .name = "layer_norm",
    .keeps_shape = true,
    .reads = MR_READS_INPUTS,
    .forward = layer_norm_forward,
    .backward = layer_norm_backward,
};

mr_node *mr_layer_norm(mr_node *x, mr_params *params, mr_param gain, mr_param shift) {
    if (!x)
        return NULL;
    assert(gain.cols == x->cols && shift.cols == x->cols);
    mr_node *node = mr_node_of(&op_layer_norm, x->cols, NULL, 1, &x);
    if (node)
        mr_node_use(node, params, 2, (const mr_param[]){[GAIN] = gain, [SHIFT] = shift});
    return node;
}

// ---- RMS norm: y = x gain / q, q = sqrt(mean(x^2) + epsilon)

static const double rms_norm_epsilon = 1e-6; // Flax's default

static double root_mean_square(size_t n, const mr_real *x) {
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += (double)x[j] * (double)x[j];
    return sqrt(sum / (double)n + rms_norm_epsilon);
}

static void rms_norm_forward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const mr_real *gain = mr_node_param(node, GAIN);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *x = mr_row(input->value, input, i);
        mr_real *y = mr_row(node->value, node, i);
        const mr_real inverse = (mr_real)(1 / root_mean_square(node->cols, x));
        for (size_t j = 0; j < node->cols; j++)
            y[j] = x[j] * inverse * gain[j];
    }
}

// With xhat = x / q and g = dy gain: dx = (g - xhat mean(g xhat)) / q.
static void rms_norm_backward_row(const mr_node *node, size_t row) {
    const mr_node *input = node->input[0];
    const mr_real *gain = mr_node_param(node, GAIN);
    const mr_real *x = mr_row(input->value, input, row), *dy = mr_row(node->grad, node, row);
    mr_real *dx = mr_row(input->grad, input, row);
    const mr_real inverse = (mr_real)(1 / root_mean_square(node->cols, x));
    double sum = 0;
    for (size_t j = 0; j < node->cols; j++)
        sum += (double)(dy[j] * gain[j]) * (double)(x[j] * inverse);
    const mr_real mean = (mr_real)(sum / (double)node->cols);
    for (size_t j = 0; j < node->cols; j++) {
        const mr_real d = (dy[j] * gain[j] - x[j] * inverse * mean) * inverse;
        dx[j] = node->adds[0] ? dx[j] + d : d;
    }
}

static void rms_norm_train(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    mr_real *d_gain = mr_node_param_grad(node, GAIN, rows.thread);
    for (size_t i = 0; i < rows.n; i++) {
        const mr_real *x = mr_row(input->value, input, rows.first + i);
        const mr_real *dy = mr_row(node->grad, node, rows.first + i);
        const mr_real inverse = (mr_real)(1 / root_mean_square(node->cols, x));
        const bool adds = mr_node_adds_param(node, GAIN, rows) || i > 0;
        for (size_t j = 0; j < node->cols; j++)
            d_gain[j] = adds ? d_gain[j] + dy[j] * x[j] * inverse : dy[j] * x[j] * inverse;
    }
}

static void rms_norm_backward(const mr_node *node, mr_rows rows) {
    if (node->set >= 0)
        rms_norm_train(node, rows);
    for (size_t i = 0; i < rows.n && mr_node_passes(node, 0); i++)
        rms_norm_backward_row(node, rows.first + i);
}

static const mr_op op_rms_norm = {
    .name = "rms_norm",
    .keeps_shape = true,
    .reads = MR_READS_INPUTS,
    .forward = rms_norm_forward,
    .backward = rms_norm_backward,
};

mr_node *mr_rms_norm(mr_node *x, mr_params *params, mr_param gain) {
    if (!x)
        return NULL;
    assert(gain.cols == x->cols);
    mr_node *node = mr_node_of(&op_rms_norm, x->cols, NULL, 1, &x);
    if (node)
        mr_node_use(node, params, 1, (const mr_param[]){[GAIN] = gain});
    return node;
}
