/// Normalizing flows: invertible maps with a known Jacobian, composed of layers of one kind.
///
///     forward:  base sample z -> x, with log |det dx/dz|
///     inverse:  x -> z, with log |det dz/dx|
///
/// Both are graph nodes, differentiable in their input, the parameters and an optional context (the
/// observation's embedding, for policies). Density of x = f(z): log q(x) = log p(z) - log |det
/// dx/dz|.
///
/// A flow is described by one short text, the same on the command line, in config files and in
/// saved models: "real_nvp", "real_nvp:layers=2,hidden=64x64". "gaussian" is the flow of no layers:
/// the base alone.
#pragma once

#include "nn/mlp.h"

#include <stdbool.h>

typedef struct mr_flow mr_flow;

/// What a flow is for: which of its directions must be the fast one. Some kinds compute only one
/// direction in a single pass; where that is not the one that the use needs, the flow is turned
/// round (a turned MAF is an IAF, and so on).
typedef enum {
    MR_FLOW_TO_SAMPLE, // policies and variational posteriors: forward, from base to sample
    MR_FLOW_TO_SCORE,  // densities of given points: inverse, from data to base
} mr_flow_use;

/// Builds a flow from its text and declares its parameters in `params`, which must not be allocated
/// yet.
///
///   dim          features of z and x
///   context_dim  features of the context; 0: none
///   prefix       of its parameters' names: PREFIX.0., PREFIX.1., ... for its layers
///
/// Every flow starts as the identity, but for Glow, which starts as a rotation. The caller frees
/// it. Fails with MR_ERR_USAGE on a text it does not understand; the message lists the choices.
mr_status mr_flow_new(const char *text, mr_flow_use use, size_t dim, size_t context_dim,
                      mr_params *params, const char *prefix, mr_flow **out);
void mr_flow_free(mr_flow *flow);

/// Its text with every option written out, so that a saved model does not depend on later defaults.
/// Owned by it.
const char *mr_flow_text(const mr_flow *flow);

/// Whether its layers are affine in each feature: of a single one it then makes no more than a
/// Gaussian, having no others to depend on.
bool mr_flow_is_affine(const mr_flow *flow);

/// Adds the map z -> x to a graph.
///
///   params   the set it was declared in, or a copy of it
///   z        [rows x dim]
///   context  [rows x context_dim]; NULL where the flow has none
///   log_det  in and out: a sum [rows x 1] to which log |det dx/dz| is added; NULL stands for 0,
///   and stays for a flow of
///            no layers
///
/// Returns x [rows x dim].
mr_node *mr_flow_forward(const mr_flow *flow, mr_params *params, mr_node *z, mr_node *context,
                         mr_node **log_det);

/// Adds the map x -> z; log |det dz/dx| is added to `log_det`. Otherwise as mr_flow_forward.
mr_node *mr_flow_inverse(const mr_flow *flow, mr_params *params, mr_node *x, mr_node *context,
                         mr_node **log_det);

/// Runs a batch of data through the flow, from x to z, and gives each layer that wants it a start
/// that depends on what reaches it (Glow's actnorm). Layers that have started already, in a loaded
/// model for instance, stay as they are; kinds without such layers do nothing, nor does a flow that
/// has been turned round for sampling.
///
///   x        [n x dim], n > 0
///   context  [n x context_dim]; NULL where the flow has none
///
/// Fails with MR_ERR_MEMORY alone.
mr_status mr_flow_start(mr_flow *flow, mr_params *params, size_t n, const mr_real *x,
                        const mr_real *context);

/// What kinds of flow there are.
typedef struct {
    const char *name;
    const char *summary;
} mr_flow_entry;

size_t mr_flow_count(void);
mr_flow_entry mr_flow_at(size_t i);
