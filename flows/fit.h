/// Maximum likelihood: fits a density to data by Adam on minibatches, with a held-out part and
/// early stopping.
#pragma once

#include "flows/density.h"

#include <signal.h>

typedef struct {
    double lr;
    size_t batch_size;
    size_t max_epochs;
    size_t patience;  // epochs without a better held-out likelihood before stopping
    double held_out;  // share of the rows that is not trained on, in (0, 1)
    double clip_norm; // of the gradient; 0: not clipped
    uint64_t seed;    // of the split and the order of the rows
    int n_threads;
    const char *checkpoint; // file to keep the state in after each epoch, and to go on from where
                            // it exists; NULL: none
} mr_fit_options;

/// Where fitting is.
typedef struct {
    size_t epoch;
    double train_log_prob;    // mean over the epoch, nats
    double held_out_log_prob; // mean after the epoch
    double best_log_prob;     // of the best epoch so far, whose parameters are kept
} mr_fit_progress;

/// Called after each epoch; may be NULL.
typedef void (*mr_fit_watcher)(void *self, const mr_fit_progress *now);

/// Fits `density` to x [n x dim]. On return it holds the parameters of the best epoch.
///
///   stop  may be NULL; when it becomes non-zero, fitting stops after the present epoch
///
/// Fails with MR_ERR_NUMERIC when the likelihood stops being finite; the parameters are then the
/// best so far.
mr_status mr_fit(mr_density *density, size_t n, const double *x, const mr_fit_options *options,
                 mr_fit_watcher watcher, void *self, const volatile sig_atomic_t *stop,
                 mr_fit_progress *result);
