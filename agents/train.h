/// The training loop.
#pragma once

#include "agents/metrics.h"
#include "agents/settings.h"
#include "nn/status.h"

#include <signal.h>
#include <stdbool.h>

/// What a trainer tells whoever watches it. Any function may be NULL. They are called from the
/// training thread and borrow what they are given.
typedef struct {
    void *self;
    /// After every step of the environments. Must be quick.
    void (*stepped)(void *self, const mr_metrics *now);
    /// After an evaluation; `best`: it is the best so far.
    void (*evaluated)(void *self, const mr_metrics *now, bool best);
} mr_train_watcher;

/// How training ended.
typedef struct {
    bool stopped; // by `stop`, before all steps were done
    mr_metrics last;
    double best_mean_reward;
    size_t n_diverged; // episodes that ended because the simulation broke down
} mr_train_result;

/// Trains as `settings` say and leaves the results in the run directory settings->out (which must
/// not exist).
///
///   watcher  may be NULL
///   stop     may be NULL; when it becomes non-zero, training stops after the present step with
///   everything saved
///
/// A simulation that breaks down (mr_step.diverged) ends its episode, and training goes on. On a
/// NaN or infinite observation or reward of another environment, loss or gradient: fails with
/// MR_ERR_NUMERIC, the message names the quantity that went bad first, and the run directory holds
/// the last good policy and checkpoint.
mr_status mr_train(const mr_settings *settings, const mr_train_watcher *watcher,
                   const volatile sig_atomic_t *stop, mr_train_result *result);
