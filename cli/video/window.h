/// A window on a MuJoCo task that runs (GLFW), with its keys and its mouse.
#pragma once

#include "envs/env.h"

#include <stdbool.h>

typedef struct mr_window mr_window;

/// What the one who looks at it wants.
typedef struct {
    bool is_closed; // the window, or q, or escape
    bool is_paused; // space
    bool restarts;  // r or backspace, since the last look
    double speed;   // - and =; 1: as fast as the task's own time
} mr_window_wishes;

typedef struct {
    const char *title;
    const char *camera;   // NULL: the default
    size_t width, height; // pixels, at first
} mr_window_options;

/// Opens a window on `env`, which must stay open. Fails with MR_ERR_USAGE when the task has no
/// picture or no such camera, and with MR_ERR_IO where there is no display. One at a time. The
/// caller closes it.
mr_status mr_window_open(mr_env *env, const mr_window_options *options, mr_window **out);
void mr_window_close(mr_window *window);

/// Draws the environment as it now is, with `text` (lines) in a corner; then waits for the display
/// to be ready for the next picture, some 1/60 s after the last.
mr_status mr_window_draw(mr_window *window, const char *text);

/// Takes in what was pressed and dragged; gives what is wanted now.
mr_window_wishes mr_window_poll(mr_window *window);
