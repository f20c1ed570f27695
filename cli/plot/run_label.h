/// Labels of runs in pictures: the settings in which they differ.
#pragma once

#include "agents/settings.h"

/// Whether runs differ only in their seeds and in settings that do not change what is learned:
/// length, threads, when they are evaluated and saved, timeouts.
bool mr_runs_alike(const mr_settings *a, const mr_settings *b);

/// The label of a run: its policy and each setting in which another run differs, as in "gaussian,
/// bonus density". At most `size` bytes, with the final zero.
///
///   all  [n] the runs of the picture
void mr_run_label(const mr_settings *run, size_t n, const mr_settings *const *all, char *text,
                  size_t size);
