/// Maximum likelihood: fits a density to data by Adam on minibatches, with a held-out part and
/// early stopping.
#pragma once

#include <millrace/density.h>

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/// How to fit. A later version may add fields: begin with mr_fit_defaults.
typedef struct {
    double lr; // Adam's at the start; times 0.3 when the held-out likelihood stops rising
    size_t batch_size;
    size_t max_epochs;
    size_t patience;  // epochs without a better held-out likelihood before stopping
    double held_out;  // fraction of the rows that is not trained on, in (0, 1)
    double clip_norm; // of the gradient
    uint64_t seed;    // of the split and the order of the rows
    int n_threads;
    size_t warm_up;          // steps over which the learning rate rises to lr; 0: none
    const double *weights;   // [n] how often each row counts, from 0; NULL: once
    const char *checkpoint;  // file to keep the state in, and to go on from if it exists; NULL:
                             // none
    const char *lr_schedule; // of the learning rate over max_epochs, besides: "linear" or "cosine",
                             // down to 0; NULL or "constant": none
} mr_fit_options;

/// What `millrace flow fit` uses for tables: one thread, seed 1, no checkpoint.
MR_API mr_fit_options mr_fit_defaults(void);

/// Where fitting is.
typedef struct {
    size_t epoch;             // done so far
    double train_log_prob;    // mean over the epoch, nats
    double held_out_log_prob; // mean after the epoch
    double best_log_prob;     // of the best epoch so far, whose parameters are kept
    size_t best_epoch;
} mr_fit_progress;

/// Called after each epoch.
typedef void (*mr_fit_watcher)(void *self, const mr_fit_progress *now);

/// Fits `density` to x [n x width]: first its shift and scale, then its parameters. On return it
/// holds those of the best epoch, and `result` says how it went. The same seed and number of
/// threads give the same bits.
///
///   options  NULL: mr_fit_defaults
///   watcher  called with `self` after each epoch; may be NULL
///   stop     may be NULL; when it becomes non-zero, fitting stops at once
///   result   out
///
/// With weights the log-likelihoods are weighted means, and so are shift and scale: a weight of 3
/// is the row three times. (Where the start depends on data, as Glow's, rows count alike there.)
///
/// The checkpoint is written at the start, every few seconds and when fitting is stopped. A fit
/// that goes on from it ends with the same bits as one that was never interrupted. The caller
/// removes it.
///
/// Fails with MR_ERR_INPUT on too few rows, constant columns (which have no density), invalid
/// weights and a checkpoint of another fit; with MR_ERR_NUMERIC when the likelihood stops being
/// finite, and the parameters are then the best so far.
MR_API mr_status mr_fit(mr_density *density, size_t n, const double *x,
                        const mr_fit_options *options, mr_fit_watcher watcher, void *self,
                        const volatile sig_atomic_t *stop, mr_fit_progress *result);

#ifdef __cplusplus
}
#endif
