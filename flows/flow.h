/// Normalizing flows: invertible maps with a known Jacobian, composed of parts.
///
///     forward:  base sample z -> x, with log |det dx/dz|
///     inverse:  x -> z, with log |det dz/dx|
///
/// Both are graph nodes, differentiable in their input, the parameters and an optional context (the
/// observation's embedding, for policies; the given columns, for conditional densities). Density of
/// x = f(z): log q(x) = log p(z) - log |det dx/dz|.
///
/// A flow is described by one text, the same on the command line, in config files and in saved
/// models. It is a composition of parts or a preset, a short name for one:
///
///     [lu, coupling(spline(bins=8), hidden=64x64)]*3
///     real_nvp:layers=2,hidden=64x64
///
/// The parts are applied in the order of the text, in the direction that the flow is for: from base
/// to sample, or from data to base. That direction takes one pass; the other one is the parts'
/// inverse, which some compute in several. docs/flows.md has the grammar and the parts.
#pragma once

#include "millrace/density.h"
#include "nn/mlp.h"

#include <stdbool.h>

typedef struct mr_flow mr_flow;

enum { MR_FLOW_MAX_TEXT = 1024 }; // bytes of a flow's text, with the final zero

/// Builds a flow from its text and declares its parameters in `params`, which must not be allocated
/// yet.
///
///   dim          features of z and x
///   context_dim  features of the context; 0: none
///   prefix       of its parameters' names: PREFIX.0., PREFIX.1., ... for its parts
///
/// Every part starts as the identity, but for those that reorder or rotate the features (lu,
/// permutation, reverse). The caller frees the flow. Fails with MR_ERR_USAGE on a text that is not
/// understood; the message names the place and the choices.
mr_status mr_flow_new(const char *text, mr_flow_use use, size_t dim, size_t context_dim,
                      mr_params *params, const char *prefix, mr_flow **out);

/// What a flow is made of. Fields that are left out are 0.
typedef struct {
    const char *text;
    mr_flow_use use;
    size_t dim, context_dim;
    mr_shape image;       // of the features of x: their product is dim; all 0: they are a vector
    const bool *circular; // [dim] which of them are angles in [-pi, pi]; NULL: none
    /// An image in the first features of the context, as high and wide as that of the features:
    /// nets that convolve see it beside theirs. All 0: the context is a vector.
    mr_shape context_image;
} mr_flow_spec;

/// mr_flow_new by a specification. Of an image, z has the features in another order: first those
/// that all parts have moved, then those that left for the base (factor_out), the last first. Fails
/// with MR_ERR_USAGE also if a part has no form for angles, or none for what reaches it, and if it
/// changes the shape of an image although the context holds one.
mr_status mr_flow_create(const mr_flow_spec *spec, mr_params *params, const char *prefix,
                         mr_flow **out);
void mr_flow_free(mr_flow *flow);

/// Its text with every option written out, so that a saved model does not depend on later defaults.
/// Owned by it.
const char *mr_flow_text(const mr_flow *flow);

/// The composition that its text stands for, which is another text if that is a preset. Owned by
/// it.
const char *mr_flow_composition(const mr_flow *flow);

/// Reads a text as mr_flow_new does, without building the flow. Presets for images stand for images
/// that can be halved three times.
///
///   full         out: the text with every option; may be NULL
///   composition  out: what it stands for; may be NULL
mr_status mr_flow_describe(const char *text, mr_flow_use use, char full[MR_FLOW_MAX_TEXT],
                           char composition[MR_FLOW_MAX_TEXT]);

/// Whether it has no parts.
bool mr_flow_is_identity(const mr_flow *flow);

/// Whether it has parts, and all are affine in each feature: of a single feature it then makes no
/// more than a Gaussian.
bool mr_flow_is_affine(const mr_flow *flow);

/// The numbers between low and high, which may be infinite.
typedef struct {
    double low, high;
} mr_interval;

/// The values that features of x take.
typedef struct {
    mr_interval interval;
    const char *part; // that maps to them (logit, exp, ...); NULL: they are those of the base
} mr_flow_values;

/// Finds the values that the features of x take if those of z lie between -bound and bound, with
/// angles left out of account. They are all numbers unless the base is bounded, or a fixed map
/// stands in the flow.
///
///   bound  of the base; INFINITY: it has none
///
/// Fails with MR_ERR_USAGE, naming the part, if values come to a fixed map that lie outside its
/// domain, or if what reaches a part is bounded and it would move the bounds.
mr_status mr_flow_find_values(const mr_flow *flow, double bound, mr_flow_values *out);

/// Fails with MR_ERR_USAGE, naming the part, unless log |det| is 0 everywhere: the mode of the base
/// then becomes that of the samples.
mr_status mr_flow_check_volume(const mr_flow *flow);

/// Adds the map z -> x to a graph.
///
///   params   the set it was declared in, or a copy of it
///   z        [rows x dim]
///   context  [rows x context_dim]; NULL if the flow has none
///   log_det  in and out: a sum [rows x 1] to which log |det dx/dz| is added. NULL stands for 0,
///            and stays if no part changes volumes
///
/// Returns x [rows x dim].
mr_node *mr_flow_forward(const mr_flow *flow, mr_params *params, mr_node *z, mr_node *context,
                         mr_node **log_det);

/// Adds the map x -> z; log |det dz/dx| is added to `log_det`. Otherwise as mr_flow_forward.
mr_node *mr_flow_inverse(const mr_flow *flow, mr_params *params, mr_node *x, mr_node *context,
                         mr_node **log_det);

/// Runs a batch of data through a flow for scoring, from x to z, and gives each part that wants it
/// a start that depends on what reaches it (actnorm). Parts that have started already, in a loaded
/// model for instance, stay as they are, and so does a flow for sampling.
///
///   x        [n x dim], n > 0
///   context  [n x context_dim]; NULL if the flow has none
///
/// Fails with MR_ERR_MEMORY alone.
mr_status mr_flow_start(mr_flow *flow, mr_params *params, size_t n, const mr_real *x,
                        const mr_real *context);

// ---- What there is to choose from

/// A preset or a part.
typedef struct {
    const char *name;
    const char *summary;
} mr_flow_entry;

/// The presets: mr_flow_count of them have a form for vectors, those for images alone come last.
size_t mr_flow_count(void);
size_t mr_flow_count_all(void);
mr_flow_entry mr_flow_at(size_t i);

/// An option of a part.
typedef struct {
    const char *name, *initial, *help;
    char range[128]; // "a whole number from 1 to 32"
} mr_flow_part_option;

/// A part.
typedef struct {
    const char *name;
    const char *summary;
    const char *inverse_by; // how its inverse is computed
    bool is_fixed;          // it is a fixed element-wise map
    bool is_for_images;     // it has no form for vectors
    bool has_transform;     // its first argument is an element-wise transform
    bool is_transform;      // it may be such an argument
    size_t n_options;
} mr_flow_part;

size_t mr_flow_part_count(void);
mr_flow_part mr_flow_part_at(size_t i);
mr_flow_part_option mr_flow_part_option_at(size_t part, size_t i);
