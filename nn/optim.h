/// The optimizer, and what else is done to parameters after a gradient is known. Each is a single
/// pass over the parameters, a slice a thread; the bits do not depend on the number of threads.
#pragma once

#include "nn/params.h"

#include <stdbool.h>

/// Adam's settings and step count (Kingma and Ba 2015).
typedef struct {
    double lr;
    double lr_factor; // of its schedule now (lr_schedule.h)
    double beta1, beta2, epsilon;
    double weight_decay; // decoupled, as AdamW's: each step first takes lr weight_decay theta away
                         // from theta (Loshchilov and Hutter 2019, arXiv:1711.05101)
    uint64_t n_steps;    // done so far, for the bias correction
} mr_adam;

/// PyTorch's and Stable-Baselines3's defaults: 0.9, 0.999, 1e-8, no weight decay.
mr_adam mr_adam_new(double lr);

/// One step on the gradient that the set holds.
void mr_adam_step(mr_adam *adam, mr_params *params, int n_threads);

/// target = (1 - tau) target + tau source, both of the same layout; the source's buffers are
/// copied.
void mr_polyak(mr_params *target, const mr_params *source, double tau, int n_threads);

/// Whether every component of the gradient that the set holds is finite, and its square too: Adam
/// keeps it, and after an infinite one that parameter would never change again.
bool mr_grad_is_finite(const mr_params *params);

/// Scales the gradient that the set holds down to the norm `max_norm`, if its norm is larger.
/// Returns the norm that it had, which is finite only if every component is.
double mr_grad_clip(mr_params *params, double max_norm);

/// The same for the gradients of `n` sets together, as if they were one.
double mr_grad_clip_all(size_t n, mr_params *const *sets, double max_norm);
