/// Fits to rows that are read when they are needed, so that they may be more than fit in memory.
#pragma once

#include "millrace/fit.h"

/// Where a fit is within an epoch.
typedef struct {
    const mr_fit_progress *epochs; // those done so far
    size_t n_steps;
    size_t n_done, n; // rows of this epoch
    double log_prob;  // mean over the n_done, nats
} mr_fit_step;

/// Who watches a fit.
typedef struct {
    /// Called after each epoch, while the density has the parameters that were validated.
    mr_fit_watcher epoch;
    /// Called after each step; may be NULL.
    void (*step)(void *self, const mr_fit_step *now);
    void *self;
} mr_fit_watch;

/// Where the rows come from.
typedef struct {
    size_t n;
    /// Reads rows first .. first+n-1 into x [n x width]. Called from one thread.
    mr_status (*read)(void *self, size_t first, size_t n, double *x);
    void *self;
    size_t n_in_block; // rows that are read at once, and stay together; 0: as many as have 2^18
                       // numbers
} mr_row_source;

/// mr_fit for such rows. They are read once to find shift and scale, and once an epoch:
///
///   held out    whole blocks, drawn at random
///   order       64 blocks, drawn at random, are in memory at a time; their rows are shuffled
///
/// Otherwise as mr_fit, with other bits. Fails also as `read` does.
mr_status mr_fit_to_rows(mr_density *density, const mr_row_source *source,
                         const mr_fit_options *options, mr_fit_watcher watcher, void *self,
                         const volatile sig_atomic_t *stop, mr_fit_progress *result);
