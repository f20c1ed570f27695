/// The state of a fit. Private to flows/fit*.c.
#pragma once

#include "millrace/fit.h"
#include "flows/density.h"
#include "nn/optim.h"

/// All that a fit needs to go on from the end of an epoch.
typedef struct {
    mr_density *density; // borrowed: its parameters and their moments are the newest
    mr_params *average;  // the moving average of the parameters, which is validated and kept
    mr_real *best;       // [size of the parameters] the average after the best epoch
    mr_adam adam;
    mr_fit_progress progress;
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
