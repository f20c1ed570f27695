/// A density over R^dim: a Gaussian base and a flow, learned from data.
///
///     log q(x) = log p(z) + log |det dz/dx|,   z = flow^-1((x - shift) / scale)
///
/// `shift` and `scale` standardise the data; they belong to the model and its log-density is that
/// of the data as given.
#pragma once

#include "flows/flow.h"
#include "nn/tensors.h"

typedef struct mr_density mr_density;

/// A density of `dim` features with the flow described by `flow`, its parameters drawn from stream
/// (seed, init, 0). Shift 0 and scale 1 until set. The caller frees it. Fails with MR_ERR_USAGE on
/// a flow's text that is not understood.
///
///   use  MR_FLOW_TO_SCORE for densities fitted to data, MR_FLOW_TO_SAMPLE for variational
///   posteriors
mr_status mr_density_new(const char *flow, mr_flow_use use, size_t dim, uint64_t seed,
                         mr_density **out);
void mr_density_free(mr_density *density);

const char *mr_density_flow(const mr_density *density); // the flow's full text
size_t mr_density_dim(const mr_density *density);
mr_params *mr_density_params(const mr_density *density);

/// Takes shift and scale from data x [n x dim]: each column's mean and standard deviation. A
/// constant column gets scale 1. Then gives layers that want it their data-dependent start.
mr_status mr_density_start(mr_density *density, size_t n, const double *x);

/// Adds log q [rows x 1] (nats, of the data as given) of points to a graph; x [rows x dim] as
/// given.
mr_node *mr_density_build_log_prob(const mr_density *density, mr_node *x);

/// Adds samples to a graph, and their log-densities.
///
///   noise     [rows x dim] standard normals
///   log_prob  [rows x 1] out
mr_node *mr_density_build_sample(const mr_density *density, mr_node *noise, mr_node **log_prob);

/// Log-densities [n] (nats) of points x [n x dim], by batches over `n_threads`.
mr_status mr_density_log_prob(const mr_density *density, int n_threads, size_t n, const double *x,
                              double *log_prob);

/// Samples x [n x dim] from stream (seed, sample, 0); their log-densities [n] where `log_prob` is
/// not NULL.
mr_status mr_density_sample(const mr_density *density, int n_threads, uint64_t seed, size_t n,
                            double *x, double *log_prob);

/// A model file: safetensors, with all that is needed to use the model in the metadata. Replaced
/// atomically. The same model gives the same bytes.
mr_status mr_density_save(const mr_density *density, const char *path);
mr_status mr_density_load(const char *path, mr_density **out);
