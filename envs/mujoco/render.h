/// Pictures of a running MuJoCo task, drawn without a display.
#pragma once

#include "envs/env.h"

typedef struct mr_render mr_render;

/// The size and view of pictures.
typedef struct {
    size_t width, height; // pixels
    const char *camera;   // "track", "free" or one of the model's own; NULL: "track"
} mr_render_options;

/// Prepares drawing of `env`, which must stay open. Fails with MR_ERR_USAGE if it is not a MuJoCo
/// task or has no such camera (the message has all), and with MR_ERR_IO on a machine that can't
/// draw (it says what to install). The caller closes it.
///
/// Only the thread that opened it may use it.
mr_status mr_render_open(mr_env *env, const mr_render_options *options, mr_render **out);

/// Draws the present state.
///   rgb  [height x width x 3] out, from the top left on
mr_status mr_render_draw(mr_render *render, unsigned char *rgb);

/// Closes it; NULL is fine.
void mr_render_close(mr_render *render);

/// Seconds of simulated time that a step of `env` takes; fails as mr_render_open does.
mr_status mr_render_step_time(const mr_env *env, double *out);
