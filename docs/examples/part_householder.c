// A Householder reflection as a part of a flow (Tomczak and Welling 2016, arXiv:1611.09630):
// docs/extending.md goes through this file.
//
//     y = x - 2 v (v.x) / (v.v)
//
// It is its own inverse, and keeps all volumes.

#include "flows/part.h"

#include <stdio.h>

typedef struct {
    double scale; // of the vector's start
} householder_options;

typedef struct {
    mr_param v; // [1 x dim]
} householder;

static mr_status householder_declare(mr_part *part, mr_params *params, const char *prefix) {
    householder *h = part->state;
    const householder_options *o = part->options;
    const size_t fan_in = (size_t)(1 / (o->scale * o->scale) + 0.5); // uniform on +-scale
    char name[256];
    snprintf(name, sizeof name, "%s.v", prefix);
    h->v = mr_params_add(params, name, 1, part->dim, MR_INIT_FAN_IN, fan_in, NULL);
    return MR_OK;
}

static mr_node *householder_reflect(const mr_part *part, mr_params *params, mr_node *x,
                                    mr_node *context, mr_node **log_det) {
    const householder *h = part->state;
    (void)context, (void)log_det;
    mr_node *v = mr_param_rows(mr_node_graph(x), params, h->v);
    mr_node *share = mr_div(mr_row_sum(mr_mul(v, x)), mr_row_sum(mr_square(v)));
    return mr_sub(x, mr_mul(v, mr_affine(share, 2, 0)));
}

static const mr_flow_option rows[] = {
    {.name = "scale",
     .type = MR_FLOW_OPTION_REAL,
     .offset = offsetof(householder_options, scale),
     .initial = "1",
     .min = 0.001,
     .max = 1,
     .help = "the vector starts uniform on [-scale, scale]"},
};

extern const mr_part_ops mr_part_householder;

const mr_part_ops mr_part_householder = {
    .name = "householder",
    .summary = "reflects points across a plane through 0 (Tomczak and Welling 2016)",
    .inverse_by = "closed form",
    .options = {rows, MR_COUNT(rows), sizeof(householder_options)},
    .state_size = sizeof(householder),
    .is_affine = true,
    .declare = householder_declare,
    .forward = householder_reflect,
    .inverse = householder_reflect,
};
