/// Normalisation layers by name, as an MLP may have them after its linear layers.
#pragma once

#include "nn/graph.h"

typedef enum {
    MR_NORM_NONE,
    MR_NORM_LAYER,
    MR_NORM_RMS,
    MR_NORM_BATCH,
    MR_NORM_BATCH_RENORM,
} mr_norm_kind;

/// What a net is computed for: to act and evaluate; to train its parameters; or as a constant in
/// the loss of another net, which is trained with it. In training, batch norms use the batch's
/// statistics, otherwise the running ones. Dropout is there in all but acting (of critics: Hiraoka
/// et al. 2022, arXiv:2110.02034). Other layers are always the same.
typedef enum { MR_ACTING, MR_TRAINING, MR_CONSTANT } mr_mode;

/// A layer: the handles of its parameters and buffers, as far as its kind has them.
typedef struct {
    mr_norm_kind kind;
    mr_batch_norm handles; // gain and shift; of batch norms, the buffers too
} mr_norm;

/// "none", "layer", "rms", "batch", "batch_renorm".
const char *mr_norm_name(mr_norm_kind kind);

/// The kind of that name; false if there is none.
bool mr_norm_find(const char *name, mr_norm_kind *out);

/// Whether its statistics are those of a batch. A linear layer before it needs no bias, which would
/// be subtracted again, and a net with such layers normalises its input too.
bool mr_norm_is_of_batch(mr_norm_kind kind);

/// Declares a layer over `n` features: PREFIX.weight, PREFIX.bias, PREFIX.running_mean,
/// PREFIX.running_var, PREFIX.num_batches_tracked, as PyTorch calls them.
mr_norm mr_norm_declare(mr_norm_kind kind, mr_params *params, const char *prefix, size_t n);

/// Adds the layer and the activation of its result to a graph. Of the kind `none` that is the
/// activation of x.
mr_node *mr_norm_build(const mr_norm *norm, mr_params *params, mr_node *x, mr_activation activation,
                       mr_mode mode);
