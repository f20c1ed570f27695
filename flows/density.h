/// A density over R^dim: a Gaussian base and a flow, learned from data.
///
///     log q(x) = log p(z) + log |det dz/du| - sum log scale,   z = flow^-1(u),
///     u = (x - shift) / scale
///
/// `shift` and `scale` standardise the data, in double, before the nets see it. They belong to the
/// model; log-densities are those of the data as given.
#pragma once

#include "flows/flow.h"
#include "base/tensors.h"

#include <stdbool.h>

typedef struct mr_density mr_density;

/// A density of `dim` features with the flow described by `flow`, its parameters drawn from stream
/// (seed, init, 0): the standard normal density. Shift 0 and scale 1 until set. The caller frees
/// it. Fails with MR_ERR_USAGE on a flow's text that is not understood.
///
///   use  MR_FLOW_TO_SCORE for densities fitted to data, MR_FLOW_TO_SAMPLE for variational
///   posteriors
mr_status mr_density_new(const char *flow, mr_flow_use use, size_t dim, uint64_t seed,
                         mr_density **out);
void mr_density_free(mr_density *density);

const char *mr_density_flow(const mr_density *density);        // the flow's full text
const char *mr_density_composition(const mr_density *density); // mr_flow_composition
mr_flow_use mr_density_use(const mr_density *density);
bool mr_density_is_affine(const mr_density *density); // mr_flow_is_affine
size_t mr_density_dim(const mr_density *density);
mr_params *mr_density_params(const mr_density *density);
const double *mr_density_shift(const mr_density *density); // [dim]
const double *mr_density_scale(const mr_density *density); // [dim]

/// Sets shift and scale [dim each]. Fails with MR_ERR_INPUT where one is not finite or a scale is
/// not above 0.
mr_status mr_density_set_scale(mr_density *density, const double *shift, const double *scale);

/// Takes shift and scale from data x [n x dim]: each column's mean and standard deviation, a row
/// counting `weights` [n] times (NULL: once). A constant column gets scale 1. Then gives layers
/// that want it a start that depends on the data, by its first rows (1,024 at most). Fails with
/// MR_ERR_INPUT where a column is too large or too small for that.
mr_status mr_density_start(mr_density *density, size_t n, const double *x, const double *weights);

/// The second half of mr_density_start alone, for standardised rows u [n x dim]: shift and scale
/// stay as they are. Fails with MR_ERR_MEMORY alone.
mr_status mr_density_start_flow(mr_density *density, size_t n, const mr_real *u);

/// A column of a table that was the same number in every row: no feature, but remembered.
typedef struct {
    size_t column;
    double value;
} mr_constant;

/// Which columns of which table the features are. Arrays are NULL where there is nothing to say.
typedef struct {
    size_t n_columns;       // of the table; 0: it has the features and nothing else
    size_t *columns;        // [dim] the features', ascending
    char **names;           // [n_columns]
    size_t n_constants;     // ascending, none of them a feature
    mr_constant *constants; // [n_constants]
} mr_layout;

/// Releases its arrays, and empties it.
void mr_layout_release(mr_layout *layout);

/// Takes a copy of a layout. A new density has none: its tables are as wide as it has features.
/// Fails with MR_ERR_MEMORY alone.
mr_status mr_density_set_layout(mr_density *density, const mr_layout *layout);

/// What was set. Owned by the density.
const mr_layout *mr_density_layout(const mr_density *density);

/// Sets a layout without names and constants: `columns` [dim], ascending, of `n_columns`.
mr_status mr_density_set_columns(mr_density *density, size_t n_columns, const size_t *columns);

/// The columns of the layout: [dim], and how many there are to pick from; NULL: nothing was set.
const size_t *mr_density_columns(const mr_density *density, size_t *n_columns);

/// u = (x - shift) / scale for points x [n x dim].
void mr_density_standardise(const mr_density *density, size_t n, const double *x, mr_real *u);

/// sum log scale: what a log-density in x is smaller by than that in u.
double mr_density_log_scale(const mr_density *density);

/// Adds the log-density of u [rows x dim] to its graph: [rows x 1], nats, with respect to u.
mr_node *mr_density_build_log_prob(const mr_density *density, mr_node *u);

/// Adds samples u [rows x dim] to the graph of `noise`, and their log-densities with respect to u.
///
///   noise     [rows x dim] standard normals
///   log_prob  [rows x 1] out
mr_node *mr_density_build_sample(const mr_density *density, mr_node *noise, mr_node **log_prob);

/// Log-densities [n] (nats) of points x [n x dim], by batches over `n_threads`. Fails with
/// MR_ERR_NUMERIC, naming row and column, on a point that is not finite or so far out that float32
/// cannot hold its log-density.
mr_status mr_density_log_prob(const mr_density *density, int n_threads, size_t n, const double *x,
                              double *log_prob);

/// The same, but goes past such points: their log-density is -infinity, and `*n_impossible` says
/// how many they are. Fails with MR_ERR_MEMORY alone.
mr_status mr_density_score(const mr_density *density, int n_threads, size_t n, const double *x,
                           double *log_prob, size_t *n_impossible);

/// Samples x [n x dim] from stream (seed, sample, 0); their log-densities [n] where `log_prob` is
/// not NULL. Fewer samples of a seed are the first of more. Fails with MR_ERR_NUMERIC on a sample
/// that is not finite.
mr_status mr_density_sample(const mr_density *density, int n_threads, uint64_t seed, size_t n,
                            double *x, double *log_prob);

/// A model file: safetensors, with all that is needed to use the model in the metadata. Replaced
/// atomically. The same model gives the same bytes.
mr_status mr_density_save(const mr_density *density, const char *path);

/// Reads one. Fails with one clear line on anything that is not a whole model saved by
/// mr_density_save.
mr_status mr_density_load(const char *path, mr_density **out);
