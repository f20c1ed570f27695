// Two-dimensional convolution with bias, and a ReLU if wanted: matrix products by OpenBLAS, one for
// each image.
//
// The smaller side of the convolution is written out in patches (conv_patches.h). If that is the
// input x, they are read from it (im2col) and y = W P. If it is the result, the weights make the
// patches of the result, P = W' x, which are added in their places; W' is W in another order. The
// last convolution of a coupling's net has 128 channels to 12: the patches of its input are ten
// times as large as those of its result. A convolution of 1 x 1 is a product of x itself.

#include "nn/op.h"

#include "nn/conv_patches.h"
#include "nn/gemm.h"

#include <string.h>

enum { WEIGHT, BIAS }; // the parameters
enum { IMAGE, SHIFT }; // the inputs, of which the second may be missing

typedef struct {
    mr_conv2d_options options;
    mr_real *scratch; // each thread's
    size_t n_scratch; // numbers of a thread
} conv_options;

/// The sizes of a node's products.
typedef struct {
    size_t n_in, n_out; // channels
    size_t n_taps;      // numbers in the kernel
    size_t n_places;    // of the result
    bool is_pointwise;  // patches are the input itself
    bool is_transposed; // patches are those of the result
} sizes;

static sizes sizes_of(mr_shape in, mr_shape out, const mr_conv2d_options *o) {
    const bool keeps_size = o->stride == 1 && in.height == out.height && in.width == out.width;
    return (sizes){.n_in = in.channels,
                   .n_out = out.channels,
                   .n_taps = o->kernel * o->kernel,
                   .n_places = out.height * out.width,
                   .is_pointwise = o->kernel == 1 && o->stride == 1 && o->padding == 0,
                   .is_transposed = keeps_size && o->kernel > 1 && out.channels < in.channels};
}

/// A node in a thread's work.
typedef struct {
    const mr_node *node;
    const conv_options *options;
    sizes s;
    mr_patches patches;
    mr_real *planes;               // [patches]
    mr_real *weight, *weight_grad; // of W', [n_out n_taps x n_in], if is_transposed
} work;

static work work_of(const mr_node *node, int thread) {
    const conv_options *own = node->options;
    const mr_conv2d_options *o = &own->options;
    work w = {.node = node,
              .options = own,
              .s = sizes_of(node->input[IMAGE]->shape, node->shape, o),
              .planes = own->scratch + (size_t)thread * own->n_scratch};
    w.patches = (mr_patches){.image = w.s.is_transposed ? node->shape : node->input[IMAGE]->shape,
                             .height = node->shape.height,
                             .width = node->shape.width,
                             .kernel = o->kernel,
                             .stride = o->stride,
                             .padding = o->padding,
                             .is_transposed = w.s.is_transposed};
    w.weight = w.planes + mr_patches_size(&w.patches);
    w.weight_grad = w.weight + w.s.n_out * w.s.n_taps * w.s.n_in;
    return w;
}

// W' of W.
static void transpose_weight(const work *w) {
    const mr_real *weight = mr_node_param(w->node, WEIGHT);
    const sizes *s = &w->s;
    for (size_t o = 0; o < s->n_out; o++)
        for (size_t c = 0; c < s->n_in; c++)
            for (size_t t = 0; t < s->n_taps; t++)
                w->weight[(o * s->n_taps + t) * s->n_in + c] =
                    weight[(o * s->n_in + c) * s->n_taps + t];
}

// ---- Forward

static void add_product(const work *w, const mr_real *x, mr_real *y) {
    const sizes *s = &w->s;
    const mr_real *weight = mr_node_param(w->node, WEIGHT);
    if (s->is_transposed) {
        mr_gemm(false, false, s->n_out * s->n_taps, s->n_places, s->n_in, w->weight, x, false,
                w->planes);
        mr_patches_add(&w->patches, w->planes, y);
        return;
    }
    if (!s->is_pointwise)
        mr_patches_read(&w->patches, x, w->planes);
    mr_gemm(false, false, s->n_out, s->n_places, s->n_in * s->n_taps, weight,
            s->is_pointwise ? x : w->planes, true, y);
}

// NULL: it has none.
static const mr_node *shift_of(const mr_node *node) {
    return node->n_inputs > SHIFT ? node->input[SHIFT] : NULL;
}

static void conv_forward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[IMAGE], *shift = shift_of(node);
    const work w = work_of(node, rows.thread);
    const mr_real *bias = mr_node_param(node, BIAS);
    const bool relu = w.options->options.relu;
    if (w.s.is_transposed)
        transpose_weight(&w);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *y = mr_row(node->value, node, i);
        for (size_t c = 0; c < w.s.n_out; c++) {
            const mr_real start = shift ? bias[c] + mr_row(shift->value, shift, i)[c] : bias[c];
            for (size_t k = 0; k < w.s.n_places; k++)
                y[c * w.s.n_places + k] = start;
        }
        add_product(&w, mr_row(input->value, input, i), y);
        for (size_t j = 0; j < node->cols && relu; j++)
            y[j] = mr_relu_if(true, y[j]);
    }
}

// ---- Backward

// dy becomes the gradient before the ReLU.
static void deactivate(const mr_node *node, size_t row) {
    const mr_real *y = mr_row(node->value, node, row);
    mr_real *dy = mr_row(node->grad, node, row);
    for (size_t j = 0; j < node->cols; j++)
        dy[j] = y[j] > 0 ? dy[j] : 0;
}

// What is added in all places has the sum of their gradients: the bias, and the row's shift.
static void add_up_places(const work *w, mr_rows rows, size_t row) {
    const mr_node *node = w->node, *shift = shift_of(node);
    const bool adds = node->set >= 0 && (mr_node_adds_param(node, BIAS, rows) || row > rows.first);
    mr_real *bias_grad = node->set >= 0 ? mr_node_param_grad(node, BIAS, rows.thread) : NULL;
    mr_real *shift_grad = shift && shift->grad ? mr_row(shift->grad, shift, row) : NULL;
    for (size_t c = 0; c < w->s.n_out; c++) {
        const mr_real *dy = mr_row(node->grad, node, row) + c * w->s.n_places;
        mr_real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t k = 0; k < w->s.n_places; k++)
            sum += dy[k];
        if (bias_grad)
            mr_put(adds, 1, &sum, bias_grad + c);
        if (shift_grad)
            mr_put(node->adds[SHIFT], 1, &sum, shift_grad + c);
    }
}

// By the patches of the row: dW += dy P^T, or dW' += P x^T.
static void train_weight(const work *w, mr_rows rows, size_t row) {
    const mr_node *node = w->node, *input = node->input[IMAGE];
    const sizes *s = &w->s;
    const mr_real *x = mr_row(input->value, input, row), *dy = mr_row(node->grad, node, row);
    const bool is_first = row == rows.first;
    if (s->is_transposed)
        mr_gemm(false, true, s->n_out * s->n_taps, s->n_in, s->n_places, w->planes, x, !is_first,
                w->weight_grad);
    else
        mr_gemm(false, true, s->n_out, s->n_in * s->n_taps, s->n_places, dy,
                s->is_pointwise ? x : w->planes,
                mr_node_adds_param(node, WEIGHT, rows) || !is_first,
                mr_node_param_grad(node, WEIGHT, rows.thread));
}

// Brings the gradient of W' into the order of W.
static void end_weight(const work *w, mr_rows rows) {
    const sizes *s = &w->s;
    const bool adds = mr_node_adds_param(w->node, WEIGHT, rows);
    mr_real *gradient = mr_node_param_grad(w->node, WEIGHT, rows.thread);
    for (size_t o = 0; o < s->n_out; o++)
        for (size_t c = 0; c < s->n_in; c++)
            for (size_t t = 0; t < s->n_taps; t++)
                mr_put(adds, 1, &w->weight_grad[(o * s->n_taps + t) * s->n_in + c],
                       &gradient[(o * s->n_in + c) * s->n_taps + t]);
}

// dx = W^T dy, through the patches of x; or W'^T P.
static void pass(const work *w, size_t row) {
    const mr_node *node = w->node, *input = node->input[IMAGE];
    const sizes *s = &w->s;
    const mr_real *weight = mr_node_param(node, WEIGHT), *dy = mr_row(node->grad, node, row);
    mr_real *dx = mr_row(input->grad, input, row);
    if (s->is_transposed) {
        mr_gemm(true, false, s->n_in, s->n_places, s->n_out * s->n_taps, w->weight, w->planes,
                node->adds[IMAGE], dx);
    } else if (s->is_pointwise) {
        mr_gemm(true, false, s->n_in, s->n_places, s->n_out, weight, dy, node->adds[IMAGE], dx);
    } else {
        mr_gemm(true, false, s->n_in * s->n_taps, s->n_places, s->n_out, weight, dy, false,
                w->planes);
        if (!node->adds[IMAGE])
            memset(dx, 0, input->cols * sizeof *dx);
        mr_patches_add(&w->patches, w->planes, dx);
    }
}

static void conv_backward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[IMAGE], *shift = shift_of(node);
    const work w = work_of(node, rows.thread);
    const bool trains = node->set >= 0;
    if (w.s.is_transposed)
        transpose_weight(&w);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        if (w.options->options.relu)
            deactivate(node, i);
        if (w.s.is_transposed)
            mr_patches_read(&w.patches, mr_row(node->grad, node, i), w.planes);
        else if (trains && !w.s.is_pointwise)
            mr_patches_read(&w.patches, mr_row(input->value, input, i), w.planes);
        if (trains || (shift && shift->grad))
            add_up_places(&w, rows, i);
        if (trains)
            train_weight(&w, rows, i);
        if (mr_node_passes(node, IMAGE))
            pass(&w, i);
    }
    if (trains && w.s.is_transposed)
        end_weight(&w, rows);
}

static const mr_op op_conv = {
    .name = "conv2d",
    .options_size = sizeof(conv_options),
    .reads = MR_READS_INPUTS_TRAINED,
    .forward = conv_forward,
    .backward = conv_backward,
};

static const mr_op op_conv_relu = {
    .name = "conv2d_relu",
    .options_size = sizeof(conv_options),
    .reads = MR_READS_OUTPUT | MR_READS_INPUTS_TRAINED,
    .forward = conv_forward,
    .backward = conv_backward,
};

static size_t size_after(size_t size, const mr_conv2d_options *o) {
    assert(size + 2 * o->padding >= o->kernel);
    return (size + 2 * o->padding - o->kernel) / o->stride + 1;
}

static size_t count_scratch(mr_shape in, mr_shape out, const mr_conv2d_options *o) {
    const sizes s = sizes_of(in, out, o);
    const size_t n_weights = s.n_out * s.n_taps * s.n_in;
    if (s.is_pointwise)
        return 0;
    return s.is_transposed ? s.n_out * s.n_taps * s.n_places + 2 * n_weights
                           : s.n_in * s.n_taps * s.n_places;
}

mr_node *mr_conv2d(mr_node *x, mr_node *shift, mr_params *params, mr_param weight, mr_param bias,
                   mr_conv2d_options options) {
    if (!x)
        return NULL;
    assert(options.kernel > 0 && options.stride > 0 && bias.cols == weight.rows);
    assert(weight.cols == x->shape.channels * options.kernel * options.kernel);
    assert(!shift || shift->cols == weight.rows);
    const mr_shape shape = {weight.rows, size_after(x->shape.height, &options),
                            size_after(x->shape.width, &options)};
    const size_t n = count_scratch(x->shape, shape, &options);
    const conv_options own = {options, n > 0 ? mr_graph_scratch(x->graph, n) : NULL, n};
    mr_node *node = mr_node_of(options.relu ? &op_conv_relu : &op_conv,
                               shape.channels * shape.height * shape.width, &own, shift ? 2 : 1,
                               (mr_node *[]){[IMAGE] = x, [SHIFT] = shift});
    if (!node)
        return NULL;
    node->shape = shape;
    mr_node_use(node, params, 2, (const mr_param[]){[WEIGHT] = weight, [BIAS] = bias});
    return node;
}
