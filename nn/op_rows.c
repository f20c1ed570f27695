// Ops over the features of each row.

#include "nn/op.h"

#include "base/vmath.h"

#include <math.h>

static const mr_real log_2 = (mr_real)0.69314718055994530942;

enum { CHUNK = 512 };

// ---- Sum and mean

typedef struct {
    double factor; // that the sum is multiplied by
} sum_options;

static double factor_of(const mr_node *node) {
    return ((const sum_options *)node->options)->factor;
}

static void sum_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *row = mr_row(x->value, x, i);
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < x->cols; j++)
            sum += (double)row[j];
        node->value[i] = (mr_real)(factor_of(node) * sum);
    }
}

static void sum_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real d = (mr_real)factor_of(node) * node->grad[i];
        mr_real *dx = mr_row(x->grad, x, i);
        for (size_t j = 0; j < x->cols; j++)
            dx[j] = node->adds[0] ? dx[j] + d : d;
    }
}

static mr_value *sum_write(const mr_node *node, mr_net_program *program, mr_value *const *input) {
    return mr_do_affine(program, mr_do_sum_all(program, input[0]), factor_of(node), 0);
}

static const mr_op op_sum = {
    .name = "row_sum",
    .options_size = sizeof(sum_options),
    .forward = sum_forward,
    .backward = sum_backward,
    .write = sum_write,
};

mr_node *mr_row_sum(mr_node *x) {
    return mr_node_of(&op_sum, 1, &(sum_options){1}, 1, &x);
}

mr_node *mr_row_mean(mr_node *x) {
    return x ? mr_node_of(&op_sum, 1, &(sum_options){1 / (double)x->cols}, 1, &x) : NULL;
}

// ---- Norm

// Keeps the gradient x / y finite (and 0) for a row of zeros. Its root, 1e-15, is far below what
// float32 resolves beside any other length in a flow.
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

static mr_value *norm_write(const mr_node *node, mr_net_program *program, mr_value *const *input) {
    (void)node;
    mr_value *squares = mr_do_two(program, MR_DO_MUL, input[0], input[0]);
    mr_value *sum = mr_do_affine(program, mr_do_sum_all(program, squares), 1, norm_tiny);
    return mr_do_one(program, MR_DO_SQRT, sum);
}

static const mr_op op_norm = {
    .name = "row_norm",
    .reads = MR_READS_INPUTS | MR_READS_OUTPUT,
    .forward = norm_forward,
    .backward = norm_backward,
    .write = norm_write,
};

mr_node *mr_row_norm(mr_node *x) {
    return mr_node_of(&op_norm, 1, NULL, 1, &x);
}

// ---- Log of the sum of exponentials

static void log_sum_exp_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *row = mr_row(x->value, x, i);
        mr_real chunk[CHUNK], largest = -INFINITY;
        double sum = 0;
        for (size_t j = 0; j < x->cols; j++)
            largest = row[j] > largest ? row[j] : largest;
        for (size_t j = 0; j < x->cols; j += CHUNK) {
            const size_t n = x->cols - j < CHUNK ? x->cols - j : CHUNK;
            for (size_t k = 0; k < n; k++)
                chunk[k] = row[j + k] - largest;
            mr_vexp(n, chunk, chunk);
            for (size_t k = 0; k < n; k++)
                sum += (double)chunk[k];
        }
        node->value[i] = largest + (mr_real)log(sum);
    }
}

// The derivative is exp(x_j - y).
static void log_sum_exp_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    mr_real d[CHUNK];
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        for (size_t j = 0; j < x->cols; j += CHUNK) {
            const size_t n = x->cols - j < CHUNK ? x->cols - j : CHUNK;
            const mr_real *row = mr_row(x->value, x, i) + j;
            for (size_t k = 0; k < n; k++)
                d[k] = row[k] - node->value[i];
            mr_vexp(n, d, d);
            for (size_t k = 0; k < n; k++)
                d[k] *= node->grad[i];
            mr_put(node->adds[0], n, d, mr_row(x->grad, x, i) + j);
        }
}

static const mr_op op_log_sum_exp = {
    .name = "row_log_sum_exp",
    .reads = MR_READS_INPUTS | MR_READS_OUTPUT,
    .forward = log_sum_exp_forward,
    .backward = log_sum_exp_backward,
};

mr_node *mr_row_log_sum_exp(mr_node *x) {
    return mr_node_of(&op_log_sum_exp, 1, NULL, 1, &x);
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

// Chunks go across the ends of rows, so that the vector functions work on long runs even if a row
// has a single action.
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

static mr_value *tanh_log_det_write(const mr_node *node, mr_net_program *program,
                                    mr_value *const *input) {
    (void)node;
    mr_value *x = input[0];
    mr_value *size = mr_do_two(program, MR_DO_MAX, x, mr_do_affine(program, x, -1, 0));
    mr_value *tail = mr_do_one(program, MR_DO_SOFTPLUS, mr_do_affine(program, size, -2, 0));
    mr_value *rest = mr_do_two(program, MR_DO_ADD, size, tail);
    return mr_do_sum_all(program, mr_do_affine(program, rest, -2, 2 * (double)log_2));
}

static const mr_op op_tanh_log_det = {
    .name = "tanh_log_det",
    .reads = MR_READS_INPUTS,
    .forward = tanh_log_det_forward,
    .backward = tanh_log_det_backward,
    .write = tanh_log_det_write,
};

mr_node *mr_tanh_log_det(mr_node *x) {
    return mr_node_of(&op_tanh_log_det, 1, NULL, 1, &x);
}
