/// OpenGL contexts without a window or a display.
///
/// By EGL if the machine has it (a graphics card or Mesa's software), else by OSMesa. Both are
/// loaded when they are needed, so that a machine without them can do everything else. The
/// environment variable MUJOCO_GL, known from MuJoCo's Python package, chooses: egl or osmesa.
#pragma once

#include "base/status.h"

typedef struct mr_gl_context mr_gl_context;

/// Makes a context and makes it the current one of this thread. The caller closes it. Fails with
/// MR_ERR_IO, and says what to install, if there is none.
mr_status mr_gl_context_open(mr_gl_context **out);

/// Makes it this thread's current one again.
void mr_gl_context_use(mr_gl_context *context);

/// Closes it; NULL is fine.
void mr_gl_context_close(mr_gl_context *context);
