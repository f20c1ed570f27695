/// The progress of training: a live line on stderr. Evaluations are results, and have their own
/// lines on stdout.
#pragma once

#include "agents/metrics.h"
#include "agents/settings.h"
#include "cli/live_line.h"

#include <stdbool.h>

typedef struct {
    const mr_settings *settings; // borrowed
    mr_live_line line;
    double drawn_step;       // the step that the line shows
    double seconds_per_step; // smoothed; 0: not known yet
    bool has_updates;        // each step is followed by updates, which take most of its time
} mr_progress;

void mr_progress_begin(mr_progress *progress, const mr_settings *settings);

/// Draws the line, if it is due.
void mr_progress_step(mr_progress *progress, const mr_metrics *now);

void mr_progress_evaluation(mr_progress *progress, const mr_metrics *now, bool best);

/// Removes the line, so that something else can be printed.
void mr_progress_clear(const mr_progress *progress);
