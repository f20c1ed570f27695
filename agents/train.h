/// The training loop, which millrace/train.h is the outside of.
#pragma once

#include "millrace/train.h"
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
    /// After an update: the agent's metrics of it [n_metrics]. Must be quick.
    void (*updated)(void *self, const mr_metrics *now, size_t n_metrics,
                    const mr_train_metric *metrics);
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
} mr_trainer_result;

/// Environments that the trainer borrows, in the place of those that the settings name.
typedef struct {
    mr_vec_env *envs;
    mr_vec_env *eval_envs; // NULL: evaluations take `envs`
} mr_train_envs;

/// Trains as `settings` say, which are complete (mr_settings_complete), and leaves the results in
/// the run directory settings->out (which must not exist): mr_train, whose header says how it ends
/// and fails.
///
///   envs     NULL: those of the settings
///   watcher  may be NULL
///   stop     may be NULL
///
/// If an environment fails between two steps, the last checkpoint is one of this moment.
mr_status mr_trainer_run(const mr_settings *settings, const mr_train_envs *envs,
                         const mr_train_watcher *watcher, const volatile sig_atomic_t *stop,
                         mr_trainer_result *result);

/// Goes on with the run in the directory settings->out from its last checkpoint: mr_train_resume.
///
///   settings  the run's own; some may be others (mr_setting_role)
mr_status mr_trainer_resume(const mr_settings *settings, const mr_train_envs *envs,
                            const mr_train_watcher *watcher, const volatile sig_atomic_t *stop,
                            mr_trainer_result *result);
