// A single linear layer as a conditioner of couplings: docs/extending.md goes through this file.

#include "flows/conditioner.h"

#include <stdio.h>

typedef struct {
    mr_param weight, bias;
} linear;

// It starts as the constant 0, as every conditioner must, so that the coupling starts as the
// identity.
static mr_status linear_declare(void *state, mr_params *params, const char *prefix,
                                const mr_conditioner_spec *spec) {
    linear *l = state;
    const size_t n_in = mr_shape_count(spec->in) + spec->context_dim, n_out = spec->n_out;
    char name[256];
    snprintf(name, sizeof name, "%s.weight", prefix);
    l->weight = mr_params_add(params, name, n_out, n_in, MR_INIT_ZERO, n_in, NULL);
    snprintf(name, sizeof name, "%s.bias", prefix);
    l->bias = mr_params_add(params, name, 1, n_out, MR_INIT_ZERO, n_in, NULL);
    return MR_OK;
}

static mr_node *linear_build(const void *state, mr_params *params, mr_node *x, mr_node *context) {
    const linear *l = state;
    mr_node *in = x && context ? mr_concat(x, context) : x ? x : context;
    return mr_linear(in, params, l->weight, l->bias, MR_IDENTITY);
}

extern const mr_conditioner_ops mr_conditioner_linear;

const mr_conditioner_ops mr_conditioner_linear = {
    .name = "linear",
    .summary = "one linear layer",
    .state_size = sizeof(linear),
    .declare = linear_declare,
    .build = linear_build,
};
