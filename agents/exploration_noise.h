/// The noise that agents explore with: standard normals, each kept for a number of steps.
///
/// Noise that is fresh at every step averages out before it has moved a robot; the same noise for
/// several steps explores further. The number n of steps follows a zeta law that ends at `longest`,
///
///     P(n) = n^-exponent / sum_{k <= longest} k^-exponent,
///
/// as in FlashSAC (exponent 2, longest 16), after the repeated actions of Dabney et al. 2021
/// (arXiv:2006.01782). With `longest` 1 it is fresh at every step.
#pragma once

#include "base/random.h"
#include "base/status.h"
#include "base/tensors.h"

typedef struct {
    size_t longest; // steps; 0 is 1
    double exponent;
} mr_exploration_options;

typedef struct mr_exploration_noise mr_exploration_noise;

/// Noise of `dim` numbers for each of `n_envs` environments. The caller frees it.
mr_status mr_exploration_noise_new(const mr_exploration_options *options, size_t n_envs, size_t dim,
                                   mr_exploration_noise **out);
void mr_exploration_noise_free(mr_exploration_noise *noise);

/// The noise [n x dim] of a step of the first `n` environments, drawn from `random` where it begins
/// anew. Owned by `noise` until the next call, which gives the same if it is for the same step.
///
///   step  environment steps of the run so far; n_envs more at each step
const mr_real *mr_exploration_noise_draw(mr_exploration_noise *noise, size_t n, uint64_t step,
                                         mr_random *random);

/// Adds the noise that is kept to a checkpoint; the data is borrowed until the file is written.
/// Reads it back. Without repetition there is none.
mr_status mr_exploration_noise_write(mr_exploration_noise *noise, mr_tensors_writer *writer);
mr_status mr_exploration_noise_read(mr_exploration_noise *noise, const mr_tensors *file);
