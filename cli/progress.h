/// How training is going, on the terminal.
///
/// On a terminal one line on stderr that is rewritten, elsewhere a plain line every few seconds.
/// Evaluations are results: lines of their own, on stdout.
#pragma once

#include "agents/metrics.h"
#include "agents/settings.h"

#include <stdbool.h>

typedef struct {
    const mr_settings *settings; // borrowed
    bool is_live;
    double drawn_s;          // mr_clock_s, when the line was last drawn
    double drawn_step;       // and the step it showed
    double seconds_per_step; // smoothed; 0: not known yet
    bool has_updates;        // steps are updated after, which takes most of their time
} mr_progress;

void mr_progress_begin(mr_progress *progress, const mr_settings *settings);

/// Draws the line, if it is time to.
void mr_progress_step(mr_progress *progress, const mr_metrics *now);

void mr_progress_evaluation(mr_progress *progress, const mr_metrics *now, bool best);

/// Takes the live line away, so that something else can be printed.
void mr_progress_clear(const mr_progress *progress);
