// Triangular matrices T: products and solves for every row of the batch, or for the channels in
// every place of an image.
//
// The parameters are the entries above the diagonal of an upper T, whose diagonal is sign
// exp(log_diagonal), or those below the diagonal of a lower T, whose diagonal is ones. Each thread
// assembles T in scratch memory of its own and leaves the work to OpenBLAS: for 64 features,
// kernels of our own took three times as long.

#include "nn/op.h"

#include "nn/gemm.h"

#include <math.h>
#include <string.h>

enum { MATRIX, LOG_DIAGONAL };

typedef struct {
    mr_buffer sign;   // [1 x n] of an upper matrix's diagonal
    mr_real *scratch; // each thread's two matrices: T, and the gradient of all its entries
} triangular_options;

static const triangular_options *options_of(const mr_node *node) {
    return node->options;
}

static bool is_upper(const mr_node *node) {
    return node->n_params == 2;
}

// Rows and columns of T.
static size_t size_of(const mr_node *node) {
    return node->param[MATRIX].rows;
}

// Of an image; of a vector 1.
static size_t places_of(const mr_node *node) {
    return node->cols / size_of(node);
}

static mr_real *scratch_of(const mr_node *node, int thread) {
    return options_of(node)->scratch + 2 * (size_t)thread * size_of(node) * size_of(node);
}

// T, with zeros on its other side.
static mr_real *assemble(const mr_node *node, int thread) {
    const size_t n = size_of(node);
    const mr_real *entry = mr_node_param(node, MATRIX);
    mr_real *t = scratch_of(node, thread);
    memset(t, 0, n * n * sizeof *t);
    for (size_t i = 0; i < n; i++) {
        const size_t first = is_upper(node) ? i + 1 : 0, end = is_upper(node) ? n : i;
        memcpy(t + i * n + first, entry + i * n + first, (end - first) * sizeof *t);
        t[i * n + i] = 1;
    }
    if (is_upper(node)) {
        const mr_real *log_diagonal = mr_node_param(node, LOG_DIAGONAL);
        const mr_real *sign = mr_params_buffer(node->params, options_of(node)->sign);
        for (size_t i = 0; i < n; i++)
            t[i * n + i] = sign[i] * (mr_real)exp((double)log_diagonal[i]);
    }
    return t;
}

// y = T x, or T^T x, of all rows; added to y if `adds`.
static void multiply(const mr_node *node, mr_rows rows, bool transposed, const mr_real *t,
                     const mr_real *x, bool adds, mr_real *y) {
    const size_t n = size_of(node), n_places = places_of(node);
    if (n_places == 1)
        mr_gemm(false, !transposed, rows.n, n, n, x + rows.first * n, t, adds, y + rows.first * n);
    for (size_t i = rows.first; i < rows.first + rows.n && n_places > 1; i++)
        mr_gemm(transposed, false, n, n_places, n, t, x + i * node->cols, adds, y + i * node->cols);
}

// y = T^-1 y, or T^-T y, of all rows.
static void solve(const mr_node *node, mr_rows rows, bool transposed, const mr_real *t,
                  mr_real *y) {
    const size_t n = size_of(node), n_places = places_of(node);
    if (n_places == 1)
        mr_triangular_solve(is_upper(node), !transposed, rows.n, n, t, y + rows.first * n);
    for (size_t i = rows.first; i < rows.first + rows.n && n_places > 1; i++)
        mr_triangular_solve_columns(is_upper(node), transposed, n, n_places, t, y + i * node->cols);
}

// a^T b summed over all rows and places.
static void correlate(const mr_node *node, mr_rows rows, const mr_real *a, const mr_real *b,
                      mr_real *out) {
    const size_t n = size_of(node), n_places = places_of(node);
    if (n_places == 1)
        mr_gemm(true, false, n, n, rows.n, a + rows.first * n, b + rows.first * n, false, out);
    for (size_t i = rows.first; i < rows.first + rows.n && n_places > 1; i++)
        mr_gemm(false, true, n, n, n_places, a + i * node->cols, b + i * node->cols, i > rows.first,
                out);
}

// Adds factor a^T b, restricted to T's triangle, to the gradient of T's parameters. T has been
// assembled before.
static void train(const mr_node *node, mr_rows rows, mr_real factor, const mr_real *a,
                  const mr_real *b) {
    const size_t n = size_of(node);
    const mr_real *t = scratch_of(node, rows.thread);
    mr_real *all = scratch_of(node, rows.thread) + n * n;
    mr_real *gradient = mr_node_param_grad(node, MATRIX, rows.thread);
    correlate(node, rows, a, b, all);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const mr_real d = (is_upper(node) ? j > i : j < i) ? factor * all[i * n + j] : 0;
            gradient[i * n + j] =
                mr_node_adds_param(node, MATRIX, rows) ? gradient[i * n + j] + d : d;
        }
    if (!is_upper(node))
        return;
    mr_real *log_diagonal = mr_node_param_grad(node, LOG_DIAGONAL, rows.thread);
    for (size_t i = 0; i < n; i++) {
        const mr_real d = factor * all[i * n + i] * t[i * n + i];
        log_diagonal[i] = mr_node_adds_param(node, LOG_DIAGONAL, rows) ? log_diagonal[i] + d : d;
    }
}

// ---- y = T x

static void product_forward(const mr_node *node, mr_rows rows) {
    multiply(node, rows, false, assemble(node, rows.thread), node->input[0]->value, false,
             node->value);
}

// dT = dy x^T, dx = T^T dy.
static void product_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    const mr_real *t = assemble(node, rows.thread);
    if (node->set >= 0)
        train(node, rows, 1, node->grad, x->value);
    if (mr_node_passes(node, 0))
        multiply(node, rows, true, t, node->grad, node->adds[0], x->grad);
}

static mr_value *product_write(const mr_node *node, mr_net_program *program,
                               mr_value *const *input) {
    if (places_of(node) > 1)
        return NULL;
    return mr_do_linear(program, input[0], size_of(node), assemble(node, 0), NULL);
}

static const mr_op op_product = {
    .name = "triangular",
    .options_size = sizeof(triangular_options),
    .reads = MR_READS_INPUTS_TRAINED,
    .forward = product_forward,
    .backward = product_backward,
    .write = product_write,
};

// ---- y = T^-1 x

static void solve_forward(const mr_node *node, mr_rows rows) {
    const size_t first = rows.first * node->cols;
    memcpy(node->value + first, node->input[0]->value + first,
           rows.n * node->cols * sizeof *node->value);
    solve(node, rows, false, assemble(node, rows.thread), node->value);
}

// g = T^-T dy, in dy's place; dT = -g y^T, dx = g.
static void solve_backward(const mr_node *node, mr_rows rows) {
    const size_t first = rows.first * node->cols;
    solve(node, rows, true, assemble(node, rows.thread), node->grad);
    if (node->set >= 0)
        train(node, rows, -1, node->grad, node->value);
    if (mr_node_passes(node, 0))
        mr_put(node->adds[0], rows.n * node->cols, node->grad + first,
               node->input[0]->grad + first);
}

// T^-1 as a matrix: row j of what is solved for the rows of the identity is its column j.
static mr_value *solve_write(const mr_node *node, mr_net_program *program, mr_value *const *input) {
    const size_t n = size_of(node);
    if (places_of(node) > 1)
        return NULL;
    const mr_real *t = assemble(node, 0);
    mr_real *columns = scratch_of(node, 0) + n * n;
    mr_real *inverse = mr_graph_alloc(node->graph, n * n * sizeof *inverse);
    if (!inverse)
        return NULL;
    for (size_t i = 0; i < n * n; i++)
        columns[i] = i % (n + 1) == 0 ? 1 : 0;
    solve(node, (mr_rows){.n = n}, false, t, columns);
    for (size_t i = 0; i < n * n; i++)
        inverse[i] = columns[i % n * n + i / n];
    return mr_do_linear(program, input[0], n, inverse, NULL);
}

static const mr_op op_solve = {
    .name = "triangular_solve",
    .options_size = sizeof(triangular_options),
    .reads = MR_READS_OUTPUT,
    .forward = solve_forward,
    .backward = solve_backward,
    .write = solve_write,
};

// ---- Building

static mr_node *triangular_new(const mr_op *op, mr_node *x, mr_params *params, size_t n_params,
                               const mr_param *param, mr_buffer sign) {
    if (!x)
        return NULL;
    const size_t n = param[MATRIX].rows;
    assert(param[MATRIX].cols == n && x->cols % n == 0);
    const triangular_options options = {sign, mr_graph_scratch(x->graph, 2 * n * n)};
    mr_node *node = mr_node_of(op, x->cols, &options, 1, &x);
    if (node)
        mr_node_use(node, params, n_params, param);
    return node;
}

static mr_node *lower_new(const mr_op *op, mr_node *x, mr_params *params, mr_param matrix) {
    return triangular_new(op, x, params, 1, &matrix, (mr_buffer){0});
}

static mr_node *upper_new(const mr_op *op, mr_node *x, mr_params *params, mr_param matrix,
                          mr_param log_diagonal, mr_buffer sign) {
    assert(sign.cols == matrix.cols);
    const mr_param param[] = {[MATRIX] = matrix, [LOG_DIAGONAL] = log_diagonal};
    return triangular_new(op, x, params, 2, param, sign);
}

mr_node *mr_lower(mr_node *x, mr_params *params, mr_param matrix) {
    return lower_new(&op_product, x, params, matrix);
}

mr_node *mr_lower_solve(mr_node *x, mr_params *params, mr_param matrix) {
    return lower_new(&op_solve, x, params, matrix);
}

mr_node *mr_upper(mr_node *x, mr_params *params, mr_param matrix, mr_param log_diagonal,
                  mr_buffer sign) {
    return upper_new(&op_product, x, params, matrix, log_diagonal, sign);
}

mr_node *mr_upper_solve(mr_node *x, mr_params *params, mr_param matrix, mr_param log_diagonal,
                        mr_buffer sign) {
    return upper_new(&op_solve, x, params, matrix, log_diagonal, sign);
}
