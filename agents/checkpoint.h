/// The checkpoint of a training run: a safetensors file with all that the run needs to go on as if
/// it had never been stopped.
///
/// Each part of a run writes its own section (mr_updater_write, mr_recorder_write,
/// mr_collector_write; trainer.c puts them together). This file has the head with format, settings
/// and engine; numbers.h has the numbers of all sections. Random streams are indexed by counters,
/// so no state of them is saved. An environment in the middle of an episode is saved as the actions
/// since its reset.
///
/// Format version 3. Values that this version does not know are ignored; optional ones that an
/// earlier file does not have keep the values of a new run. Version 2, of millrace 0.1, is read
/// too: it has all numbers in one array.
#pragma once

#include "agents/numbers.h"
#include "agents/settings.h"

/// The simulator of a task: texts of mr_env_spec; "": not known.
typedef struct {
    char name[128], version[128];
} mr_engine;

enum { MR_MAX_CHANGED = 8192 };

/// The head, besides the settings.
typedef struct {
    mr_engine engine;
    char
        history[MR_MAX_CHANGED]; // changes of settings when the run was resumed before, a line each
    char
        changed[MR_MAX_CHANGED]; // tunable settings that differ now: "actor_lr 0.0001 (was 0.001)";
                                 // "": none
} mr_checkpoint_head;

/// Adds the head.
///
///   engine, engine_version  NULL: not known
///   history                 mr_checkpoint_head.history
mr_status mr_checkpoint_write_head(const mr_settings *settings, const char *engine,
                                   const char *engine_version, const char *history,
                                   mr_tensors_writer *writer);

/// Adds a line to mr_checkpoint_head.history. If there is no room, the oldest lines are removed.
void mr_checkpoint_add_to_history(char history[MR_MAX_CHANGED], const char *line);

/// Fails with MR_ERR_INPUT if a file is not a checkpoint of a version that is read.
mr_status mr_checkpoint_check(const mr_tensors *file);

/// Reads the head and compares it with the settings of the run. Fails with MR_ERR_USAGE, naming the
/// setting, if one differs that must not (mr_setting_role), and with MR_ERR_INPUT if the file is
/// not a checkpoint of a version that is read.
mr_status mr_checkpoint_read_head(const mr_tensors *file, const mr_settings *settings,
                                  mr_checkpoint_head *out);
