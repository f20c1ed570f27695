// Real NVP: affine couplings (Dinh, Sohl-Dickstein and Bengio 2017, arXiv:1605.08803).
//
//     x_a = z_a,   x_b = z_b exp(s) + t,   (s, t) = net(z_a, context),   log |det dx/dz| = sum s.

#include "flows/coupling.h"

enum { N_OUTPUTS = 2 }; // of the net for each feature: s_hat and t

static mr_status real_nvp_declare(mr_flow_layer *layer, mr_params *params, const char *prefix) {
    return mr_coupling_declare(layer->state, layer, params, prefix, N_OUTPUTS);
}

static mr_node *real_nvp_forward(const mr_flow_layer *layer, mr_params *params, mr_node *z,
                                 mr_node *context, mr_node **log_det) {
    return mr_affine_coupling_forward(layer->state, params, z, context, log_det);
}

static mr_node *real_nvp_inverse(const mr_flow_layer *layer, mr_params *params, mr_node *x,
                                 mr_node *context, mr_node **log_det) {
    return mr_affine_coupling_inverse(layer->state, params, x, context, log_det);
}

static const mr_flow_option options[] = {
    {"layers", MR_FLOW_COUNT, offsetof(mr_flow_options, layers), "4", 64, "couplings"},
    {"hidden", MR_FLOW_WIDTHS, offsetof(mr_flow_options, hidden), "64x64", 0,
     "widths of each coupling's net"},
};

const mr_flow_kind mr_flow_real_nvp = {
    .name = "real_nvp",
    .summary = "affine couplings (Dinh et al. 2017)",
    .options = options,
    .n_options = MR_COUNT(options),
    .is_affine = true,
    .state_size = sizeof(mr_coupling),
    .declare = real_nvp_declare,
    .forward = real_nvp_forward,
    .inverse = real_nvp_inverse,
};
