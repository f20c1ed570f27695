// The neural spline flow as couplings (Durkan et al. 2019, arXiv:1906.04032).
//
//     x_a = z_a,   x_b = spline(z_b),   the splines' parameters = net(z_a, context).

#include "flows/coupling.h"
#include "flows/spline.h"

static mr_status nsf_declare(mr_flow_layer *layer, mr_params *params, const char *prefix) {
    return mr_coupling_declare(layer->state, layer, params, prefix, mr_spline_n_outputs(layer));
}

static mr_node *nsf_forward(const mr_flow_layer *layer, mr_params *params, mr_node *z,
                            mr_node *context, mr_node **log_det) {
    const mr_coupling *c = layer->state;
    const mr_coupling_parts parts = mr_coupling_split(c, params, z, context);
    return mr_coupling_join(c, parts.a, mr_spline_move(layer, parts.b, parts.out, log_det));
}

static mr_node *nsf_inverse(const mr_flow_layer *layer, mr_params *params, mr_node *x,
                            mr_node *context, mr_node **log_det) {
    const mr_coupling *c = layer->state;
    const mr_coupling_parts parts = mr_coupling_split(c, params, x, context);
    return mr_coupling_join(c, parts.a, mr_spline_move_inverse(layer, parts.b, parts.out, log_det));
}

static const mr_flow_option options[] = {
    {"layers", MR_FLOW_COUNT, offsetof(mr_flow_options, layers), "4", 64, "couplings"},
    {"hidden", MR_FLOW_WIDTHS, offsetof(mr_flow_options, hidden), "64x64", 0,
     "widths of each coupling's net"},
    MR_SPLINE_OPTIONS,
};

const mr_flow_kind mr_flow_nsf = {
    .name = "nsf",
    .summary = "couplings by rational-quadratic splines (Durkan et al. 2019)",
    .options = options,
    .n_options = MR_COUNT(options),
    .state_size = sizeof(mr_coupling),
    .declare = nsf_declare,
    .forward = nsf_forward,
    .inverse = nsf_inverse,
};
