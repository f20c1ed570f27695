/// A window that shows a running MuJoCo task (GLFW), with keys and mouse.
#pragma once

#include "envs/env.h"

#include <stdbool.h>

typedef struct mr_window mr_window;

/// What the user has asked for by keys and mouse.
typedef struct {
    bool is_closed; // the window, or q, or escape
    bool is_paused; // space
    bool restarts;  // r or backspace, since the last poll
    double speed;   // - and =; 1: real time
} mr_window_input;

typedef struct {
    const char *title;
    const char *camera;   // NULL: the default
    size_t width, height; // pixels, at first
} mr_window_options;

/// Opens a window that shows `env`, which must stay open. Fails with MR_ERR_USAGE if the task can't
/// be drawn or has no such camera, and with MR_ERR_IO without a display. Only one window may be
/// open. The caller closes it.
mr_status mr_window_open(mr_env *env, const mr_window_options *options, mr_window **out);
void mr_window_close(mr_window *window);

/// Draws the present state, with `text` (lines) in a corner, then waits until the display is ready
/// for the next picture, about 1/60 s after the last.
mr_status mr_window_draw(mr_window *window, const char *text);

/// Handles keys and mouse since the last call.
mr_window_input mr_window_poll(mr_window *window);
