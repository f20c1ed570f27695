/// Trains runs of a sweep at the same time, as child processes.
#pragma once

#include "cli/sweep/results.h"

#include <signal.h>

/// How runs are trained.
typedef struct {
    size_t n_at_once;
    bool has_logs; // what they write goes to DIR/.sweep/NAME.log; else to where this process writes
    const volatile sig_atomic_t *stop;
} mr_sweep_jobs;

/// Trains those of `runs` [n] that have not done the steps of a round, up to these steps. A run
/// whose directory another process trains in is waited for. When `stop` is set, the runs are told
/// to save and stop, and MR_STOPPED is returned once they have; the same happens if this process is
/// killed.
///
///   n_failed  runs that ended with a failure; added to
mr_status mr_sweep_train(const mr_sweep_plan *plan, size_t round, size_t n, const size_t *runs,
                         const mr_sweep_jobs *jobs, size_t *n_failed);
