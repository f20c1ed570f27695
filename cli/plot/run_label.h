/// What tells runs apart in pictures: the settings that they learn by.
#pragma once

#include "agents/settings.h"

/// Whether runs differ in nothing but their seeds and what changes nothing of what is learned:
/// their length, threads, when they are evaluated and saved, how servers are waited for.
bool mr_runs_alike(const mr_settings *a, const mr_settings *b);

/// What a picture calls a run among others: its policy and each setting in which one of the others
/// differs, as in "gaussian, bonus density". At most `size` bytes, with the final zero.
///
///   all  [n] pointers, that of the run among them or not
void mr_run_label(const mr_settings *run, size_t n, const mr_settings *const *all, char *text,
                  size_t size);
