// Linear layers with bias and activation: plain, masked, and some of their units.

#include "nn/op.h"

#include "nn/gemm.h"
#include "base/vmath.h"

#include <string.h>

enum { WEIGHT, BIAS };

typedef struct {
    mr_activation activation;
    const mr_real *mask; // [out x in], borrowed; NULL: all weights exist
} linear_options;

// y = activation(y), one row.
static void activate(mr_activation activation, size_t n, mr_real *y) {
    switch (activation) {
    case MR_RELU: // written so that NaN goes through
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < 0 ? 0 : y[i];
        break;
    case MR_TANH:
        mr_vtanh(n, y, y);
        break;
    case MR_SIGMOID: // (1 + tanh(y/2)) / 2: nothing overflows
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] / 2;
        mr_vtanh(n, y, y);
        for (size_t i = 0; i < n; i++)
            y[i] = (1 + y[i]) / 2;
        break;
    case MR_IDENTITY:
    case MR_SILU: // nodes of their own
    case MR_GELU:
        break;
    }
}

// dy *= activation'(.), by the activated y, one row.
static void deactivate(mr_activation activation, size_t n, const mr_real *restrict y,
                       mr_real *restrict dy) {
    switch (activation) {
    case MR_RELU:
        for (size_t i = 0; i < n; i++)
            dy[i] = y[i] > 0 ? dy[i] : 0;
        break;
    case MR_TANH:
        for (size_t i = 0; i < n; i++)
            dy[i] *= 1 - y[i] * y[i];
        break;
    case MR_SIGMOID:
        for (size_t i = 0; i < n; i++)
            dy[i] *= y[i] * (1 - y[i]);
        break;
    case MR_IDENTITY:
    case MR_SILU:
    case MR_GELU:
        break;
    }
}

static bool has_bias(const mr_node *node) {
    return node->n_params > BIAS;
}

// y = x W^T, or y += x W^T if there is a bias, which y holds then.
static void multiply(const mr_node *node, mr_rows rows, mr_real *y) {
    const mr_node *x = node->input[0];
    const mr_real *weight = mr_node_param(node, WEIGHT);
    if (mr_node_is_for_one(node))
        mr_gemv(node->cols, x->cols, weight, x->value, has_bias(node), y);
    else
        mr_gemm(false, true, rows.n, node->cols, x->cols, mr_row(x->value, x, rows.first), weight,
                has_bias(node), y);
}

static void linear_forward(const mr_node *node, mr_rows rows) {
    const linear_options *o = node->options;
    const size_t cols = node->cols;
    mr_real *y = mr_row(node->value, node, rows.first);
    for (size_t i = 0; i < rows.n && has_bias(node); i++)
        memcpy(y + i * cols, mr_node_param(node, BIAS), cols * sizeof *y);
    multiply(node, rows, y);
    for (size_t i = 0; i < rows.n; i++)
        activate(o->activation, cols, y + i * cols);
}

static void mask_gradient(const mr_node *node, mr_real *gradient) {
    const mr_real *mask = ((const linear_options *)node->options)->mask;
    for (size_t i = 0; mask && i < node->param[WEIGHT].rows * node->param[WEIGHT].cols; i++)
        gradient[i] *= mask[i];
}

static void train_weight(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    mr_real *gradient = mr_node_param_grad(node, WEIGHT, rows.thread);
    mr_gemm(true, false, node->cols, x->cols, rows.n, mr_row(node->grad, node, rows.first),
            mr_row(x->value, x, rows.first), mr_node_adds_param(node, WEIGHT, rows), gradient);
    mask_gradient(node, gradient);
}

// dy becomes the gradient before the activation; that of the bias is its sum over the rows.
static void linear_deactivate(const mr_node *node, mr_rows rows) {
    const linear_options *o = node->options;
    const bool trains_bias = node->set >= 0 && has_bias(node);
    for (size_t i = 0; i < rows.n; i++) {
        mr_real *dy = mr_row(node->grad, node, rows.first + i);
        deactivate(o->activation, node->cols, mr_row(node->value, node, rows.first + i), dy);
        if (trains_bias)
            mr_put(mr_node_adds_param(node, BIAS, rows) || i > 0, node->cols, dy,
                   mr_node_param_grad(node, BIAS, rows.thread));
    }
}

static void linear_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    linear_deactivate(node, rows);
    if (node->set >= 0)
        train_weight(node, rows);
    if (mr_node_passes(node, 0))
        mr_gemm(false, false, rows.n, x->cols, node->cols, mr_row(node->grad, node, rows.first),
                mr_node_param(node, WEIGHT), node->adds[0], mr_row(x->grad, x, rows.first));
}

static mr_value *linear_write(const mr_node *node, mr_net_program *program,
                              mr_value *const *input) {
    const linear_options *o = node->options;
    return mr_do_activation(program, o->activation,
                            mr_do_linear(program, input[0], node->cols, mr_node_param(node, WEIGHT),
                                         has_bias(node) ? mr_node_param(node, BIAS) : NULL));
}

static const mr_op op_linear = {
    .name = "linear",
    .options_size = sizeof(linear_options),
    .reads = MR_READS_OUTPUT | MR_READS_INPUTS_TRAINED,
    .forward = linear_forward,
    .backward = linear_backward,
    .write = linear_write,
};

static mr_node *linear_new(mr_node *x, mr_params *params, size_t n_params, const mr_param *param,
                           const linear_options *options) {
    if (!x)
        return NULL;
    assert(param[WEIGHT].cols == x->cols);
    mr_node *node = mr_node_of(&op_linear, param[WEIGHT].rows, options, 1, &x);
    if (node)
        mr_node_use(node, params, n_params, param);
    return node;
}

// Whether the derivative follows from the activated value alone, so that the layer and its
// activation are one node.
static bool is_part_of_layer(mr_activation activation) {
    return activation != MR_SILU && activation != MR_GELU;
}

mr_node *mr_linear_masked(mr_node *x, mr_params *params, mr_param weight, mr_param bias,
                          const mr_real *mask, mr_activation activation) {
    assert(bias.cols == weight.rows && bias.rows == 1);
    const mr_param param[] = {[WEIGHT] = weight, [BIAS] = bias};
    const bool is_one = is_part_of_layer(activation);
    mr_node *y =
        linear_new(x, params, 2, param, &(linear_options){is_one ? activation : MR_IDENTITY, mask});
    return is_one ? y : mr_activate(y, activation);
}

mr_node *mr_linear(mr_node *x, mr_params *params, mr_param weight, mr_param bias,
                   mr_activation activation) {
    return mr_linear_masked(x, params, weight, bias, NULL, activation);
}

mr_node *mr_linear_without_bias(mr_node *x, mr_params *params, mr_param weight) {
    return linear_new(x, params, 1, &weight, &(linear_options){MR_IDENTITY, NULL});
}

// ---- Some units

typedef struct {
    mr_activation activation;
    const size_t *out, *in; // borrowed
    mr_real *scratch;       // of each thread, as many as `out` and `in` have weights
} units_options;

// The weights of the units, [out x in], in the thread's scratch memory.
static mr_real *units_scratch(const mr_node *node, mr_rows rows) {
    const units_options *o = node->options;
    return o->scratch + (size_t)rows.thread * node->cols * node->input[0]->cols;
}

static const mr_real *gather_weights(const mr_node *node, mr_rows rows) {
    const units_options *o = node->options;
    const size_t n_in = node->input[0]->cols;
    const mr_real *weight = mr_node_param(node, WEIGHT);
    mr_real *w = units_scratch(node, rows);
    for (size_t i = 0; i < node->cols; i++)
        for (size_t k = 0; k < n_in; k++)
            w[i * n_in + k] = weight[o->out[i] * node->param[WEIGHT].cols + o->in[k]];
    return w;
}

// The units are few, and so dot products are faster than the kernels for matrices.
static mr_real dot(size_t n, const mr_real *restrict a, const mr_real *restrict b) {
    mr_real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t k = 0; k < n; k++)
        sum += a[k] * b[k];
    return sum;
}

static void add_scaled(size_t n, mr_real factor, const mr_real *restrict a, mr_real *restrict sum) {
    for (size_t k = 0; k < n; k++)
        sum[k] += factor * a[k];
}

static void units_forward(const mr_node *node, mr_rows rows) {
    const units_options *o = node->options;
    const mr_node *input = node->input[0];
    const mr_real *bias = mr_node_param(node, BIAS), *w = gather_weights(node, rows);
    for (size_t r = rows.first; r < rows.first + rows.n; r++) {
        const mr_real *x = mr_row(input->value, input, r);
        mr_real *y = mr_row(node->value, node, r);
        for (size_t i = 0; i < node->cols; i++)
            y[i] = bias[o->out[i]] + dot(input->cols, x, w + i * input->cols);
        activate(o->activation, node->cols, y);
    }
}

// The gradient of a parameter, all zero if nothing else has been added to it yet: the node adds to
// its own units' alone.
static mr_real *begin_gradient(const mr_node *node, size_t k, mr_rows rows) {
    mr_real *gradient = mr_node_param_grad(node, k, rows.thread);
    if (!mr_node_adds_param(node, k, rows))
        memset(gradient, 0, node->param[k].rows * node->param[k].cols * sizeof *gradient);
    return gradient;
}

static void train_units(const mr_node *node, mr_rows rows) {
    const units_options *o = node->options;
    const mr_node *input = node->input[0];
    const size_t n_in = input->cols;
    mr_real *weight = begin_gradient(node, WEIGHT, rows), *bias = begin_gradient(node, BIAS, rows);
    mr_real *sum = units_scratch(node, rows);
    memset(sum, 0, node->cols * n_in * sizeof *sum);
    for (size_t r = rows.first; r < rows.first + rows.n; r++) {
        const mr_real *dy = mr_row(node->grad, node, r);
        for (size_t i = 0; i < node->cols; i++) {
            bias[o->out[i]] += dy[i];
            add_scaled(n_in, dy[i], mr_row(input->value, input, r), sum + i * n_in);
        }
    }
    for (size_t i = 0; i < node->cols; i++)
        for (size_t k = 0; k < n_in; k++)
            weight[o->out[i] * node->param[WEIGHT].cols + o->in[k]] += sum[i * n_in + k];
}

static void pass_to_input(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const mr_real *w = gather_weights(node, rows);
    for (size_t r = rows.first; r < rows.first + rows.n; r++) {
        const mr_real *dy = mr_row(node->grad, node, r);
        mr_real *dx = mr_row(input->grad, input, r);
        if (!node->adds[0])
            memset(dx, 0, input->cols * sizeof *dx);
        for (size_t i = 0; i < node->cols; i++)
            add_scaled(input->cols, dy[i], w + i * input->cols, dx);
    }
}

static void units_backward(const mr_node *node, mr_rows rows) {
    const units_options *o = node->options;
    for (size_t r = rows.first; r < rows.first + rows.n; r++)
        deactivate(o->activation, node->cols, mr_row(node->value, node, r),
                   mr_row(node->grad, node, r));
    if (node->set >= 0)
        train_units(node, rows);
    if (mr_node_passes(node, 0))
        pass_to_input(node, rows);
}

static mr_value *units_write(const mr_node *node, mr_net_program *program, mr_value *const *input) {
    const units_options *o = node->options;
    const mr_real *bias = mr_node_param(node, BIAS);
    mr_real *own_bias = mr_graph_alloc(node->graph, node->cols * sizeof *own_bias);
    if (!own_bias)
        return NULL;
    for (size_t i = 0; i < node->cols; i++)
        own_bias[i] = bias[o->out[i]];
    const mr_real *weight = gather_weights(node, (mr_rows){.n = 1});
    return mr_do_activation(program, o->activation,
                            mr_do_linear(program, input[0], node->cols, weight, own_bias));
}

static const mr_op op_linear_units = {
    .name = "linear_units",
    .options_size = sizeof(units_options),
    .reads = MR_READS_OUTPUT | MR_READS_INPUTS_TRAINED,
    .forward = units_forward,
    .backward = units_backward,
    .write = units_write,
};

mr_node *mr_linear_units(mr_node *x, mr_params *params, mr_param weight, mr_param bias,
                         const size_t *in, size_t n_out, const size_t *out,
                         mr_activation activation) {
    const mr_param param[] = {[WEIGHT] = weight, [BIAS] = bias};
    if (!x)
        return NULL;
    assert(is_part_of_layer(activation));
    units_options options = {activation, out, in, mr_graph_scratch(x->graph, n_out * x->cols)};
    mr_node *node = options.scratch ? mr_node_of(&op_linear_units, n_out, &options, 1, &x) : NULL;
    if (node)
        mr_node_use(node, params, 2, param);
    return node;
}
