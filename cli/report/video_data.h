/// Videos in run directories.
#pragma once

#include "base/status.h"

#include <stdio.h>

/// Writes the .mp4 files of a run directory as HTML, within the page; one of more than 32 MB is
/// named instead. `*n_videos` is increased by their number.
mr_status mr_report_write_videos(const char *dir, FILE *page, size_t *n_videos);
