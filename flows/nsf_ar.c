// The neural spline flow in its autoregressive form (Durkan et al. 2019, arXiv:1906.04032).
//
//     z_j = spline_j(x_j),   the spline's parameters = net(x before j, context).
//
// From data to base in one pass; back in as many passes as there are features (see made.h).

#include "flows/masked_mlp.h"
#include "flows/spline.h"

static mr_status nsf_ar_declare(mr_flow_layer *layer, mr_params *params, const char *prefix) {
    return mr_masked_mlp_declare(layer->state, layer, params, prefix, mr_spline_n_outputs(layer));
}

static mr_node *nsf_ar_forward(const mr_flow_layer *layer, mr_params *params, mr_node *z,
                               mr_node *context, mr_node **log_det) {
    return mr_masked_mlp_unroll(layer->state, layer, params, z, context, mr_spline_move_inverse,
                                log_det);
}

static mr_node *nsf_ar_inverse(const mr_flow_layer *layer, mr_params *params, mr_node *x,
                               mr_node *context, mr_node **log_det) {
    return mr_spline_move(layer, x, mr_masked_mlp_build(layer->state, params, x, context), log_det);
}

static const mr_flow_option options[] = {
    {"layers", MR_FLOW_COUNT, offsetof(mr_flow_options, layers), "3", 64, "autoregressive layers"},
    {"hidden", MR_FLOW_WIDTHS, offsetof(mr_flow_options, hidden), "64x64", 0,
     "widths of each layer's net"},
    MR_SPLINE_OPTIONS,
};

const mr_flow_kind mr_flow_nsf_ar = {
    .name = "nsf_ar",
    .summary = "autoregressive splines, in one pass from data to base (Durkan et al. 2019)",
    .options = options,
    .n_options = MR_COUNT(options),
    .state_size = sizeof(mr_masked_mlp),
    .natural = MR_NATURAL_INVERSE,
    .declare = nsf_ar_declare,
    .forward = nsf_ar_forward,
    .inverse = nsf_ar_inverse,
};
