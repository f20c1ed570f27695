// MAF: masked autoregressive flow (Papamakarios, Pavlakou and Murray 2017, arXiv:1705.07057).
//
//     z_j = (x_j - mu_j) exp(-alpha_j),   (alpha_j, mu_j) = net(x before j, context),
//     log |det dz/dx| = -sum alpha.
//
// From data to base in one pass; back in as many passes as there are features (see made.h).

#include "flows/masked_mlp.h"
#include "flows/scale.h"

enum { N_OUTPUTS = 2 }; // of the net for each feature: alpha before it is bounded, and mu

static mr_status maf_declare(mr_flow_layer *layer, mr_params *params, const char *prefix) {
    return mr_masked_mlp_declare(layer->state, layer, params, prefix, N_OUTPUTS);
}

static mr_node *scale_shift(const mr_flow_layer *layer, mr_node *x, mr_node *out,
                            mr_node **log_det) {
    (void)layer;
    return mr_scale_shift(x, out, log_det);
}

static mr_node *maf_forward(const mr_flow_layer *layer, mr_params *params, mr_node *z,
                            mr_node *context, mr_node **log_det) {
    return mr_masked_mlp_unroll(layer->state, layer, params, z, context, scale_shift, log_det);
}

static mr_node *maf_inverse(const mr_flow_layer *layer, mr_params *params, mr_node *x,
                            mr_node *context, mr_node **log_det) {
    return mr_scale_shift_inverse(x, mr_masked_mlp_build(layer->state, params, x, context),
                                  log_det);
}

static const mr_flow_option options[] = {
    {"layers", MR_FLOW_COUNT, offsetof(mr_flow_options, layers), "5", 64, "autoregressive layers"},
    {"hidden", MR_FLOW_WIDTHS, offsetof(mr_flow_options, hidden), "64x64", 0,
     "widths of each layer's net"},
};

const mr_flow_kind mr_flow_maf = {
    .name = "maf",
    .summary = "autoregressive, in one pass from data to base (Papamakarios et al. 2017)",
    .options = options,
    .n_options = MR_COUNT(options),
    .is_affine = true,
    .state_size = sizeof(mr_masked_mlp),
    .natural = MR_NATURAL_INVERSE,
    .declare = maf_declare,
    .forward = maf_forward,
    .inverse = maf_inverse,
};
