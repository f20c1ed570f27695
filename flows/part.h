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
    bool keeps_volume; // log |det| is 0

    /// Moves features.
    ///
    ///   x        [rows x d]
    ///   raw      [rows x n_params d], unconstrained: parameter p of feature j is column p d + j.
    ///            Zeros give the identity
    ///   log_det  receives log |det| [rows x 1]; a transform that keeps all lengths leaves it NULL
    mr_node *(*forward)(const mr_transform *transform, mr_node *x, mr_node *raw, mr_node **log_det);
    /// The inverse map, with its own log |det|.
    mr_node *(*inverse)(const mr_transform *transform, mr_node *x, mr_node *raw, mr_node **log_det);

    /// The same for angles in [-pi, pi]: maps of the circle.
    size_t (*n_circular_params)(const mr_transform *transform);
    mr_node *(*circular_forward)(const mr_transform *transform, mr_node *x, mr_node *raw,
                                 mr_node **log_det);
    mr_node *(*circular_inverse)(const mr_transform *transform, mr_node *x, mr_node *raw,
                                 mr_node **log_det);

    /// The b > 0 for which it maps [-b, b] onto itself; NULL: none.
    double (*bound)(const mr_transform *transform);
} mr_transform_ops;

/// The circular form of a shift: angles x [rows x d] are turned by raw [rows x d], by whole periods
/// into [-pi, pi].
mr_node *mr_turn_forward(const mr_transform *transform, mr_node *x, mr_node *raw,
                         mr_node **log_det);
mr_node *mr_turn_inverse(const mr_transform *transform, mr_node *x, mr_node *raw,
                         mr_node **log_det);

/// An element-wise transform as a text has chosen it.
struct mr_transform {
    const mr_transform_ops *ops;
    const void *options; // the struct of its part's table
    bool inverted;       // it is written in inverse(...)
    size_t fan_in;       // inputs of the layer that gives `raw`
};

// ---- Fixed maps

/// A fixed element-wise map y(x): an increasing function without parameters.
typedef struct {
    mr_interval (*domain)(const void *options);    // of x
    mr_interval (*range)(const void *options);     // of y
    double (*at)(const void *options, double x);   // y, also of an end of the domain
    double (*back)(const void *options, double y); // x

    /// The map of x [rows x d], with log |det|; and its inverse, with its own.
    mr_node *(*forward)(const void *options, mr_node *x, mr_node **log_det);
    mr_node *(*inverse)(const void *options, mr_node *y, mr_node **log_det);
} mr_fixed_map;

// ---- Parts

typedef struct mr_part_ops mr_part_ops;

/// A part of a flow: an invertible map of `dim` features, which are those of an image [channels x
/// height x width], in that order. Of a vector each feature is a channel, and there is one place.
typedef struct {
    const mr_part_ops *ops;
    const void *options;    // the struct of its table
    mr_transform transform; // that it applies, if it has one
    mr_arena *arena;        // memory that lives as long as the flow
    size_t index;           // among the flow's parts of this name; 0 is the one next to the base
    size_t dim;
    mr_shape shape;         // of the features; their number is dim
    mr_shape out;           // of those that go on towards the base (`reshape`)
    size_t context_dim;     // 0: no context
    mr_shape context_image; // in its first features, as high and wide as `shape`; all 0: none
    const bool *circular;   // [dim] which features are angles in [-pi, pi]; NULL: none
    void *state;            // the part's own, state_size bytes, zeroed
} mr_part;

struct mr_part_ops {
    const char *name;
    const char *summary;    // one line, with the paper
    const char *inverse_by; // how its inverse is computed: "two triangular solves"
    mr_flow_options options;
    size_t state_size;
    bool is_affine;                    // it moves each feature by an affine function of itself
    bool takes_circular;               // features may be angles
    bool keeps_boxes;                  // it maps a box [-b, b]^dim onto itself
    bool keeps_volume;                 // log |det| is 0, whatever its transform does
    bool has_transform;                // its first argument is an element-wise transform
    const mr_transform_ops *transform; // it is one itself; NULL: it isn't
    const mr_fixed_map *fixed;         // it is a fixed map; NULL: it maps all numbers onto all
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
    /// For a part that changes the image's shape: what goes on towards the base. If that is less
    /// than what reaches the part, the first features of `forward`'s result go on, and the others
    /// are features of z. False if there is no form for `shape`; `needs` says what it must be. Such
    /// a part goes forward towards the base.
    bool (*reshape)(mr_shape shape, mr_shape *out);
    const char *needs; // "an image of even height and width"
    /// Optional: sets parameters by data, once. `x` [n x dim] is what reaches `forward`.
    void (*start)(const mr_part *part, mr_params *params, size_t n, const mr_real *x);
};

/// An option as `millrace flow list` shows it.
mr_flow_part_option mr_flow_option_describe(const mr_flow_option *option);

/// The table of parts.
extern const mr_part_ops *const mr_part_table[];
extern const size_t mr_part_table_size;

/// Places of an image: height times width.
static inline size_t mr_shape_places(mr_shape shape) {
    return shape.height * shape.width;
}

/// Features of an image.
static inline size_t mr_shape_count(mr_shape shape) {
    return shape.channels * mr_shape_places(shape);
}

// ---- Some of a part's features: those that it moves, or those that a net sees

/// A list of features, sorted by those on lines and those on circles (angles).
typedef struct {
    size_t n_lines, n_circles;
    size_t *line, *circle; // [n_lines], [n_circles] their places in the list
    size_t *order;         // [n] place k of the list is column order[k] of (lines, circles)
} mr_features;

/// Sorts features.
///
///   circular  which features are angles; NULL: none
///   feature   [n] the list; NULL: features 0 to n - 1
///
/// Fails with MR_ERR_MEMORY alone.
mr_status mr_features_init(mr_features *features, mr_arena *arena, const bool *circular,
                           const size_t *feature, size_t n);

/// What a net sees of features x [rows x n]: first of those on lines c tanh(x / c) with c = 4, then
/// of the angles their cosines and their sines.
///
/// Where data of unit deviation lies, c tanh(x / c) is nearly x itself. But a net of ReLU units
/// goes on in straight lines where it saw no data. Through several layers these slopes multiply,
/// and one far point costs more than all others together: without this bound, one row of 20,000
/// took 5 nats off the mean of a real_nvp of 8 layers, 1.7 off that of a maf of 10 (measured by
/// tests/oracle/flow_gaps.py; with c = 5, 0.01 and 0.01).
mr_node *mr_features_see(const mr_features *features, mr_node *x);

/// The same of the feature in place k of the list alone, x [rows x 1]: one column, or cosine and
/// sine.
mr_node *mr_features_see_one(const mr_features *features, size_t k, mr_node *x);

/// Columns of that, and the place in the list of the feature that column k shows.
size_t mr_features_n_seen(const mr_features *features);
size_t mr_features_place(const mr_features *features, size_t k);

/// Features that a part moves by its transform.
typedef struct {
    mr_features features;
    size_t *line_params, *circle_params; // columns of `raw` that concern them
} mr_moved;

/// Parameters that the part's transform needs for each feature.
size_t mr_part_n_params(const mr_part *part);

/// Prepares to move features [n] of a part, NULL: all of them. Fails with MR_ERR_MEMORY alone.
mr_status mr_moved_init(mr_moved *moved, const mr_part *part, const size_t *feature, size_t n);

/// Applies the part's transform, or its inverse, to them; its circular form to angles.
///
///   x    [rows x n]
///   raw  [rows x mr_part_n_params n]: parameter p of feature k is column p n + k
mr_node *mr_moved_apply(const mr_moved *moved, const mr_part *part, bool inverse, mr_node *x,
                        mr_node *raw, mr_node **log_det);

/// The same for feature j of the part alone.
mr_node *mr_part_move_one(const mr_part *part, size_t j, bool inverse, mr_node *x, mr_node *raw,
                          mr_node **log_det);

/// c tanh(x / c), value by value: close to x where x is small against c, never beyond c.
mr_node *mr_smooth_clamp(mr_node *x, double c);
