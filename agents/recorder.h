/// The recorder: measures a run and keeps what came of it in the run directory (run.h): rows of
/// metrics, evaluations, policies, densities. It also tells the run's watcher.
#pragma once

#include "agents/collector.h"
#include "agents/evaluate.h"
#include "agents/metrics.h"
#include "agents/run.h"
#include "agents/train.h"
#include "agents/updater.h"

enum { MR_RECENT_EPISODES = 100 }; // that the rollout means are over, as in Stable-Baselines3

/// Notes that are told once in a run.
enum mr_note_kind {
    MR_NOTE_FEATURES,
    MR_NOTE_CUT,
    MR_NOTE_TOO_LONG,
    MR_NOTE_SUPPORT,
    MR_NOTE_WARNING,
    MR_N_NOTES
};

typedef struct {
    const mr_settings *settings;     // borrowed
    const mr_train_watcher *watcher; // borrowed; may be NULL
    mr_updater *updater;             // borrowed
    mr_infos *infos;                 // borrowed
    mr_run *run;                     // NULL: not begun
    mr_evaluation *evaluation;       // the latest
    mr_params *best[2]; // the policy's at the best evaluation; of the critics in its file (or NULL)
    double *best_obs_mean, *best_obs_std; // [obs_dim] of the same; NULL: observations are as given

    // What checkpoints hold. All doubles: a file has each under its name.
    mr_metrics now;
    double best_mean_reward; // -infinity: no evaluation yet
    double best_steps;       // of the run, at the best evaluation
    double n_recent;         // episodes that ended, in all
    double recent_return[MR_RECENT_EPISODES];
    double recent_length[MR_RECENT_EPISODES];
    double n_summed;                  // updates since the last row of progress.csv
    double sum[MR_MAX_AGENT_METRICS]; // over those, of the agent's metrics
    mr_run_sizes n_bytes;             // of the files, at the latest checkpoint

    double logged_steps; // at the last row of progress.csv of this process; -1: none yet
    double begun_s;      // mr_clock_s, when this process began
    double time_before;  // s, of the run before this process
    double begun_cpu_s;  // mr_cpu_s, when this process began
    double cpu_before;   // s, of the run before this process; NaN if its checkpoint does not say
    bool has_told[MR_N_NOTES];
} mr_recorder;

/// Builds the recorder of a run that has no directory yet. mr_recorder_close releases it, also
/// after a failure.
mr_status mr_recorder_open(mr_recorder *r, const mr_settings *settings,
                           const mr_train_watcher *watcher, mr_updater *updater, mr_infos *infos);
void mr_recorder_close(mr_recorder *r);

// ---- Telling the watcher

/// Tells a note, in one line; and one that is told once. NULL: nothing is told.
void mr_recorder_tell(const mr_recorder *r, const char *note);
void mr_recorder_tell_once(mr_recorder *r, enum mr_note_kind kind, const char *note);

/// Tells that a step is complete.
void mr_recorder_tell_step(mr_recorder *r);

// ---- Metrics

/// The time that has passed, and the speed.
void mr_recorder_update_time(mr_recorder *r);

/// A step of all environments; the episodes that ended alone; an update of the agent.
void mr_recorder_add_step(mr_recorder *r, const mr_collected *collected);
void mr_recorder_add_episodes(mr_recorder *r, const mr_collected *collected);
void mr_recorder_add_update(mr_recorder *r);

/// Adds a row to progress.csv and to the events; sums begin anew.
mr_status mr_recorder_add_row(mr_recorder *r);

// ---- Evaluations and models

/// Plays an evaluation on the collector's environments for evaluations, and keeps all that comes of
/// it. Returns MR_STOPPED if the run is asked to stop, and then keeps nothing.
mr_status mr_recorder_evaluate(mr_recorder *r, const mr_collector *collector);

/// Saves policy and density as they are now.
mr_status mr_recorder_save_latest(mr_recorder *r);

/// Saves the policy of the best evaluation as `name`.
mr_status mr_recorder_save_best(mr_recorder *r, const char *name);

// ---- Checkpoints

/// Adds its state to a checkpoint; the data is borrowed until the file is written. Reads it back;
/// on failure it is partly overwritten.
mr_status mr_recorder_write(mr_recorder *r, mr_tensors_writer *writer);
mr_status mr_recorder_read(mr_recorder *r, const mr_tensors *file);
