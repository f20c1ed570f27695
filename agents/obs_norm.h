/// Normalisation of observations by their running mean and standard deviation
/// (`--normalize-observation`), as SimBa (arXiv:2410.09754) and Stable-Baselines3's VecNormalize do
/// it.
///
/// The replay buffer holds observations as the task gave them, so that all are standardised by the
/// same numbers: those of now. A policy file carries the numbers that its policy acts with.
#pragma once

#include "base/real.h"
#include "base/status.h"
#include "base/tensors.h"

#include <stddef.h>

typedef struct mr_obs_norm mr_obs_norm;

extern const double mr_obs_norm_clip; // 10: bound of standardised observations

/// Statistics of no observation yet: mean 0, deviation 1. The caller frees them.
mr_status mr_obs_norm_new(size_t dim, mr_obs_norm **out);
void mr_obs_norm_free(mr_obs_norm *norm);

/// Adds an observation [dim].
void mr_obs_norm_add(mr_obs_norm *norm, const double *obs);

/// Makes the statistics those of `n` observations, at least 1, with this mean and this standard
/// deviation [dim].
void mr_obs_norm_set(mr_obs_norm *norm, double n, const double *mean, const double *std);

/// Mean and standard deviation [dim] of all so far. Owned by `norm`, and changed by
/// mr_obs_norm_add.
const double *mr_obs_norm_mean(const mr_obs_norm *norm);
const double *mr_obs_norm_std(const mr_obs_norm *norm);

/// (x - mean) / std, clipped to [-10, 10]; what is not finite stays so.
double mr_obs_standardise(double x, double mean, double std);

/// Standardises observations [n x dim].
void mr_obs_norm_apply(const mr_obs_norm *norm, size_t n, const mr_real *obs, mr_real *out);

/// Adds the statistics to a checkpoint; the data is borrowed until the file is written. Reads them
/// back; on failure they are partly overwritten.
mr_status mr_obs_norm_write(mr_obs_norm *norm, mr_tensors_writer *writer);
mr_status mr_obs_norm_read(mr_obs_norm *norm, const mr_tensors *file);
