// Parameters emitted from the context, or free.

#include "flows/conditioner.h"

#include <stdio.h>

mr_status mr_conditioner_declare(mr_conditioner *conditioner, const mr_flow_layer *layer,
                                 mr_params *params, const char *prefix, size_t n, size_t n_drawn,
                                 size_t fan_in) {
    mr_real *drawn = mr_arena_alloc(layer->arena, n * sizeof *drawn);
    char name[256];
    if (!drawn)
        return mr_fail_memory("a flow");
    for (size_t j = 0; j < n_drawn; j++)
        drawn[j] = 1;
    conditioner->conditional = layer->context_dim > 0;
    if (conditioner->conditional) {
        snprintf(name, sizeof name, "%s.weight", prefix);
        conditioner->weight =
            mr_params_add(params, name, n, layer->context_dim, MR_INIT_ZERO, 1, NULL);
    }
    snprintf(name, sizeof name, "%s.bias", prefix);
    conditioner->bias = mr_params_add(params, name, 1, n, MR_INIT_FAN_IN, fan_in, drawn);
    return MR_OK;
}

mr_node *mr_conditioner_build(const mr_conditioner *conditioner, mr_params *params, mr_node *x,
                              mr_node *context) {
    return conditioner->conditional
               ? mr_linear(context, params, conditioner->weight, conditioner->bias, MR_IDENTITY)
               : mr_param_rows(mr_node_graph(x), params, conditioner->bias);
}
