// Variational dequantisation.

#include "flows/dequantiser.h"

#include <string.h>

// Couplings of a checkerboard, the first two of which move each pixel's noise by all pixels around
// it, and the others again.
static const char variational[] = "[coupling(affine, net=conv, hidden=32x32, mask=checkerboard)]*4";

// Uniform numbers stay this far from 0 and 1, so that a logistic one is finite in float32; it cuts
// off a mass of 2e-7.
static const double least = 1e-7;

mr_status mr_dequantiser_new(const char *text, mr_shape image, size_t context_dim,
                             mr_params *params, mr_flow **out) {
    const size_t dim = image.channels * image.height * image.width;
    if (strcmp(text, "uniform") == 0) {
        *out = NULL;
        return MR_OK;
    }
    if (dim == 0)
        return mr_fail(MR_ERR_USAGE,
                       "dequantisation '%.200s' is for the pixels of an image; leave it uniform",
                       text);
    return mr_flow_create(
        &(mr_flow_spec){.text = strcmp(text, "variational") == 0 ? variational : text,
                        .use = MR_FLOW_TO_SAMPLE,
                        .dim = dim,
                        .image = image,
                        .context_dim = dim + context_dim,
                        .context_image = image},
        params, "noise", out);
}

// log(f(e)) of a logistic e is log sigmoid(e) + log sigmoid(-e), and so is the logarithm of du/dw
// at w: -(softplus(e) + softplus(-e)).
static mr_node *log_slope(mr_node *w) {
    mr_node *both = mr_add(mr_softplus(w), mr_softplus(mr_affine(w, -1, 0)));
    return mr_affine(mr_row_sum(both), -1, 0);
}

mr_node *mr_dequantiser_build(const mr_flow *flow, mr_params *params, mr_node *pixels,
                              mr_node *context, mr_node **log_q) {
    mr_node *log_det = NULL;
    mr_node *uniform = mr_clamp(mr_uniform_like(pixels), least, 1 - least);
    mr_node *e = mr_sub(mr_log(uniform), mr_log(mr_affine(uniform, -1, 1)));
    mr_node *seen = context ? mr_concat(pixels, context) : pixels;
    mr_node *w = mr_flow_forward(flow, params, e, seen, &log_det);
    mr_node *log_prob = mr_sub(log_slope(e), log_slope(w));
    *log_q = log_det ? mr_sub(log_prob, log_det) : log_prob;
    return mr_sigmoid(w);
}
