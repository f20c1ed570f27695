// Triangular matrices: products and solves, row by row of the batch.
//
// Every kernel runs along the rows of the matrix T, so that memory is read in order: products and
// their gradients as dot products and as multiples of such a row, solves by substitution. The
// matrices of flows are small (the features of one point); BLAS would take longer to be called.

#include "nn/op.h"

#include <math.h>
#include <string.h>

enum { MATRIX, LOG_DIAGONAL };

/// Row i of T: what lies off the diagonal, and what lies on it.
typedef struct {
    const mr_real *entry; // [end - first]
    size_t first, end;    // columns
    mr_real diagonal;
} matrix_row;

static bool is_upper(const mr_node *node) {
    return node->n_params == 2;
}

static matrix_row row_of(const mr_node *node, size_t i) {
    const size_t n = node->cols;
    const mr_real *row = mr_node_param(node, MATRIX) + i * n;
    if (!is_upper(node))
        return (matrix_row){.entry = row, .first = 0, .end = i, .diagonal = 1};
    const double log_diagonal = (double)mr_node_param(node, LOG_DIAGONAL)[i];
    return (matrix_row){.entry = row + i + 1,
                        .first = i + 1,
                        .end = n,
                        .diagonal = node->mask[i] * (mr_real)exp(log_diagonal)};
}

// The row that substitution comes to in its step k; for the transposed matrix, step n - 1 - k.
static size_t substitution_row(const mr_node *node, size_t k) {
    return is_upper(node) ? node->cols - 1 - k : k;
}

static mr_real dot(const matrix_row *row, const mr_real *x) {
    mr_real sum = 0;
    const size_t n = row->end - row->first;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < n; j++)
        sum += row->entry[j] * x[row->first + j];
    return sum;
}

// y += factor row
static void add_multiple(const matrix_row *row, mr_real factor, mr_real *y) {
    const size_t n = row->end - row->first;
    for (size_t j = 0; j < n; j++)
        y[row->first + j] += factor * row->entry[j];
}

// Adds factor a b^T, summed over the rows of the batch, to the gradient of T.
static void train(const mr_node *node, mr_rows rows, mr_real factor, const mr_real *a,
                  const mr_real *b) {
    const size_t n = node->cols;
    mr_real *gradient = mr_node_param_grad(node, MATRIX, rows.thread);
    if (!node->adds_param[MATRIX])
        memset(gradient, 0, n * n * sizeof *gradient);
    for (size_t i = 0; i < n; i++) {
        const matrix_row row = row_of(node, i);
        double on_diagonal = 0;
        for (size_t r = rows.first; r < rows.first + rows.n; r++) {
            const mr_real d = factor * a[r * n + i];
            const mr_real *other = b + r * n;
            for (size_t j = row.first; j < row.end; j++)
                gradient[i * n + j] += d * other[j];
            on_diagonal += (double)(d * other[i]);
        }
        if (is_upper(node)) {
            mr_real *log_diagonal = mr_node_param_grad(node, LOG_DIAGONAL, rows.thread) + i;
            const mr_real d = (mr_real)(on_diagonal * (double)row.diagonal);
            *log_diagonal = node->adds_param[LOG_DIAGONAL] ? *log_diagonal + d : d;
        }
    }
}

// ---- y = T x

static void product_forward(const mr_node *node, mr_rows rows) {
    const size_t n = node->cols;
    const mr_real *x = node->input[0]->value;
    for (size_t i = 0; i < n; i++) {
        const matrix_row row = row_of(node, i);
        for (size_t r = rows.first; r < rows.first + rows.n; r++)
            node->value[r * n + i] = row.diagonal * x[r * n + i] + dot(&row, x + r * n);
    }
}

// dx = T^T dy
static void product_pass(const mr_node *node, mr_rows rows) {
    const size_t n = node->cols;
    mr_real *dx = node->input[0]->grad;
    if (!node->adds[0])
        memset(dx + rows.first * n, 0, rows.n * n * sizeof *dx);
    for (size_t i = 0; i < n; i++) {
        const matrix_row row = row_of(node, i);
        for (size_t r = rows.first; r < rows.first + rows.n; r++) {
            const mr_real dy = node->grad[r * n + i];
            dx[r * n + i] += row.diagonal * dy;
            add_multiple(&row, dy, dx + r * n);
        }
    }
}

static void product_backward(const mr_node *node, mr_rows rows) {
    if (node->set >= 0)
        train(node, rows, 1, node->grad, node->input[0]->value);
    if (mr_node_passes(node, 0))
        product_pass(node, rows);
}

static const mr_op op_product = {
    .name = "triangular",
    .reads = MR_READS_INPUTS_TRAINED,
    .forward = product_forward,
    .backward = product_backward,
};

// ---- y = T^-1 x

static void solve_forward(const mr_node *node, mr_rows rows) {
    const size_t n = node->cols;
    const mr_real *x = node->input[0]->value;
    mr_real *y = node->value;
    for (size_t k = 0; k < n; k++) {
        const size_t i = substitution_row(node, k);
        const matrix_row row = row_of(node, i);
        for (size_t r = rows.first; r < rows.first + rows.n; r++)
            y[r * n + i] = (x[r * n + i] - dot(&row, y + r * n)) / row.diagonal;
    }
}

// g = T^-T dy, in dy's place; dT = -g y^T, dx = g.
static void solve_backward(const mr_node *node, mr_rows rows) {
    const size_t n = node->cols;
    mr_real *g = node->grad;
    for (size_t k = n; k-- > 0;) {
        const size_t i = substitution_row(node, k);
        const matrix_row row = row_of(node, i);
        for (size_t r = rows.first; r < rows.first + rows.n; r++) {
            g[r * n + i] /= row.diagonal;
            add_multiple(&row, -g[r * n + i], g + r * n);
        }
    }
    if (node->set >= 0)
        train(node, rows, -1, g, node->value);
    if (mr_node_passes(node, 0))
        mr_put(node->adds[0], rows.n * n, g + rows.first * n,
               node->input[0]->grad + rows.first * n);
}

static const mr_op op_solve = {
    .name = "triangular_solve",
    .reads = MR_READS_OUTPUT,
    .forward = solve_forward,
    .backward = solve_backward,
};

// ---- Building

static mr_node *lower_new(const mr_op *op, mr_node *x, mr_params *params, mr_param matrix) {
    if (!x)
        return NULL;
    assert(matrix.rows == x->cols && matrix.cols == x->cols);
    mr_node *node = mr_node_of(op, x->cols, x, NULL);
    if (node)
        mr_node_use(node, params, 1, &matrix);
    return node;
}

static mr_node *upper_new(const mr_op *op, mr_node *x, mr_params *params, mr_param matrix,
                          mr_param log_diagonal, const mr_real *sign) {
    if (!x)
        return NULL;
    assert(matrix.rows == x->cols && matrix.cols == x->cols && log_diagonal.cols == x->cols);
    mr_node *node = mr_node_of(op, x->cols, x, NULL);
    if (!node)
        return NULL;
    mr_node_use(node, params, 2,
                (const mr_param[]){[MATRIX] = matrix, [LOG_DIAGONAL] = log_diagonal});
    node->mask = sign;
    return node;
}

mr_node *mr_lower(mr_node *x, mr_params *params, mr_param matrix) {
    return lower_new(&op_product, x, params, matrix);
}

mr_node *mr_lower_solve(mr_node *x, mr_params *params, mr_param matrix) {
    return lower_new(&op_solve, x, params, matrix);
}

mr_node *mr_upper(mr_node *x, mr_params *params, mr_param matrix, mr_param log_diagonal,
                  const mr_real *sign) {
    return upper_new(&op_product, x, params, matrix, log_diagonal, sign);
}

mr_node *mr_upper_solve(mr_node *x, mr_params *params, mr_param matrix, mr_param log_diagonal,
                        const mr_real *sign) {
    return upper_new(&op_solve, x, params, matrix, log_diagonal, sign);
}
