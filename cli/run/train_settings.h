/// What `millrace train` is told: settings of the run from files and options, and options of its
/// own.
#pragma once

#include "cli/command_line.h"

/// Options besides the settings.
typedef struct {
    mr_auto until_return;     // automatic: not given
    char resume[MR_MAX_TEXT]; // the directory of the run to resume; "": a new run
} mr_train_command;

enum { MR_N_TRAIN_OPTIONS = 4 };
extern const mr_setting mr_train_option_table[MR_N_TRAIN_OPTIONS];

/// Reads the settings: defaults, or those of the run to resume, then files, then the rest of the
/// command line in its order; a new run's preset, and what it takes from a run that it begins with,
/// are applied to what none of them sets. Fails with MR_ERR_USAGE if the same setting is given
/// twice with different values, and if settings are invalid or contradict each other.
mr_status mr_train_settings_read(const mr_command_line *line, mr_settings *settings,
                                 mr_train_command *own);

/// Chooses settings->out for a run without a name: runs/ENV-POLICY-sSEED-DATE, with -2, -3, ...
/// after it if that exists. `*lock` keeps other processes from choosing the same until the
/// directory is made; mr_run_dir_release releases it then.
mr_status mr_run_dir_choose(mr_settings *settings, int *lock);

/// Lets other processes choose. -1 is fine.
void mr_run_dir_release(int *lock);
