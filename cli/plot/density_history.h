/// A picture of a run's state density over time: maps at several of its evaluations.
#pragma once

#include "agents/settings.h"

typedef struct {
    const char *dir;             // of the run
    const mr_settings *settings; // the run's
    const char *title;
    const char *out; // .png or .svg
} mr_density_history;

/// Draws the densities that the run has saved (DIR/density/STEP.safetensors): the first, the last
/// and up to four between, over the two features of the task's workspace, or, without one, the
/// density's first two; other features are marginalised by samples. All maps have the same colour
/// scale. Fails with MR_ERR_INPUT if there are none.
mr_status mr_density_history_draw(const mr_density_history *history);
