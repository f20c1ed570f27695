/// Labels of runs in pictures: the settings in which they differ.
#pragma once

#include "agents/settings.h"

/// Whether runs differ only in their seeds and in settings that do not change what is learned:
/// length, threads, when they are evaluated and saved, timeouts.
bool mr_runs_alike(const mr_settings *a, const mr_settings *b);

/// Whether runs have the same value of a setting, or one of them has no such setting.
bool mr_runs_agree(const mr_setting *setting, const mr_settings *a, const mr_settings *b);

/// The label of a run by the values of these settings [n]: "gaussian, tau 0.005".
void mr_run_label_of(const mr_settings *run, size_t n, const mr_setting *const *settings,
                     char *text, size_t size);

/// The label of a run on its task: its policy and each setting in which another run on it differs,
/// as in "gaussian, bonus density". At most `size` bytes, with the final zero.
///
///   all  [n] the runs of the picture
void mr_run_label(const mr_settings *run, size_t n, const mr_settings *const *all, char *text,
                  size_t size);
