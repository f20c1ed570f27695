// Conditioners of images.

#include "flows/conditioner.h"

#include <stdio.h>

enum { KERNEL = 3 };

/// A convolution that keeps height and width.
typedef struct {
    size_t kernel;
    mr_param weight, bias;
} convolution;

// PREFIX.i.weight and PREFIX.i.bias.
static convolution declare_convolution(mr_params *params, const char *prefix, size_t i,
                                       size_t n_out, size_t n_in, size_t kernel,
                                       mr_initializer init) {
    char name[256];
    const size_t fan_in = n_in * kernel * kernel;
    convolution c = {.kernel = kernel};
    snprintf(name, sizeof name, "%s.%zu.weight", prefix, i);
    c.weight = mr_params_add(params, name, n_out, fan_in, init, fan_in, NULL);
    snprintf(name, sizeof name, "%s.%zu.bias", prefix, i);
    c.bias = mr_params_add(params, name, 1, n_out, init, fan_in, NULL);
    return c;
}

// `shift` as mr_conv2d's.
static mr_node *convolve(const convolution *c, mr_params *params, mr_node *x, mr_node *shift,
                         bool relu) {
    return mr_conv2d(x, shift, params, c->weight, c->bias,
                     (mr_conv2d_options){
                         .kernel = c->kernel, .stride = 1, .padding = c->kernel / 2, .relu = relu});
}

// What a net sees: the features, and the image in the context as further channels. The rest of the
// context adds a number to each channel of the first convolution's result, the same in all places.

typedef struct {
    mr_shape in;    // of features and context's image together
    size_t n_image; // numbers of the context's image; 0: there is none
    size_t n_rest;  // of the context without them
} seen;

static seen see(const mr_conditioner_spec *spec) {
    const size_t n_image = mr_shape_count(spec->context_image);
    return (seen){
        .in = {spec->in.channels + spec->context_image.channels, spec->in.height, spec->in.width},
        .n_image = n_image,
        .n_rest = spec->context_dim - n_image};
}

static mr_node *image_of(const seen *s, mr_node *x, mr_node *context) {
    return mr_reshape(s->n_image > 0 ? mr_concat(x, mr_slice(context, 0, s->n_image)) : x, s->in);
}

static mr_node *rest_of(const seen *s, mr_node *context) {
    return s->n_image > 0 && s->n_rest > 0 ? mr_slice(context, s->n_image, s->n_rest)
           : s->n_rest > 0                 ? context
                                           : NULL;
}

static mr_param declare_context(mr_params *params, const char *prefix, size_t n_channels,
                                size_t context_dim, mr_initializer init) {
    char name[256];
    snprintf(name, sizeof name, "%s.context.weight", prefix);
    return mr_params_add(params, name, n_channels, context_dim, init, context_dim, NULL);
}

// What the rest of the context, if there is any, adds to the channels.
static mr_node *shift_by(mr_node *rest, mr_params *params, mr_param weight) {
    return rest ? mr_linear_without_bias(rest, params, weight) : NULL;
}

// ---- The net of Glow's couplings (Kingma and Dhariwal 2018, arXiv:1807.03039, section 4): a 3 x 3
// convolution, 1 x 1 convolutions, a 3 x 3 one that starts at zero, with ReLU between them.

typedef struct {
    seen seen;
    size_t n_layers;
    convolution layer[MR_MAX_HIDDEN + 1];
    mr_param context; // [channels of the first layer x n_rest], if there is a rest
} conv;

static mr_status conv_declare(void *state, mr_params *params, const char *prefix,
                              const mr_conditioner_spec *spec) {
    conv *net = state;
    const mr_widths *hidden = &spec->hidden;
    net->seen = see(spec);
    net->n_layers = hidden->n + 1;
    for (size_t i = 0; i <= hidden->n; i++) {
        const bool is_first = i == 0, is_last = i == hidden->n;
        net->layer[i] = declare_convolution(
            params, prefix, i, is_last ? spec->n_out : hidden->width[i],
            is_first ? net->seen.in.channels : hidden->width[i - 1],
            is_first || is_last ? KERNEL : 1, is_last ? MR_INIT_ZERO : MR_INIT_FAN_IN);
    }
    if (net->seen.n_rest > 0)
        net->context = declare_context(params, prefix, net->layer[0].weight.rows, net->seen.n_rest,
                                       hidden->n > 0 ? MR_INIT_FAN_IN : MR_INIT_ZERO);
    return MR_OK;
}

static mr_node *conv_build(const void *state, mr_params *params, mr_node *x, mr_node *context) {
    const conv *net = state;
    mr_node *y = image_of(&net->seen, x, context);
    mr_node *shift = shift_by(rest_of(&net->seen, context), params, net->context);
    for (size_t i = 0; i < net->n_layers; i++)
        y = convolve(&net->layer[i], params, y, i == 0 ? shift : NULL, i + 1 < net->n_layers);
    return y;
}

const mr_conditioner_ops mr_conditioner_conv = {
    .name = "conv",
    .summary = "for images: convolutions of 3 x 3, 1 x 1 ... and 3 x 3, with ReLU and the widths "
               "`hidden` between them",
    .convolves = true,
    .state_size = sizeof(conv),
    .declare = conv_declare,
    .build = conv_build,
};

// ---- A residual net, as that of Real NVP (Dinh et al. 2017, arXiv:1605.08803, section 3.3; blocks
// of He et al. 2016): a 3 x 3 convolution, blocks x + conv(relu(conv(relu(x)))) of 3 x 3, and ReLU
// with a 3 x 3 convolution that starts at zero.

typedef struct {
    seen seen;
    size_t n_blocks;
    convolution first, block[MR_MAX_HIDDEN][2], last;
    mr_param context; // [channels of the first layer x n_rest], if there is a rest
} conv_residual;

static mr_status residual_declare(void *state, mr_params *params, const char *prefix,
                                  const mr_conditioner_spec *spec) {
    conv_residual *net = state;
    const size_t *width = spec->hidden.width;
    net->seen = see(spec);
    net->n_blocks = spec->hidden.n - 1;
    net->first = declare_convolution(params, prefix, 0, width[0], net->seen.in.channels, KERNEL,
                                     MR_INIT_FAN_IN);
    for (size_t i = 0; i < net->n_blocks; i++)
        for (size_t k = 0; k < 2; k++) {
            const size_t n_in = k == 0 ? width[0] : width[i + 1];
            const size_t n_out = k == 0 ? width[i + 1] : width[0];
            net->block[i][k] = declare_convolution(params, prefix, 1 + 2 * i + k, n_out, n_in,
                                                   KERNEL, MR_INIT_FAN_IN);
        }
    net->last = declare_convolution(params, prefix, 1 + 2 * net->n_blocks, spec->n_out, width[0],
                                    KERNEL, MR_INIT_ZERO);
    if (net->seen.n_rest > 0)
        net->context = declare_context(params, prefix, width[0], net->seen.n_rest, MR_INIT_FAN_IN);
    return MR_OK;
}

static mr_node *residual_build(const void *state, mr_params *params, mr_node *x, mr_node *context) {
    const conv_residual *net = state;
    mr_node *shift = shift_by(rest_of(&net->seen, context), params, net->context);
    mr_node *y = convolve(&net->first, params, image_of(&net->seen, x, context), shift, false);
    for (size_t i = 0; i < net->n_blocks; i++) {
        mr_node *inside = convolve(&net->block[i][0], params, mr_relu(y), NULL, true);
        y = mr_add(y, convolve(&net->block[i][1], params, inside, NULL, false));
    }
    return convolve(&net->last, params, mr_relu(y), NULL, false);
}

const mr_conditioner_ops mr_conditioner_conv_residual = {
    .name = "conv_residual",
    .summary = "for images: a convolution of 3 x 3 to the first width, then a "
               "residual block of two "
               "for each further one",
    .convolves = true,
    .state_size = sizeof(conv_residual),
    .declare = residual_declare,
    .build = residual_build,
};
