/// A training run at work:
///
///     collector -> replay buffer -> batch -> agent -> metrics -> recorder
///     '----------'  '---------- updater ----------'  '------------------'
///
/// The training loop (train.c) drives the three parts; none of them knows the loop. Internal to it.
#pragma once

#include "agents/checkpoint.h"
#include "agents/collector.h"
#include "agents/recorder.h"
#include "agents/run_process.h"
#include "agents/train.h"
#include "agents/updater.h"

/// How far a step of the training loop has come. Checkpoints hold these numbers.
enum mr_step_part {
    MR_STEP_SAVED = 0,     // all but what comes after its checkpoint: its row, if one is due
    MR_STEP_CONCLUDED = 1, // all
    MR_STEP_UPDATED = 2,   // the environments' step and the updates
    MR_STEP_TAKEN = 3,     // the environments' step
};

typedef struct {
    mr_settings settings;              // as used: what was left open is filled in
    const volatile sig_atomic_t *stop; // borrowed; may be NULL
    mr_run_place place;                // where the files are that the environments come from
    mr_collector collector;
    mr_updater updater;
    mr_recorder recorder;
    double step_part;             // an mr_step_part: what of the present step has been done
    bool can_be_saved;            // the state is that of one moment, which a run can go on from
    double checkpoint_step;       // of the latest checkpoint
    char history[MR_MAX_CHANGED]; // mr_checkpoint_head
    mr_run_process process;       // as the run directory has it; pid 0: not written yet
} mr_trainer;

/// Builds all but the run directory, so that settings that do not work leave nothing behind.
/// mr_trainer_close releases it, also after a failure.
///
///   envs        borrowed; NULL: those of the settings
///   is_resumed  the environments' files are looked for as the run knows them
mr_status mr_trainer_build(mr_trainer *t, const mr_settings *settings, const mr_train_envs *envs,
                           const mr_train_watcher *watcher, const volatile sig_atomic_t *stop,
                           bool is_resumed);
void mr_trainer_close(mr_trainer *t);

/// Whether `stop` asks for the end.
bool mr_trainer_is_stopped(const mr_trainer *t);

/// Saves the checkpoint of this moment (t->can_be_saved) into the run directory.
mr_status mr_trainer_save_checkpoint(mr_trainer *t);

/// Reads a checkpoint of the same settings, but for those that may differ, back. On failure the
/// state is partly overwritten.
mr_status mr_trainer_load_checkpoint(mr_trainer *t, const char *path, mr_checkpoint_head *head);

/// Opens the directory of a run that is resumed and brings all to where its checkpoint was;
/// episodes that are under way are played again later. `engine`: the simulator that it was made
/// with. Fails with MR_ERR_USAGE if there is no checkpoint, or it is past the steps of the
/// settings.
mr_status mr_trainer_restore(mr_trainer *t, mr_engine *engine);
