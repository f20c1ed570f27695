/// The features of a state that its novelty is about, standardised by their means and standard
/// deviations over all visited states.
#pragma once

#include "agents/features.h"
#include "base/real.h"
#include "base/tensors.h"

typedef struct mr_scaled_features mr_scaled_features;

/// u = (obs[column] - shift) / scale, for each of `dim` features.
typedef struct {
    size_t dim;
    const size_t *column;        // [dim] in the observation
    const double *shift, *scale; // [dim]
} mr_feature_scale;

/// Chooses features by the text `chosen` (mr_features_parse, whose failures are passed on). No
/// state has been visited yet. The caller frees it.
///
///   env  borrowed for its life
mr_status mr_scaled_features_new(const char *chosen, const mr_env_spec *env,
                                 mr_scaled_features **out);
void mr_scaled_features_free(mr_scaled_features *features);

/// Adds a visited state, obs [obs_dim], to the means and deviations.
void mr_scaled_features_add(mr_scaled_features *features, const double *obs);

/// Decides which features are standardised: those that have varied so far. The others are left out
/// from now on, with a note. Called once, before any state is standardised. Fails with MR_ERR_INPUT
/// if no feature has varied.
mr_status mr_scaled_features_settle(mr_scaled_features *features);

/// Standardises states obs [n x obs_dim] to u [n x dim], by the present means and deviations.
void mr_scaled_features_apply(mr_scaled_features *features, size_t n, const mr_real *obs,
                              mr_real *u);
void mr_scaled_features_apply_double(mr_scaled_features *features, size_t n, const double *obs,
                                     mr_real *u);

/// The present means and deviations. Valid until the next call of another function.
mr_feature_scale mr_scaled_features_get(mr_scaled_features *features);

/// The sum of log scale that belongs to the latest u: -log p(u) plus this is -log p of the features
/// in their own units.
double mr_scaled_features_log_volume(const mr_scaled_features *features);

/// The box that the visited states span, if there are two features. False: there are not.
bool mr_scaled_features_box(const mr_scaled_features *features, mr_env_arena *out);

size_t mr_scaled_features_n_chosen(const mr_scaled_features *features);
double mr_scaled_features_n_states(const mr_scaled_features *features); // counted so far

/// A note that names the features that were left out. NULL: none were.
const char *mr_scaled_features_note(const mr_scaled_features *features);

/// Adds all but the number of states to a checkpoint; the data is borrowed until the file is
/// written. Reads it back; on failure it is partly overwritten.
mr_status mr_scaled_features_write(const mr_scaled_features *features, mr_tensors_writer *writer);
mr_status mr_scaled_features_read(mr_scaled_features *features, double n_states,
                                  const mr_tensors *file);
