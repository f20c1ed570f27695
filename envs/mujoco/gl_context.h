/// OpenGL without a window or a display: what MuJoCo draws into when nobody looks.
///
/// By EGL where the machine has it (a graphics card or Mesa's software), else by OSMesa. Both are
/// loaded when they are asked for, so that a machine without them does everything else.
/// The environment variable MUJOCO_GL, known from MuJoCo's Python package, chooses: egl or osmesa.
#pragma once

#include "base/status.h"

typedef struct mr_gl_context mr_gl_context;

/// Makes a context and makes it the current one of this thread. The caller closes it. Fails with
/// MR_ERR_IO and what to install where there is none to be had.
mr_status mr_gl_context_open(mr_gl_context **out);

/// Makes it this thread's current one, where others were in between.
void mr_gl_context_use(mr_gl_context *context);

/// Closes it; NULL is fine.
void mr_gl_context_close(mr_gl_context *context);
