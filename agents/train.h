/// The training loop.
#pragma once

#include "agents/metrics.h"
#include "agents/settings.h"
#include "base/status.h"

#include <signal.h>
#include <stdbool.h>

/// What a trainer tells whoever watches it. Any function may be NULL. They are called from the
/// training thread and borrow what they are given.
typedef struct {
    void *self;
    /// Once, where a new run begins: its directory and its first checkpoint are there.
    void (*begun)(void *self);
    /// After every step of the environments. Must be quick.
    void (*stepped)(void *self, const mr_metrics *now);
    /// After an evaluation; `best`: it is the best so far.
    void (*evaluated)(void *self, const mr_metrics *now, bool best);
    /// Once, where a run is resumed. `n_lost`: environments that are not deterministic, so that
    /// their episodes could not go on and were begun anew. (That one was too long to be played
    /// again is told by `noted`.)
    void (*resumed)(void *self, const mr_metrics *now, size_t n_lost);
    /// Where environments elsewhere do not answer (mr_env_link.waiting).
    void (*waiting)(void *self, const char *endpoint, size_t n_asked);
    /// At most once: a warning of the environments (mr_step.warning).
    void (*warned)(void *self, const char *text);
    /// Something about the task or the run that users should know, in one line. Each once.
    void (*noted)(void *self, const char *text);
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
///   stop     may be NULL; when it becomes non-zero, training stops with everything saved: after
///   the present step, and at once in an evaluation, which is then played again by mr_train_resume
///
/// A simulation that breaks down (mr_step.diverged) ends its episode, and training goes on. On a
/// NaN or infinite observation or reward of another environment, loss or gradient: fails with
/// MR_ERR_NUMERIC, the message names the quantity that went bad first, and the run directory holds
/// the last good policy and the last checkpoint. Where an environment fails between two steps, that
/// is a checkpoint of this moment.
mr_status mr_train(const mr_settings *settings, const mr_train_watcher *watcher,
                   const volatile sig_atomic_t *stop, mr_train_result *result);

/// Goes on with the run in the directory settings->out from its last checkpoint. What was logged
/// after it is cut off, and all that follows is, bit for bit, what it would have been had the run
/// never stopped.
///
///   settings  the run's own; steps and checkpoint_every may be others
///
/// Fails as mr_train does, and with MR_ERR_USAGE where there is no checkpoint, where a setting
/// differs that must not, and where the run is past settings->steps; the directory is then as it
/// was.
mr_status mr_train_resume(const mr_settings *settings, const mr_train_watcher *watcher,
                          const volatile sig_atomic_t *stop, mr_train_result *result);
