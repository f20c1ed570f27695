/// The features that novelty is measured in, standardised by mean and deviation over all states
/// visited.
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

/// The features that `chosen` names (mr_features_parse, whose failures are passed on), of which
/// nothing has been seen. The caller frees it.
///
///   env  borrowed for its life
mr_status mr_scaled_features_new(const char *chosen, const mr_env_spec *env,
                                 mr_scaled_features **out);
void mr_scaled_features_free(mr_scaled_features *features);

/// Counts a state, obs [obs_dim].
void mr_scaled_features_add(mr_scaled_features *features, const double *obs);

/// Leaves out, from now on, the features that have not varied so far, and notes which. Before that
/// there are none. Fails with MR_ERR_INPUT where none has varied.
mr_status mr_scaled_features_settle(mr_scaled_features *features);

/// Standardises states obs [n x obs_dim] to u [n x dim], by the present moments.
void mr_scaled_features_apply(mr_scaled_features *features, size_t n, const mr_real *obs,
                              mr_real *u);
void mr_scaled_features_apply_double(mr_scaled_features *features, size_t n, const double *obs,
                                     mr_real *u);

/// How it is done at present. Valid until something else is called.
mr_feature_scale mr_scaled_features_get(mr_scaled_features *features);

/// The sum of log scale, as it was for the latest u: what is added to -log p(u) to have that of the
/// features themselves.
double mr_scaled_features_log_volume(const mr_scaled_features *features);

/// The box that two features have visited so far. False where they are not two.
bool mr_scaled_features_box(const mr_scaled_features *features, mr_env_arena *out);

size_t mr_scaled_features_n_chosen(const mr_scaled_features *features);
double mr_scaled_features_n_states(const mr_scaled_features *features); // counted so far

/// Which features were left out, in a sentence. NULL: none.
const char *mr_scaled_features_note(const mr_scaled_features *features);

/// Adds all but the number of states to a file, as "bonus.moments" and "bonus.kept"; the data is
/// borrowed until that is written. Reads it back, with the number of states; on failure it is
/// partly overwritten.
mr_status mr_scaled_features_write(const mr_scaled_features *features, mr_tensors_writer *writer);
mr_status mr_scaled_features_read(mr_scaled_features *features, double n_states,
                                  const mr_tensors *file);
