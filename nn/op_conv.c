// Two-dimensional convolution.
//
// An image's patches are written side by side as the columns of a matrix (im2col), and the
// convolution is that matrix times the weights, by OpenBLAS. With 32 channels to 32 by 3 x 3 on 32
// x 32, batch 64, one thread (float32, seconds of CPU time, AMD EPYC with AVX2), that goes at 44 to
// 54 GFLOP/s, a plain product at 70 to 85. oneDNN 2.6 reaches 31 on this layout; its 70 to 87 need
// a layout of its own for all that lies between convolutions.

#include "nn/op.h"

#include "nn/gemm.h"

#include <string.h>

enum { WEIGHT, BIAS };

typedef struct {
    mr_conv2d_options options;
    mr_real *scratch; // each thread's patches [patch x n_patches]
} conv_options;

/// The sizes of a node's products.
typedef struct {
    size_t n_out;      // channels of the result
    size_t n_patches;  // places of the result
    size_t patch;      // numbers in a patch: channels of the input times kernel^2
    bool is_pointwise; // patches are the input itself
} sizes;

static const conv_options *options_of(const mr_node *node) {
    return node->options;
}

static sizes sizes_of(const mr_node *node) {
    const mr_conv2d_options *o = &options_of(node)->options;
    return (sizes){.n_out = node->shape.channels,
                   .n_patches = node->shape.height * node->shape.width,
                   .patch = node->input[0]->shape.channels * o->kernel * o->kernel,
                   .is_pointwise = o->kernel == 1 && o->stride == 1 && o->padding == 0};
}

static mr_real *scratch_of(const mr_node *node, int thread) {
    const sizes s = sizes_of(node);
    return options_of(node)->scratch + (size_t)thread * s.patch * s.n_patches;
}

// ---- Patches

/// One line of patches: the numbers of one channel at one offset within the kernel that belong to
/// one line of the result.
typedef struct {
    size_t first, end;   // columns of the result whose number lies inside the image
    const mr_real *from; // the number of column `first`, NULL: the whole line is padding
} line;

// The first column of the result that reads at or behind `at`, an index of the padded line.
static size_t first_column(size_t at, size_t stride) {
    return (at + stride - 1) / stride;
}

static line find_line(const mr_node *node, const mr_real *channel, size_t ky, size_t kx, size_t y) {
    const mr_conv2d_options *o = &options_of(node)->options;
    const mr_shape in = node->input[0]->shape;
    const size_t row = y * o->stride + ky; // of the padded image
    if (row < o->padding || row >= in.height + o->padding)
        return (line){0};
    const size_t left = o->padding > kx ? o->padding - kx : 0;
    const size_t right = in.width + o->padding > kx ? in.width + o->padding - kx : 0;
    const size_t end = first_column(right, o->stride);
    line l = {.first = first_column(left, o->stride),
              .end = end < node->shape.width ? end : node->shape.width};
    if (l.first < l.end)
        l.from = channel + (row - o->padding) * in.width + l.first * o->stride + kx - o->padding;
    return l;
}

static void read_line(const line *l, size_t stride, size_t n, mr_real *to) {
    if (!l->from) {
        memset(to, 0, n * sizeof *to);
        return;
    }
    memset(to, 0, l->first * sizeof *to);
    if (stride == 1)
        memcpy(to + l->first, l->from, (l->end - l->first) * sizeof *to);
    else
        for (size_t x = l->first; x < l->end; x++)
            to[x] = l->from[(x - l->first) * stride];
    memset(to + l->end, 0, (n - l->end) * sizeof *to);
}

static void add_line(const line *l, size_t stride, const mr_real *from, mr_real *to) {
    for (size_t x = l->first; x < l->end; x++)
        to[(x - l->first) * stride] += from[x];
}

/// A walk over all lines of an image's patches, in the order of the matrix of patches.
typedef struct {
    size_t channel, ky, kx, y;
} position;

static bool next_position(const mr_node *node, position *at) {
    const size_t kernel = options_of(node)->options.kernel;
    if (++at->y < node->shape.height)
        return true;
    at->y = 0;
    if (++at->kx < kernel)
        return true;
    at->kx = 0;
    if (++at->ky < kernel)
        return true;
    at->ky = 0;
    return ++at->channel < node->input[0]->shape.channels;
}

static line line_at(const mr_node *node, const position *at, const mr_real *image) {
    const mr_shape in = node->input[0]->shape;
    return find_line(node, image + at->channel * in.height * in.width, at->ky, at->kx, at->y);
}

static const mr_real *read_patches(const mr_node *node, const mr_real *image, mr_real *patches) {
    const size_t stride = options_of(node)->options.stride, n = node->shape.width;
    if (sizes_of(node).is_pointwise)
        return image;
    position at = {0};
    mr_real *to = patches;
    do {
        const line l = line_at(node, &at, image);
        read_line(&l, stride, n, to);
        to += n;
    } while (next_position(node, &at));
    return patches;
}

static void add_patches(const mr_node *node, const mr_real *patches, mr_real *image) {
    const size_t stride = options_of(node)->options.stride;
    position at = {0};
    do {
        const line l = line_at(node, &at, image);
        if (l.from)
            add_line(&l, stride, patches, image + (l.from - image));
        patches += node->shape.width;
    } while (next_position(node, &at));
}

// ---- The op

static void conv_forward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    const sizes s = sizes_of(node);
    const mr_real *bias = mr_node_param(node, BIAS);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *y = mr_row(node->value, node, i);
        const mr_real *patches =
            read_patches(node, mr_row(input->value, input, i), scratch_of(node, rows.thread));
        mr_gemm(false, false, s.n_out, s.n_patches, s.patch, mr_node_param(node, WEIGHT), patches,
                false, y);
        for (size_t c = 0; c < s.n_out; c++)
            for (size_t k = 0; k < s.n_patches; k++)
                y[c * s.n_patches + k] += bias[c];
    }
}

static void train(const mr_node *node, mr_rows rows, size_t row) {
    const mr_node *input = node->input[0];
    const sizes s = sizes_of(node);
    const bool is_first = row == rows.first;
    const mr_real *dy = mr_row(node->grad, node, row);
    mr_real *d_bias = mr_node_param_grad(node, BIAS, rows.thread);
    mr_gemm(false, true, s.n_out, s.patch, s.n_patches, dy,
            read_patches(node, mr_row(input->value, input, row), scratch_of(node, rows.thread)),
            mr_node_adds_param(node, WEIGHT, rows) || !is_first,
            mr_node_param_grad(node, WEIGHT, rows.thread));
    for (size_t c = 0; c < s.n_out; c++) {
        double sum = 0;
        for (size_t k = 0; k < s.n_patches; k++)
            sum += (double)dy[c * s.n_patches + k];
        const mr_real d = (mr_real)sum;
        mr_put(mr_node_adds_param(node, BIAS, rows) || !is_first, 1, &d, d_bias + c);
    }
}

static void pass(const mr_node *node, mr_rows rows, size_t row) {
    const mr_node *input = node->input[0];
    const sizes s = sizes_of(node);
    const mr_real *dy = mr_row(node->grad, node, row);
    mr_real *dx = mr_row(input->grad, input, row);
    if (s.is_pointwise) {
        mr_gemm(true, false, s.patch, s.n_patches, s.n_out, mr_node_param(node, WEIGHT), dy,
                node->adds[0], dx);
        return;
    }
    mr_real *patches = scratch_of(node, rows.thread);
    mr_gemm(true, false, s.patch, s.n_patches, s.n_out, mr_node_param(node, WEIGHT), dy, false,
            patches);
    if (!node->adds[0])
        memset(dx, 0, input->cols * sizeof *dx);
    add_patches(node, patches, dx);
}

static void conv_backward(const mr_node *node, mr_rows rows) {
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        if (node->set >= 0)
            train(node, rows, i);
        if (mr_node_passes(node, 0))
            pass(node, rows, i);
    }
}

static const mr_op op_conv = {
    .name = "conv2d",
    .options_size = sizeof(conv_options),
    .reads = MR_READS_INPUTS_TRAINED,
    .forward = conv_forward,
    .backward = conv_backward,
};

static size_t size_after(size_t size, const mr_conv2d_options *o) {
    assert(size + 2 * o->padding >= o->kernel);
    return (size + 2 * o->padding - o->kernel) / o->stride + 1;
}

mr_node *mr_conv2d(mr_node *x, mr_params *params, mr_param weight, mr_param bias,
                   mr_conv2d_options options) {
    if (!x)
        return NULL;
    assert(options.kernel > 0 && options.stride > 0 && bias.cols == weight.rows);
    assert(weight.cols == x->shape.channels * options.kernel * options.kernel);
    const mr_shape shape = {weight.rows, size_after(x->shape.height, &options),
                            size_after(x->shape.width, &options)};
    const conv_options own = {options,
                              mr_graph_scratch(x->graph, weight.cols * shape.height * shape.width)};
    mr_node *node = mr_node_of(&op_conv, shape.channels * shape.height * shape.width, &own, 1, &x);
    if (!node)
        return NULL;
    node->shape = shape;
    mr_node_use(node, params, 2, (const mr_param[]){[WEIGHT] = weight, [BIAS] = bias});
    return node;
}
