/// Pictures of a MuJoCo task that runs, drawn without a display.
#pragma once

#include "envs/env.h"

typedef struct mr_render mr_render;

/// What is drawn.
typedef struct {
    size_t width, height; // pixels
    const char *camera;   // "track", "free" or one of the model's own; NULL: "track"
} mr_render_options;

/// Makes ready to draw `env`, which must stay open. Fails with MR_ERR_USAGE when it is no MuJoCo
/// task or has no such camera (all are named), and with MR_ERR_IO on a machine that can't draw
/// (what to install is named). The caller closes it.
///
/// Belongs to the thread that opened it.
mr_status mr_render_open(mr_env *env, const mr_render_options *options, mr_render **out);

/// Draws the environment as it now is.
///   rgb  [height x width x 3] out, from the top left on
mr_status mr_render_draw(mr_render *render, unsigned char *rgb);

/// Closes it; NULL is fine.
void mr_render_close(mr_render *render);

/// Seconds of the task's own time that a step of `env` takes; fails as mr_render_open does.
mr_status mr_render_step_time(const mr_env *env, double *out);
