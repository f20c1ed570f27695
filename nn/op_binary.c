// Ops of two values at a time. Each is a function and its two partial derivatives. The rest is
// shared: going over the rows, repeating a column for every feature, the chain rule.

#include "nn/op.h"

#include "base/vmath.h"

enum { CHUNK = 512 }; // values computed at a time: they stay in the first cache

/// An op of two values: what all ops have, and its function and partial derivatives.
typedef struct {
    mr_op op; // first, so that a node's op leads here
    void (*function)(size_t n, const mr_real *a, const mr_real *b, mr_real *y);
    void (*derivative)(size_t n, const mr_real *a, const mr_real *b, mr_real *da, mr_real *db);
    mr_do what; // as an instruction; MR_N_DO: there is none
} binary_op;

static const binary_op *binary_of(const mr_node *node) {
    return (const binary_op *)(const void *)node->op;
}

/// A run of values within one chunk, and the operands for them.
typedef struct {
    size_t row, col,
        n; // from (row, col); over several rows only if both operands have the node's shape
    const mr_real *a, *b;
} piece;

static bool is_broadcast(const mr_node *node, size_t k) {
    return node->input[k]->cols != node->cols;
}

// The operand's values for a piece; those of a broadcast column are repeated into `repeated`.
static const mr_real *operand(const mr_node *node, size_t k, const piece *at, mr_real *repeated) {
    const mr_node *x = node->input[k];
    if (!is_broadcast(node, k))
        return mr_row(x->value, x, at->row) + at->col;
    for (size_t i = 0; i < at->n; i++)
        repeated[i] = x->value[at->row];
    return repeated;
}

/// The next piece after `at` in the rows; false at the end. Starts from a piece with n = 0 at the
/// first row.
static bool next_piece(const mr_node *node, mr_rows rows, piece *at) {
    const bool flat = !is_broadcast(node, 0) && !is_broadcast(node, 1);
    at->col += at->n;
    if (!flat && at->col == node->cols) {
        at->row++;
        at->col = 0;
    }
    const size_t n_left = flat ? rows.n * node->cols - at->col : node->cols - at->col;
    at->n = n_left < CHUNK ? n_left : CHUNK;
    return at->n > 0 && at->row < rows.first + rows.n;
}

static void binary_forward(const mr_node *node, mr_rows rows) {
    mr_real repeated_a[CHUNK], repeated_b[CHUNK];
    for (piece at = {.row = rows.first}; next_piece(node, rows, &at);)
        binary_of(node)->function(at.n, operand(node, 0, &at, repeated_a),
                                  operand(node, 1, &at, repeated_b),
                                  mr_row(node->value, node, at.row) + at.col);
}

// Adds d[n] times the node's gradient to the gradient of operand k.
static void pass(const mr_node *node, size_t k, const piece *at, mr_real *d) {
    if (!mr_node_passes(node, k))
        return;
    const mr_real *grad = mr_row(node->grad, node, at->row) + at->col;
    for (size_t i = 0; i < at->n; i++)
        d[i] *= grad[i];
    const mr_node *x = node->input[k];
    if (!is_broadcast(node, k)) {
        mr_put(node->adds[k], at->n, d, mr_row(x->grad, x, at->row) + at->col);
        return;
    }
    mr_real sum = 0;
    for (size_t i = 0; i < at->n; i++)
        sum += d[i];
    mr_put(node->adds[k] || at->col > 0, 1, &sum, x->grad + at->row);
}

static void binary_backward(const mr_node *node, mr_rows rows) {
    mr_real repeated_a[CHUNK], repeated_b[CHUNK], da[CHUNK], db[CHUNK];
    for (piece at = {.row = rows.first}; next_piece(node, rows, &at);) {
        binary_of(node)->derivative(at.n, operand(node, 0, &at, repeated_a),
                                    operand(node, 1, &at, repeated_b), da, db);
        pass(node, 0, &at, da);
        pass(node, 1, &at, db);
    }
}

static mr_value *binary_write(const mr_node *node, mr_net_program *program,
                              mr_value *const *input) {
    const mr_do what = binary_of(node)->what;
    return what < MR_N_DO ? mr_do_two(program, what, input[0], input[1]) : NULL;
}

// ---- The functions

static void add(size_t n, const mr_real *a, const mr_real *b, mr_real *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void add_derivative(size_t n, const mr_real *a, const mr_real *b, mr_real *da, mr_real *db) {
    (void)a, (void)b;
    for (size_t i = 0; i < n; i++)
        da[i] = db[i] = 1;
}

static void sub(size_t n, const mr_real *a, const mr_real *b, mr_real *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] - b[i];
}

static void sub_derivative(size_t n, const mr_real *a, const mr_real *b, mr_real *da, mr_real *db) {
    (void)a, (void)b;
    for (size_t i = 0; i < n; i++) {
        da[i] = 1;
        db[i] = -1;
    }
}

static void mul(size_t n, const mr_real *a, const mr_real *b, mr_real *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

static void mul_derivative(size_t n, const mr_real *a, const mr_real *b, mr_real *da, mr_real *db) {
    for (size_t i = 0; i < n; i++) {
        da[i] = b[i];
        db[i] = a[i];
    }
}

static void divide(size_t n, const mr_real *a, const mr_real *b, mr_real *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] / b[i];
}

static void divide_derivative(size_t n, const mr_real *a, const mr_real *b, mr_real *da,
                              mr_real *db) {
    for (size_t i = 0; i < n; i++) {
        da[i] = 1 / b[i];
        db[i] = -a[i] / (b[i] * b[i]);
    }
}

static void minimum(size_t n, const mr_real *a, const mr_real *b, mr_real *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = b[i] < a[i] ? b[i] : a[i];
}

static void minimum_derivative(size_t n, const mr_real *a, const mr_real *b, mr_real *da,
                               mr_real *db) {
    for (size_t i = 0; i < n; i++) {
        db[i] = b[i] < a[i] ? 1 : 0;
        da[i] = 1 - db[i];
    }
}

static void maximum(size_t n, const mr_real *a, const mr_real *b, mr_real *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = b[i] > a[i] ? b[i] : a[i];
}

static void maximum_derivative(size_t n, const mr_real *a, const mr_real *b, mr_real *da,
                               mr_real *db) {
    for (size_t i = 0; i < n; i++) {
        db[i] = b[i] > a[i] ? 1 : 0;
        da[i] = 1 - db[i];
    }
}

// max(a, b) + log1p(exp(-|a - b|)). The difference of two equal infinities would be NaN.
static void log_add_exp(size_t n, const mr_real *a, const mr_real *b, mr_real *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] == b[i] ? 0 : a[i] < b[i] ? a[i] - b[i] : b[i] - a[i];
    mr_vexp(n, y, y);
    mr_vlog1p(n, y, y);
    for (size_t i = 0; i < n; i++)
        y[i] += b[i] > a[i] ? b[i] : a[i];
}

// sigmoid(a - b) and sigmoid(b - a), by exp(-|a - b|): nothing overflows.
static void log_add_exp_derivative(size_t n, const mr_real *a, const mr_real *b, mr_real *da,
                                   mr_real *db) {
    for (size_t i = 0; i < n; i++)
        da[i] = a[i] == b[i] ? 0 : a[i] < b[i] ? a[i] - b[i] : b[i] - a[i];
    mr_vexp(n, da, da);
    for (size_t i = 0; i < n; i++) {
        const mr_real larger = 1 / (1 + da[i]), smaller = da[i] / (1 + da[i]);
        da[i] = a[i] < b[i] ? smaller : larger;
        db[i] = a[i] < b[i] ? larger : smaller;
    }
}

// ---- The ops

#define BINARY(function_, reads_, what_)                                                           \
    {                                                                                              \
        .op = {.name = #function_,                                                                 \
               .keeps_shape = true,                                                                \
               .reads = reads_,                                                                    \
               .forward = binary_forward,                                                          \
               .backward = binary_backward,                                                        \
               .write = binary_write},                                                             \
        .function = function_, .derivative = function_##_derivative, .what = what_                 \
    }

static const binary_op op_add = BINARY(add, 0, MR_DO_ADD);
static const binary_op op_sub = BINARY(sub, 0, MR_DO_SUB);
static const binary_op op_mul = BINARY(mul, MR_READS_INPUTS, MR_DO_MUL);
static const binary_op op_div = BINARY(divide, MR_READS_INPUTS, MR_DO_DIV);
static const binary_op op_min = BINARY(minimum, MR_READS_INPUTS, MR_DO_MIN);
static const binary_op op_max = BINARY(maximum, MR_READS_INPUTS, MR_DO_MAX);
static const binary_op op_log_add_exp = BINARY(log_add_exp, MR_READS_INPUTS, MR_N_DO);

static mr_node *binary_new(const binary_op *op, mr_node *a, mr_node *b) {
    if (!a || !b)
        return NULL;
    assert(a->cols == b->cols || a->cols == 1 || b->cols == 1);
    return mr_node_of(&op->op, a->cols > b->cols ? a->cols : b->cols, NULL, 2, (mr_node *[]){a, b});
}

mr_node *mr_add(mr_node *a, mr_node *b) {
    return binary_new(&op_add, a, b);
}

mr_node *mr_sub(mr_node *a, mr_node *b) {
    return binary_new(&op_sub, a, b);
}

mr_node *mr_mul(mr_node *a, mr_node *b) {
    return binary_new(&op_mul, a, b);
}

mr_node *mr_div(mr_node *a, mr_node *b) {
    return binary_new(&op_div, a, b);
}

mr_node *mr_min(mr_node *a, mr_node *b) {
    return binary_new(&op_min, a, b);
}

mr_node *mr_max(mr_node *a, mr_node *b) {
    return binary_new(&op_max, a, b);
}

mr_node *mr_log_add_exp(mr_node *a, mr_node *b) {
    return binary_new(&op_log_add_exp, a, b);
}
