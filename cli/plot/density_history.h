/// A picture of how the state density of a run went: a map for each of some of its evaluations.
#pragma once

#include "agents/settings.h"

typedef struct {
    const char *dir;             // of the run
    const mr_settings *settings; // the run's
    const char *title;
    const char *out; // .png or .svg
} mr_density_history;

/// Draws the densities that the run has kept (DIR/density/STEP.safetensors): the first, the last
/// and up to four between, over the two features of the task's arena, or, without one, the
/// density's first two; other features are summed out by samples. All maps have the same colours.
/// Fails with MR_ERR_INPUT where there are none.
mr_status mr_density_history_draw(const mr_density_history *history);
