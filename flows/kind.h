/// For those who write flows: one file with a `mr_flow_kind`, one line in flows/registry.c.
#pragma once

#include "flows/flow.h"
#include "base/arena.h"

#include <stdbool.h>

/// What a flow's text can set. One struct for all kinds; a kind's `options` names the fields that
/// it has.
typedef struct {
    size_t layers;
    mr_widths hidden; // of the nets inside the layers
    size_t bins;      // of each spline
    double bound;     // of the box that splines work in
} mr_flow_options;

typedef enum { MR_FLOW_COUNT, MR_FLOW_REAL, MR_FLOW_WIDTHS } mr_flow_option_type;

typedef struct {
    const char *name;
    mr_flow_option_type type;
    size_t offset; // in mr_flow_options
    const char *initial;
    size_t max; // of a number, from 1
    const char *help;
} mr_flow_option;

typedef struct mr_flow_kind mr_flow_kind;

/// One layer of a flow.
typedef struct {
    const mr_flow_kind *kind;
    const mr_flow_options *options;
    mr_arena *arena; // memory that lives as long as the flow
    size_t index;    // 0 is the layer next to z
    size_t dim;
    size_t context_dim;
    void *state; // the kind's own, state_size bytes, zeroed
} mr_flow_layer;

/// The direction that a kind computes in one pass.
typedef enum { MR_NATURAL_BOTH, MR_NATURAL_FORWARD, MR_NATURAL_INVERSE } mr_flow_natural;

struct mr_flow_kind {
    const char *name;
    const char *summary; // one line, with the paper
    const mr_flow_option *options;
    size_t n_options;
    size_t state_size;
    mr_flow_natural natural;
    bool is_affine; // each feature is shifted and scaled by functions of the others

    /// Declares the layer's parameters, under names that begin with `prefix` and a dot.
    mr_status (*declare)(mr_flow_layer *layer, mr_params *params, const char *prefix);
    /// z -> x; `log_det` receives log |det dx/dz| [rows x 1].
    mr_node *(*forward)(const mr_flow_layer *layer, mr_params *params, mr_node *z, mr_node *context,
                        mr_node **log_det);
    /// x -> z; `log_det` receives log |det dz/dx|.
    mr_node *(*inverse)(const mr_flow_layer *layer, mr_params *params, mr_node *x, mr_node *context,
                        mr_node **log_det);
    /// Optional: sets parameters by data, once. `x` [n x dim] is what the layer gets on the way
    /// from data to base.
    void (*start)(const mr_flow_layer *layer, mr_params *params, size_t n, const mr_real *x);
};

/// The registry.
extern const mr_flow_kind *const mr_flow_kinds[];
extern const size_t mr_flow_n_kinds;
