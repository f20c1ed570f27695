// IAF: inverse autoregressive flow (Kingma et al. 2016, arXiv:1606.04934).
//
//     x_j = z_j exp(alpha_j) + mu_j,   (alpha_j, mu_j) = net(z before j, context),
//     log |det dx/dz| = sum alpha.
//
// From base to sample in one pass; back in as many passes as there are features (see made.h).

#include "flows/masked_mlp.h"
#include "flows/scale.h"

enum { N_OUTPUTS = 2 }; // of the net for each feature: alpha before it is bounded, and mu

static mr_status iaf_declare(mr_flow_layer *layer, mr_params *params, const char *prefix) {
    return mr_masked_mlp_declare(layer->state, layer, params, prefix, N_OUTPUTS);
}

static mr_node *iaf_forward(const mr_flow_layer *layer, mr_params *params, mr_node *z,
                            mr_node *context, mr_node **log_det) {
    return mr_scale_shift(z, mr_masked_mlp_build(layer->state, params, z, context), log_det);
}

static mr_node *scale_shift_inverse(const mr_flow_layer *layer, mr_node *x, mr_node *out,
                                    mr_node **log_det) {
    (void)layer;
    return mr_scale_shift_inverse(x, out, log_det);
}

static mr_node *iaf_inverse(const mr_flow_layer *layer, mr_params *params, mr_node *x,
                            mr_node *context, mr_node **log_det) {
    return mr_masked_mlp_unroll(layer->state, layer, params, x, context, scale_shift_inverse,
                                log_det);
}

static const mr_flow_option options[] = {
    {"layers", MR_FLOW_COUNT, offsetof(mr_flow_options, layers), "5", 64, "autoregressive layers"},
    {"hidden", MR_FLOW_WIDTHS, offsetof(mr_flow_options, hidden), "64x64", 0,
     "widths of each layer's net"},
};

const mr_flow_kind mr_flow_iaf = {
    .name = "iaf",
    .summary = "autoregressive, in one pass from base to sample (Kingma et al. 2016)",
    .options = options,
    .n_options = MR_COUNT(options),
    .is_affine = true,
    .state_size = sizeof(mr_masked_mlp),
    .natural = MR_NATURAL_FORWARD,
    .declare = iaf_declare,
    .forward = iaf_forward,
    .inverse = iaf_inverse,
};
