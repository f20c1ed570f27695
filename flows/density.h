/// Densities (millrace/density.h), and what fitting, bonuses and the command do with them.
#pragma once

#include "millrace/density.h"
#include "flows/layout.h"
#include "flows/flow.h"
#include "base/tensors.h"

#include <stdbool.h>

enum {
    MR_DENSITY_BATCH = 1024,
    MR_MAX_CATEGORIES = 4096, // of a column
};

/// Rows that are scored, sampled or started from at a time: MR_DENSITY_BATCH, of images fewer (a
/// power of two, too).
size_t mr_density_batch(const mr_density *density);

/// The base distributions: names and summaries.
size_t mr_density_base_count(void);
mr_flow_entry mr_density_base_at(size_t i);

/// mr_density_create for the pixels of images (pixels.h).
///
///   dequantisation  how they become continuous: "uniform", "variational" or the flow that draws
///                   the noise (dequantiser.h)
///
/// With noise of a flow, rows have pixels without noise. Shift and scale are those of pixels with
/// noise all the same.
///
/// Fails with MR_ERR_USAGE on another text, and if the noise is not uniform although there is no
/// image.
mr_status mr_density_create_dequantised(const mr_density_spec *spec, const char *dequantisation,
                                        uint64_t seed, mr_density **out);

/// "uniform", or the text of the flow that draws the noise of pixels. Owned by the density.
const char *mr_density_dequantisation(const mr_density *density);

bool mr_density_is_affine(const mr_density *density); // mr_flow_is_affine

/// Whether a fixed map of the flow (logit, log, ...) bounds the features: they are then not
/// standardised, and cells outside its domain have no density.
bool mr_density_is_limited(const mr_density *density);

size_t mr_density_width(const mr_density *density);              // dim + given_dim
const mr_support *mr_density_support(const mr_density *density); // [width]
mr_params *mr_density_params(const mr_density *density);
const double *mr_density_shift(const mr_density *density); // [width]
const double *mr_density_scale(const mr_density *density); // [width]

/// Sets shift and scale [width each]. Fails with MR_ERR_INPUT if one is not finite or a scale is
/// not above 0.
mr_status mr_density_set_scale(mr_density *density, const double *shift, const double *scale);

/// Takes shift and scale from data x [n x width]: each column's mean and standard deviation (of v),
/// a row counting `weights` [n] times (NULL: once). A constant column gets scale 1; angles, and
/// bounded columns over the base "uniform", keep what their bounds say. Then gives parts that want
/// it a start that depends on the data, by its first rows (mr_density_batch). Fails with
/// MR_ERR_INPUT if a column is too large or too small for that, or if a cell is not within its
/// bounds.
mr_status mr_density_start(mr_density *density, size_t n, const double *x, const double *weights);

/// The second half of mr_density_start alone, for standardised rows u [n x width]: shift and scale
/// stay as they are. Fails with MR_ERR_MEMORY alone.
mr_status mr_density_start_flow(mr_density *density, size_t n, const mr_real *u);

/// Takes a copy of a layout. A new density has none: its tables are as wide as it has features.
/// Fails with MR_ERR_MEMORY alone.
mr_status mr_density_set_layout(mr_density *density, const mr_layout *layout);

/// What was set. Owned by the density.
const mr_layout *mr_density_layout(const mr_density *density);

/// How many categories a support of categories has.
size_t mr_support_n_categories(const mr_support *support);

/// u = (v - shift) / scale for rows x [n x width]. NaN for a cell outside its bounds. Of a pixel
/// that gets its noise from a flow, v is that of the middle of its level.
void mr_density_standardise(const mr_density *density, size_t n, const double *x, mr_real *u);

/// sum log scale over the features: what a log-density in v is smaller by than that in u.
double mr_density_log_scale(const mr_density *density);

/// sum log |dv/dx| over the features of row x [width]: what a log-density in x is larger by than
/// that in v. 0 without bounded columns.
double mr_density_log_slope(const mr_density *density, const double *x);

/// mr_density_score, but of categorical columns, and of variational dequantisation, the bound is
/// tightened by `n_samples` draws of the latents for each row (Burda et al. 2016,
/// arXiv:1509.00519). A row's draws depend on the seed and its number alone.
///
///   first  number of the first row, from 0, in all data
mr_status mr_density_score_samples(const mr_density *density, int n_threads, uint64_t seed,
                                   size_t n_samples, size_t first, size_t n, const double *x,
                                   double *log_prob, size_t *n_impossible);

/// Samples that are drawn some at a time: those of mr_density_sample and mr_density_sample_given.
typedef struct mr_sampler mr_sampler;

/// Fails with MR_ERR_USAGE: the density is conditional, but there are no given columns.
mr_status mr_density_fail_conditional(const mr_density *density);

/// The caller frees it. The density must outlive it.
mr_status mr_sampler_new(const mr_density *density, int n_threads, uint64_t seed, mr_sampler **out);
void mr_sampler_free(mr_sampler *sampler); // NULL is fine

/// The next n samples, x [n x dim]; n is a multiple of MR_DENSITY_BATCH, but for the last ones.
///
///   given     [n x given_dim]; NULL if there are none
///   log_prob  [n] out; may be NULL
mr_status mr_sampler_draw(mr_sampler *sampler, size_t n, const double *given, double *x,
                          double *log_prob);

/// Draws samples from a narrower or wider base from now on, whose deviations are multiplied by
/// `temperature`. Log-densities stay those of the model itself. Fails with MR_ERR_USAGE unless it
/// is above 0 and the base is "normal".
mr_status mr_sampler_set_temperature(mr_sampler *sampler, double temperature);

/// Samples x [n x dim] whose noise lies on the arc between that of two rows `ends` [2 x width], at
/// equal angles, the first and the last being the rows themselves (White 2016, arXiv:1609.04468).
/// Given columns are those of the first row. Fails with MR_ERR_USAGE unless the base is "normal"
/// and n is at least 2.
mr_status mr_density_interpolate(const mr_density *density, const double *ends, size_t n,
                                 double *x);

/// Adds the log-density of u [rows x width] to its graph: [rows x 1], nats, with respect to u.
mr_node *mr_density_build_log_prob(const mr_density *density, mr_node *u);

/// Adds samples u [rows x dim] to the graph of `noise`, and their log-densities with respect to u.
///
///   noise     [rows x dim] standard normals
///   log_prob  [rows x 1] out
///
/// Only for densities over the base "normal" that are not conditional and have no angles.
mr_node *mr_density_build_sample(const mr_density *density, mr_node *noise, mr_node **log_prob);
