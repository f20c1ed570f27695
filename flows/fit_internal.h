/// The state of a fit. Private to flows/fit*.c.
#pragma once

#include "millrace/fit.h"
#include "flows/fit_data.h"
#include "nn/optim.h"

/// Numbers by which a checkpoint knows the data of its fit.
typedef struct {
    const char *name;
    size_t n;
    const double *values; // [n] borrowed
} mr_fit_fingerprint;

enum { MR_N_FINGERPRINTS = 2 };

/// What a fit trains: a model whose log-probability is a node of a graph.
typedef struct {
    mr_params *params;
    size_t width; // numbers of a row of data
    /// Adds the log-probability of the rows u [rows x width] to their graph: [rows x 1], nats. It
    /// may draw random numbers (mr_uniform_like).
    mr_node *(*build_log_prob)(const void *self, mr_node *u);
    const void *self;

    // What must be the same when a fit goes on.
    const char *flow; // its text
    size_t dim;       // the features of a row
    char base[160];   // what else there is to say, after a comma; "": nothing
    mr_fit_fingerprint fingerprint[MR_N_FINGERPRINTS]; // without a name: there is none
} mr_fit_model;

/// Fits a model to data, which it takes. Otherwise as mr_fit.
mr_status mr_fit_train(const mr_fit_model *model, mr_fit_data *data, const mr_fit_options *options,
                       const mr_fit_watch *watch, const volatile sig_atomic_t *stop,
                       mr_fit_progress *result);

/// Fails with MR_ERR_USAGE if an option is out of its range.
mr_status mr_fit_check_options(const mr_fit_options *options);

/// All that a fit needs to go on from the end of a step.
typedef struct {
    const mr_fit_model *model; // its parameters and their moments are the newest
    mr_params *average;        // the moving average of the parameters, which is validated and kept
    mr_real *best;             // [size of the parameters] the average after the best epoch
    mr_adam adam;
    mr_fit_progress progress;
    size_t n_done;    // rows of the epoch that has begun
    double sum;       // of their log-densities, each before its step
    const char *data; // borrowed: what must be the same of the data (mr_fit_data.text)
} mr_fit_state;

/// Writes a state, replaced atomically.
///
///   n_rows  of the data
mr_status mr_fit_state_save(const mr_fit_state *state, const mr_fit_options *options, size_t n_rows,
                            const char *path);

/// Reads one over a state that stands as at the start of a fit. Fails with MR_ERR_INPUT on anything
/// but the whole state of the same fit: same data, flow and options (but for max_epochs, n_threads
/// and checkpoint); `state` may then be partly overwritten.
mr_status mr_fit_state_load(mr_fit_state *state, const mr_fit_options *options, size_t n_rows,
                            const char *path);
