// Conditioners: nets, and parameters without a net.

#include "flows/conditioner.h"

#include <stdio.h>

// ---- Multi-layer perceptrons

static size_t count_inputs(const mr_conditioner_spec *spec) {
    return mr_shape_count(spec->in) + spec->context_dim;
}

static mr_status mlp_declare(void *state, mr_params *params, const char *prefix,
                             const mr_conditioner_spec *spec) {
    *(mr_mlp *)state = mr_mlp_declare(params, prefix, count_inputs(spec), &spec->hidden,
                                      spec->n_out, MR_INIT_ZERO);
    return MR_OK;
}

static mr_status residual_declare(void *state, mr_params *params, const char *prefix,
                                  const mr_conditioner_spec *spec) {
    mr_mlp_spec mlp = mr_mlp_plain(&spec->hidden);
    mlp.residual = true;
    mlp.norm = MR_NORM_LAYER;
    *(mr_mlp *)state =
        mr_mlp_declare_spec(params, prefix, count_inputs(spec), &mlp, spec->n_out, MR_INIT_ZERO);
    return MR_OK;
}

static mr_node *mlp_build(const void *state, mr_params *params, mr_node *x, mr_node *context) {
    return mr_mlp_build(state, params, x && context ? mr_concat(x, context) : x ? x : context);
}

static const mr_conditioner_ops mlp = {
    .name = "mlp",
    .summary = "ReLU layers of the widths `hidden`",
    .state_size = sizeof(mr_mlp),
    .declare = mlp_declare,
    .build = mlp_build,
};

static const mr_conditioner_ops residual = {
    .name = "residual",
    .summary = "a ReLU layer of the first width, then a residual block for each further one, with "
               "layer norm",
    .state_size = sizeof(mr_mlp),
    .declare = residual_declare,
    .build = mlp_build,
};

const mr_conditioner_ops *const mr_conditioner_table[] = {&mlp, &residual, &mr_conditioner_conv,
                                                          &mr_conditioner_conv_residual};
const char mr_conditioner_names[] = "mlp|residual|conv|conv_residual";

// ---- Parameters without a net

mr_status mr_linear_conditioner_declare(mr_linear_conditioner *c, const mr_part *part,
                                        mr_params *params, const char *prefix, size_t n,
                                        size_t n_drawn, size_t fan_in) {
    mr_real *drawn = mr_arena_alloc(part->arena, n * sizeof *drawn);
    char name[256];
    if (!drawn)
        return mr_fail_memory("a flow");
    for (size_t j = 0; j < n_drawn; j++)
        drawn[j] = 1;
    c->conditional = part->context_dim > 0;
    if (c->conditional) {
        snprintf(name, sizeof name, "%s.weight", prefix);
        c->weight = mr_params_add(params, name, n, part->context_dim, MR_INIT_ZERO, 1, NULL);
    }
    snprintf(name, sizeof name, "%s.bias", prefix);
    c->bias = mr_params_add(params, name, 1, n, MR_INIT_FAN_IN, fan_in, drawn);
    return MR_OK;
}

mr_node *mr_linear_conditioner_build(const mr_linear_conditioner *c, mr_params *params, mr_node *x,
                                     mr_node *context) {
    return c->conditional ? mr_linear(context, params, c->weight, c->bias, MR_IDENTITY)
                          : mr_param_rows(mr_node_graph(x), params, c->bias);
}
