/// For those who write parts of flows: one file with a `mr_part_ops`, one line in flows/parts.c.
/// See docs/extending.md. Private to flows/.
#pragma once

#include "base/arena.h"
#include "flows/flow.h"
#include "flows/options.h"

#include <stdbool.h>

// ---- Element-wise transforms

typedef struct mr_transform mr_transform;

/// An element-wise transform moves each feature by an increasing function of its own. The
/// function's parameters come from a conditioner: a coupling's net, an autoregressive net, or a
/// linear layer.
typedef struct {
    size_t (*n_params)(const mr_transform *transform); // for each feature
    bool is_affine;

    /// Moves features.
    ///
    ///   x        [rows x d]
    ///   raw      [rows x n_params d], unconstrained: parameter p of feature j is column p d + j.
    ///            Zeros give the identity
    ///   log_det  receives log |det| [rows x 1]
    mr_node *(*forward)(const mr_transform *transform, mr_node *x, mr_node *raw, mr_node **log_det);
    /// The inverse map, with its own log |det|.
    mr_node *(*inverse)(const mr_transform *transform, mr_node *x, mr_node *raw, mr_node **log_det);
} mr_transform_ops;

/// An element-wise transform as a text has chosen it.
struct mr_transform {
    const mr_transform_ops *ops;
    const void *options; // the struct of its part's table
    bool inverted;       // it is written in inverse(...)
    size_t fan_in;       // inputs of the layer that gives `raw`
};

/// Moves features by a transform, or by its inverse if it is inverted; and the opposite.
mr_node *mr_transform_forward(const mr_transform *transform, mr_node *x, mr_node *raw,
                              mr_node **log_det);
mr_node *mr_transform_inverse(const mr_transform *transform, mr_node *x, mr_node *raw,
                              mr_node **log_det);

// ---- Parts

typedef struct mr_part_ops mr_part_ops;

/// A part of a flow: an invertible map of `dim` features.
typedef struct {
    const mr_part_ops *ops;
    const void *options;    // the struct of its table
    mr_transform transform; // that it applies, if it has one
    mr_arena *arena;        // memory that lives as long as the flow
    size_t index;           // among the flow's parts of this name; 0 is the one next to the base
    size_t dim;
    size_t context_dim; // 0: no context
    void *state;        // the part's own, state_size bytes, zeroed
} mr_part;

struct mr_part_ops {
    const char *name;
    const char *summary;    // one line, with the paper
    const char *inverse_by; // how its inverse is computed: "two triangular solves"
    mr_flow_options options;
    size_t state_size;
    bool is_affine;                    // it moves each feature by an affine function of itself
    bool has_transform;                // its first argument is an element-wise transform
    const mr_transform_ops *transform; // it is one itself; NULL: it isn't
    const char *step_name; // of its parameters in a preset: PREFIX.STEP.step_name.*; NULL: none

    /// Declares the parameters, under names that begin with `prefix` and a dot.
    mr_status (*declare)(mr_part *part, mr_params *params, const char *prefix);
    /// The map that takes one pass. `log_det` receives log |det dy/dx| [rows x 1]; a part that
    /// keeps all volumes leaves it NULL.
    ///
    ///   x        [rows x dim]
    ///   context  [rows x context_dim]; NULL: no context
    mr_node *(*forward)(const mr_part *part, mr_params *params, mr_node *x, mr_node *context,
                        mr_node **log_det);
    /// Its inverse, with its own log |det|.
    mr_node *(*inverse)(const mr_part *part, mr_params *params, mr_node *y, mr_node *context,
                        mr_node **log_det);
    /// Optional: sets parameters by data, once. `x` [n x dim] is what reaches `forward`.
    void (*start)(const mr_part *part, mr_params *params, size_t n, const mr_real *x);
};

/// The table of parts.
extern const mr_part_ops *const mr_part_table[];
extern const size_t mr_part_table_size;

// ---- Small formulas that parts share

/// c tanh(x / c), value by value: close to x where x is small against c, never beyond c.
mr_node *mr_smooth_clamp(mr_node *x, double c);
