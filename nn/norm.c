// Normalisation layers: the table of their kinds.

#include "nn/norm.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 256 };

// Both as in CrossQ (Bhatt et al. 2024, arXiv:1902.05605): in reinforcement learning the running
// statistics may move slowly, and batch renorm corrects only after they have settled.
static const mr_batch_norm_options batch_norm = {.rate = 0.01, .epsilon = 1e-3, .r_max = 1};
static const mr_batch_norm_options batch_renorm = {
    .rate = 0.01, .epsilon = 1e-3, .r_max = 3, .d_max = 5, .n_warm_up = 100000};

/// A row of the table.
typedef struct {
    const char *name;
    bool has_shift;
    const mr_batch_norm_options *batch; // NULL: no statistics of a batch
    mr_node *(*build)(const mr_norm *norm, mr_params *params, mr_node *x, mr_activation activation,
                      mr_mode mode);
} norm_row;

static mr_node *build_none(const mr_norm *norm, mr_params *params, mr_node *x,
                           mr_activation activation, mr_mode mode) {
    (void)norm, (void)params, (void)mode;
    return mr_activate(x, activation);
}

static mr_node *build_layer(const mr_norm *norm, mr_params *params, mr_node *x,
                            mr_activation activation, mr_mode mode) {
    (void)mode;
    return mr_layer_norm(x, params, norm->handles.gain, norm->handles.shift, activation);
}

static mr_node *build_rms(const mr_norm *norm, mr_params *params, mr_node *x,
                          mr_activation activation, mr_mode mode) {
    (void)mode;
    return mr_rms_norm(x, params, norm->handles.gain, activation);
}

static mr_node *build_batch(const mr_norm *norm, mr_params *params, mr_node *x,
                            mr_activation activation, mr_mode mode);

static const norm_row rows[] = {
    [MR_NORM_NONE] = {"none", false, NULL, build_none},
    [MR_NORM_LAYER] = {"layer", true, NULL, build_layer},
    [MR_NORM_RMS] = {"rms", false, NULL, build_rms},
    [MR_NORM_BATCH] = {"batch", true, &batch_norm, build_batch},
    [MR_NORM_BATCH_RENORM] = {"batch_renorm", true, &batch_renorm, build_batch},
};

static mr_node *build_batch(const mr_norm *norm, mr_params *params, mr_node *x,
                            mr_activation activation, mr_mode mode) {
    mr_batch_norm_options options = *rows[norm->kind].batch;
    options.activation = activation;
    return mode == MR_TRAINING ? mr_batch_norm_train(x, params, &norm->handles, &options)
                               : mr_batch_norm_running(x, params, &norm->handles, &options);
}

const char *mr_norm_name(mr_norm_kind kind) {
    return rows[kind].name;
}

bool mr_norm_find(const char *name, mr_norm_kind *out) {
    for (size_t i = 0; i < MR_COUNT(rows); i++)
        if (strcmp(rows[i].name, name) == 0) {
            *out = (mr_norm_kind)i;
            return true;
        }
    return false;
}

bool mr_norm_is_of_batch(mr_norm_kind kind) {
    return rows[kind].batch != NULL;
}

static mr_param declare(mr_params *params, const char *prefix, const char *name, size_t n,
                        mr_initializer init) {
    char full[MAX_NAME];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    return mr_params_add(params, full, 1, n, init, 1, NULL);
}

static mr_buffer declare_buffer(mr_params *params, const char *prefix, const char *name, size_t n,
                                double start) {
    char full[MAX_NAME];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    return mr_params_add_buffer(params, full, 1, n, start);
}

mr_norm mr_norm_declare(mr_norm_kind kind, mr_params *params, const char *prefix, size_t n) {
    mr_norm norm = {.kind = kind};
    if (kind == MR_NORM_NONE)
        return norm;
    norm.handles.gain = declare(params, prefix, "weight", n, MR_INIT_ONE);
    if (rows[kind].has_shift)
        norm.handles.shift = declare(params, prefix, "bias", n, MR_INIT_ZERO);
    if (!rows[kind].batch)
        return norm;
    norm.handles.mean = declare_buffer(params, prefix, "running_mean", n, 0);
    norm.handles.variance = declare_buffer(params, prefix, "running_var", n, 1);
    norm.handles.n_batches = declare_buffer(params, prefix, "num_batches_tracked", 1, 0);
    return norm;
}

mr_node *mr_norm_build(const mr_norm *norm, mr_params *params, mr_node *x, mr_activation activation,
                       mr_mode mode) {
    return rows[norm->kind].build(norm, params, x, activation, mode);
}
