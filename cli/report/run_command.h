/// The command that makes a run again.
#pragma once

#include "agents/settings.h"

#include <stdio.h>

/// The settings that a command line must give so that `millrace train` makes the run again: all
/// others are defaults, or the preset's. `settings` has been read from config.yaml.
///
///   is_needed  [MR_MAX_SETTINGS] out, by row
mr_status mr_run_command_needs(const mr_settings *settings, bool is_needed[MR_MAX_SETTINGS]);

/// Writes the command; the new run's directory is `out`.
mr_status mr_run_command_write(const mr_settings *settings, const char *out, FILE *file);
