// Ops over the features of each row.

#include "nn/op.h"

#include "base/vmath.h"

#include <math.h>

static const mr_real log_2 = (mr_real)0.69314718055994530942;

enum { CHUNK = 512 };

// ---- Sum and mean. number[0] is what the sum is multiplied by.

static void sum_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *row = mr_row(x->value, x, i);
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < x->cols; j++)
            sum += (double)row[j];
        node->value[i] = (mr_real)(node->number[0] * sum);
    }
}

static void sum_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real d = (mr_real)node->number[0] * node->grad[i];
        mr_real *dx = mr_row(x->grad, x, i);
        for (size_t j = 0; j < x->cols; j++)
            dx[j] = node->adds[0] ? dx[j] + d : d;
    }
}

static const mr_op op_sum = {.name = "row_sum", .forward = sum_forward, .backward = sum_backward};

static mr_node *sum_new(mr_node *x, double factor) {
    mr_node *node = mr_node_of(&op_sum, 1, x, NULL);
    if (node)
        node->number[0] = factor;
    return node;
}

mr_node *mr_row_sum(mr_node *x) {
    return sum_new(x, 1);
}

mr_node *mr_row_mean(mr_node *x) {
    return x ? sum_new(x, 1 / (double)x->cols) : NULL;
}

// ---- Norm

// Below the square of what float32 resolves next to any other length in a flow, above 0, so that
// the gradient x / y is finite, and 0, where the row is 0.
static const double norm_tiny = 1e-30;

static void norm_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *row = mr_row(x->value, x, i);
        double sum = norm_tiny;
        for (size_t j = 0; j < x->cols; j++)
            sum += (double)row[j] * (double)row[j];
        node->value[i] = (mr_real)sqrt(sum);
    }
}

static void norm_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real d = node->grad[i] / node->value[i];
        const mr_real *row = mr_row(x->value, x, i);
        mr_real *dx = mr_row(x->grad, x, i);
        for (size_t j = 0; j < x->cols; j++)
            dx[j] = node->adds[0] ? dx[j] + d * row[j] : d * row[j];
    }
}

static const mr_op op_norm = {
    .name = "row_norm",
    .reads = MR_READS_INPUTS | MR_READS_OUTPUT,
    .forward = norm_forward,
    .backward = norm_backward,
};

mr_node *mr_row_norm(mr_node *x) {
    return mr_node_of(&op_norm, 1, x, NULL);
}

// ---- log |det| of tanh

// 2 (log 2 - x - softplus(-2x)) = 2 (log 2 - |x| - log1p(exp(-2|x|))): no cancellation for large
// |x|.
static void tanh_log_det_chunk(size_t n, const mr_real *x, mr_real *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? 2 * x[i] : -2 * x[i];
    mr_vexp(n, y, y);
    mr_vlog1p(n, y, y);
    for (size_t i = 0; i < n; i++)
        y[i] = 2 * (log_2 - (x[i] < 0 ? -x[i] : x[i]) - y[i]);
}

// Chunks cut across rows, so that the vector functions work on long runs even where there is one
// action.
static void tanh_log_det_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    const size_t cols = x->cols;
    mr_real chunk[CHUNK];
    double sum = 0;
    size_t row = rows.first, col = 0;
    const size_t start = rows.first * cols, end = start + rows.n * cols;
    for (size_t i = start; i < end; i += CHUNK) {
        const size_t n = end - i < CHUNK ? end - i : CHUNK;
        tanh_log_det_chunk(n, x->value + i, chunk);
        for (size_t k = 0; k < n; k++) {
            sum += (double)chunk[k];
            if (++col == cols) {
                node->value[row++] = (mr_real)sum;
                sum = 0;
                col = 0;
            }
        }
    }
}

// d/dx log(1 - tanh(x)^2) = -2 tanh(x).
static void tanh_log_det_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    mr_real d[CHUNK];
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        for (size_t j = 0; j < x->cols; j += CHUNK) {
            const size_t n = x->cols - j < CHUNK ? x->cols - j : CHUNK;
            mr_vtanh(n, mr_row(x->value, x, i) + j, d);
            for (size_t k = 0; k < n; k++)
                d[k] *= -2 * node->grad[i];
            mr_put(node->adds[0], n, d, mr_row(x->grad, x, i) + j);
        }
}

static const mr_op op_tanh_log_det = {
    .name = "tanh_log_det",
    .reads = MR_READS_INPUTS,
    .forward = tanh_log_det_forward,
    .backward = tanh_log_det_backward,
};

mr_node *mr_tanh_log_det(mr_node *x) {
    return mr_node_of(&op_tanh_log_det, 1, x, NULL);
}

// ---- Layer norm

enum { GAIN, SHIFT };

static const double layer_norm_epsilon = 1e-5; // PyTorch's default

/// What a row is normalised by.
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
    .reads = MR_READS_INPUTS,
    .forward = layer_norm_forward,
    .backward = layer_norm_backward,
};

mr_node *mr_layer_norm(mr_node *x, mr_params *params, mr_param gain, mr_param shift) {
    if (!x)
        return NULL;
    assert(gain.cols == x->cols && shift.cols == x->cols);
    mr_node *node = mr_node_of(&op_layer_norm, x->cols, x, NULL);
    if (node)
        mr_node_use(node, params, 2, (const mr_param[]){[GAIN] = gain, [SHIFT] = shift});
    return node;
}
