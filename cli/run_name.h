/// The directory of a run whose name was left to us.
#pragma once

#include "agents/settings.h"

/// Chooses settings->out: runs/ENV-POLICY-sSEED-DATE, with -2, -3, ... after it where that is
/// taken. Until the directory is made, `*lock` keeps other processes from choosing the same; it is
/// then released with mr_run_name_release.
mr_status mr_run_name_choose(mr_settings *settings, int *lock);

/// Lets others choose. -1 is fine.
void mr_run_name_release(int *lock);
