// Ops of one value at a time. Each is a function and its derivative. Going over the rows and the
// chain rule are shared.

#include "nn/op.h"

#include "base/vmath.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 512 }; // derivatives computed at a time: they stay in the first cache

static const mr_real sqrt_half = (mr_real)0.70710678118654752440;
static const mr_real sqrt_half_over_pi = (mr_real)0.39894228040143267794; // 1/sqrt(2 pi)

/// An op of one value: what all ops have, and its function and derivative.
typedef struct {
    mr_op op; // first, so that a node's op leads here
    void (*function)(const void *options, size_t n, const mr_real *x, mr_real *y);
    void (*derivative)(const void *options, size_t n, const mr_real *x, const mr_real *y,
                       mr_real *d);
    mr_value *(*write)(const void *options, mr_net_program *program, mr_value *x); // NULL: no form
} unary_op;

static const unary_op *unary_of(const mr_node *node) {
    return (const unary_op *)(const void *)node->op;
}

static void unary_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    unary_of(node)->function(node->options, rows.n * node->cols, mr_row(x->value, x, rows.first),
                             mr_row(node->value, node, rows.first));
}

static void unary_backward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const size_t start = rows.first * node->cols, end = start + rows.n * node->cols;
    mr_real d[CHUNK];
    for (size_t i = start; i < end; i += CHUNK) {
        const size_t n = end - i < CHUNK ? end - i : CHUNK;
        unary_of(node)->derivative(node->options, n, input->value + i, node->value + i, d);
        for (size_t k = 0; k < n; k++)
            d[k] *= node->grad[i + k];
        mr_put(node->adds[0], n, d, input->grad + i);
    }
}

static mr_value *unary_write(const mr_node *node, mr_net_program *program, mr_value *const *input) {
    return unary_of(node)->write ? unary_of(node)->write(node->options, program, input[0]) : NULL;
}

// ---- The functions

/// y = factor x + shift
typedef struct {
    mr_real factor, shift;
} affine_options;

static void affine(const void *options, size_t n, const mr_real *x, mr_real *y) {
    const affine_options *o = options;
    for (size_t i = 0; i < n; i++)
        y[i] = o->factor * x[i] + o->shift;
}

static void affine_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                              mr_real *d) {
    (void)x, (void)y;
    for (size_t i = 0; i < n; i++)
        d[i] = ((const affine_options *)options)->factor;
}

static void exponential(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    mr_vexp(n, x, y);
}

static void exponential_derivative(const void *options, size_t n, const mr_real *x,
                                   const mr_real *y, mr_real *d) {
    (void)options, (void)x;
    for (size_t i = 0; i < n; i++)
        d[i] = y[i];
}

static void logarithm(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    mr_vlog(n, x, y);
}

static void logarithm_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                                 mr_real *d) {
    (void)options, (void)y;
    for (size_t i = 0; i < n; i++)
        d[i] = 1 / x[i];
}

static void logarithm1p(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    mr_vlog1p(n, x, y);
}

static void logarithm1p_derivative(const void *options, size_t n, const mr_real *x,
                                   const mr_real *y, mr_real *d) {
    (void)options, (void)y;
    for (size_t i = 0; i < n; i++)
        d[i] = 1 / (1 + x[i]);
}

static void tangent(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    mr_vtanh(n, x, y);
}

static void tangent_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                               mr_real *d) {
    (void)options, (void)x;
    for (size_t i = 0; i < n; i++)
        d[i] = 1 - y[i] * y[i];
}

// 1 / (1 + exp(-x)) = (1 + tanh(x/2)) / 2: nothing overflows.
static void logistic(size_t n, const mr_real *x, mr_real *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] / 2;
    mr_vtanh(n, y, y);
    for (size_t i = 0; i < n; i++)
        y[i] = (1 + y[i]) / 2;
}

static void sigmoid(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    logistic(n, x, y);
}

static void sigmoid_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                               mr_real *d) {
    (void)options, (void)x;
    for (size_t i = 0; i < n; i++)
        d[i] = y[i] * (1 - y[i]);
}

static void softplus(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? x[i] : -x[i];
    mr_vexp(n, y, y);
    mr_vlog1p(n, y, y);
    for (size_t i = 0; i < n; i++)
        y[i] += x[i] > 0 ? x[i] : 0;
}

static void softplus_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                                mr_real *d) {
    (void)options, (void)y;
    logistic(n, x, d);
}

// log(exp(x) - 1) = x + log(1 - exp(-x)); for small x the first form is exact, for large the
// second.
static void softplus_inverse(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i];
        y[i] = (mr_real)(v < 1 ? log(expm1(v)) : v + log1p(-exp(-v)));
    }
}

static void softplus_inverse_derivative(const void *options, size_t n, const mr_real *x,
                                        const mr_real *y, mr_real *d) {
    (void)options, (void)y;
    for (size_t i = 0; i < n; i++)
        d[i] = (mr_real)(-1 / expm1(-(double)x[i]));
}

// Written so that NaN goes through.
static void relu(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? 0 : x[i];
}

// One pass, where the general way takes three: it comes after every normalised layer.
static void relu_backward(const mr_node *node, mr_rows rows) {
    const size_t start = rows.first * node->cols, end = start + rows.n * node->cols;
    const mr_real *restrict y = node->value, *restrict dy = node->grad;
    mr_real *restrict dx = node->input[0]->grad;
    const bool adds = node->adds[0];
    for (size_t i = start; i < end; i++) {
        const mr_real d = y[i] > 0 ? dy[i] : 0;
        dx[i] = adds ? dx[i] + d : d;
    }
}

static void silu(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    logistic(n, x, y);
    for (size_t i = 0; i < n; i++)
        y[i] *= x[i];
}

static void silu_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                            mr_real *d) {
    (void)options;
    logistic(n, x, d);
    for (size_t i = 0; i < n; i++)
        d[i] += y[i] * (1 - d[i]);
}

// Phi(x), the standard normal's distribution function.
static void normal_cdf(size_t n, const mr_real *x, mr_real *y) {
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * sqrt_half;
    mr_verf(n, y, y);
    for (size_t i = 0; i < n; i++)
        y[i] = (1 + y[i]) / 2;
}

static void gelu(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    normal_cdf(n, x, y);
    for (size_t i = 0; i < n; i++)
        y[i] *= x[i];
}

// Phi(x) + x phi(x); n is at most CHUNK.
static void gelu_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                            mr_real *d) {
    (void)options, (void)y;
    mr_real density[CHUNK] = {0};
    for (size_t i = 0; i < n; i++)
        density[i] = -x[i] * x[i] / 2;
    mr_vexp(n, density, density);
    normal_cdf(n, x, d);
    for (size_t i = 0; i < n; i++)
        d[i] += x[i] * sqrt_half_over_pi * density[i];
}

static void square(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * x[i];
}

static void square_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                              mr_real *d) {
    (void)options, (void)y;
    for (size_t i = 0; i < n; i++)
        d[i] = 2 * x[i];
}

static void sine(const void *options, size_t n, const mr_real *x, mr_real *y) {
    (void)options;
    mr_vsin(n, x, y);
}

static void sine_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                            mr_real *d) {
    (void)options, (void)y;
    mr_vcos(n, x, d);
}

typedef struct {
    mr_real low, high;
} clamp_options;

// Written so that NaN goes through.
static void clamp(const void *options, size_t n, const mr_real *x, mr_real *y) {
    const mr_real low = ((const clamp_options *)options)->low;
    const mr_real high = ((const clamp_options *)options)->high;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}

static void clamp_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                             mr_real *d) {
    (void)y;
    const mr_real low = ((const clamp_options *)options)->low;
    const mr_real high = ((const clamp_options *)options)->high;
    for (size_t i = 0; i < n; i++)
        d[i] = x[i] < low || x[i] > high ? 0 : 1;
}

typedef struct {
    mr_real period;
} wrap_options;

static void wrap(const void *options, size_t n, const mr_real *x, mr_real *y) {
    const mr_real period = ((const wrap_options *)options)->period;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] - period * (mr_real)rint((double)(x[i] / period));
}

static void wrap_derivative(const void *options, size_t n, const mr_real *x, const mr_real *y,
                            mr_real *d) {
    (void)options, (void)x, (void)y;
    for (size_t i = 0; i < n; i++)
        d[i] = 1;
}

// ---- In programs

static mr_value *affine_write(const void *options, mr_net_program *program, mr_value *x) {
    const affine_options *o = options;
    return mr_do_affine(program, x, (double)o->factor, (double)o->shift);
}

static mr_value *exponential_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    return mr_do_one(program, MR_DO_EXP, x);
}

static mr_value *logarithm_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    return mr_do_one(program, MR_DO_LOG, x);
}

static mr_value *logarithm1p_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    return mr_do_one(program, MR_DO_LOG, mr_do_affine(program, x, 1, 1));
}

static mr_value *tangent_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    return mr_do_activation(program, MR_TANH, x);
}

static mr_value *sigmoid_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    return mr_do_activation(program, MR_SIGMOID, x);
}

static mr_value *softplus_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    return mr_do_one(program, MR_DO_SOFTPLUS, x);
}

// x + log(1 - exp(-x)). Small x lose digits there, which softplus, before which this op stands,
// does not show: its result is as small.
static mr_value *softplus_inverse_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    mr_value *e = mr_do_one(program, MR_DO_EXP, mr_do_affine(program, x, -1, 0));
    mr_value *log = mr_do_one(program, MR_DO_LOG, mr_do_affine(program, e, -1, 1));
    return mr_do_two(program, MR_DO_ADD, x, log);
}

static mr_value *relu_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    return mr_do_activation(program, MR_RELU, x);
}

static mr_value *silu_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    return mr_do_activation(program, MR_SILU, x);
}

static mr_value *gelu_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    return mr_do_activation(program, MR_GELU, x);
}

static mr_value *square_write(const void *options, mr_net_program *program, mr_value *x) {
    (void)options;
    return mr_do_two(program, MR_DO_MUL, x, x);
}

static mr_value *clamp_write(const void *options, mr_net_program *program, mr_value *x) {
    const clamp_options *o = options;
    x = mr_do_two(program, MR_DO_MAX, x, mr_do_number(program, (double)o->low));
    return mr_do_two(program, MR_DO_MIN, x, mr_do_number(program, (double)o->high));
}

// ---- The ops

#define UNARY_WITH(function_, reads_, size, write_)                                                \
    {                                                                                              \
        .op = {.name = #function_,                                                                 \
               .options_size = size,                                                               \
               .keeps_shape = true,                                                                \
               .reads = reads_,                                                                    \
               .forward = unary_forward,                                                           \
               .backward = unary_backward,                                                         \
               .write = unary_write},                                                              \
        .function = function_, .derivative = function_##_derivative, .write = write_               \
    }
#define UNARY(function_, reads_) UNARY_WITH(function_, reads_, 0, function_##_write)

static const unary_op op_affine = UNARY_WITH(affine, 0, sizeof(affine_options), affine_write);
static const unary_op op_exp = UNARY(exponential, MR_READS_OUTPUT);
static const unary_op op_log = UNARY(logarithm, MR_READS_INPUTS);
static const unary_op op_log1p = UNARY(logarithm1p, MR_READS_INPUTS);
static const unary_op op_tanh = UNARY(tangent, MR_READS_OUTPUT);
static const unary_op op_sigmoid = UNARY(sigmoid, MR_READS_OUTPUT);
static const unary_op op_softplus = UNARY(softplus, MR_READS_INPUTS);
static const unary_op op_softplus_inverse = UNARY(softplus_inverse, MR_READS_INPUTS);
static const unary_op op_relu = {.op = {.name = "relu",
                                        .keeps_shape = true,
                                        .reads = MR_READS_OUTPUT,
                                        .forward = unary_forward,
                                        .backward = relu_backward,
                                        .write = unary_write},
                                 .function = relu,
                                 .write = relu_write};
static const unary_op op_silu = UNARY(silu, MR_READS_INPUTS | MR_READS_OUTPUT);
static const unary_op op_gelu = UNARY(gelu, MR_READS_INPUTS);
static const unary_op op_square = UNARY(square, MR_READS_INPUTS);
static const unary_op op_sin = UNARY_WITH(sine, MR_READS_INPUTS, 0, NULL);
static const unary_op op_clamp =
    UNARY_WITH(clamp, MR_READS_INPUTS, sizeof(clamp_options), clamp_write);
static const unary_op op_wrap = UNARY_WITH(wrap, 0, sizeof(wrap_options), NULL);

static mr_node *unary_new(const unary_op *op, mr_node *x, const void *options) {
    return x ? mr_node_of(&op->op, x->cols, options, 1, &x) : NULL;
}

mr_node *mr_affine(mr_node *x, double factor, double shift) {
    return unary_new(&op_affine, x, &(affine_options){(mr_real)factor, (mr_real)shift});
}

mr_node *mr_clamp(mr_node *x, double low, double high) {
    assert(low <= high);
    return unary_new(&op_clamp, x, &(clamp_options){(mr_real)low, (mr_real)high});
}

mr_node *mr_wrap(mr_node *x, double period) {
    return unary_new(&op_wrap, x, &(wrap_options){(mr_real)period});
}

mr_node *mr_exp(mr_node *x) {
    return unary_new(&op_exp, x, NULL);
}

mr_node *mr_log(mr_node *x) {
    return unary_new(&op_log, x, NULL);
}

mr_node *mr_log1p(mr_node *x) {
    return unary_new(&op_log1p, x, NULL);
}

mr_node *mr_tanh(mr_node *x) {
    return unary_new(&op_tanh, x, NULL);
}

mr_node *mr_sigmoid(mr_node *x) {
    return unary_new(&op_sigmoid, x, NULL);
}

mr_node *mr_softplus(mr_node *x) {
    return unary_new(&op_softplus, x, NULL);
}

mr_node *mr_softplus_inverse(mr_node *x) {
    return unary_new(&op_softplus_inverse, x, NULL);
}

mr_node *mr_relu(mr_node *x) {
    return unary_new(&op_relu, x, NULL);
}

mr_node *mr_silu(mr_node *x) {
    return unary_new(&op_silu, x, NULL);
}

mr_node *mr_gelu(mr_node *x) {
    return unary_new(&op_gelu, x, NULL);
}

mr_node *mr_square(mr_node *x) {
    return unary_new(&op_square, x, NULL);
}

mr_node *mr_sin(mr_node *x) {
    return unary_new(&op_sin, x, NULL);
}

// ---- Activations

static mr_node *identity(mr_node *x) {
    return x;
}

static const struct {
    const char *name;
    mr_node *(*build)(mr_node *x);
} activations[] = {
    [MR_IDENTITY] = {"identity", identity}, [MR_RELU] = {"relu", mr_relu},
    [MR_TANH] = {"tanh", mr_tanh},          [MR_SIGMOID] = {"sigmoid", mr_sigmoid},
    [MR_SILU] = {"silu", mr_silu},          [MR_GELU] = {"gelu", mr_gelu},
};

const char *mr_activation_name(mr_activation activation) {
    return activations[activation].name;
}

bool mr_activation_find(const char *name, mr_activation *out) {
    for (size_t i = 0; i < MR_COUNT(activations); i++)
        if (strcmp(activations[i].name, name) == 0) {
            *out = (mr_activation)i;
            return true;
        }
    return false;
}

mr_node *mr_activate(mr_node *x, mr_activation activation) {
    return activations[activation].build(x);
}
