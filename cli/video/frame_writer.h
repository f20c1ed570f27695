/// For those who write films: where frames go.
#pragma once

#include "base/status.h"

typedef struct {
    size_t width, height; // pixels
    double fps;           // frames a second
} mr_frame_format;

/// A way to store frames. Nothing appears under the path that was given before all are kept.
typedef struct {
    /// Makes sure that `path` can be written, and begins.
    mr_status (*open)(const char *path, const mr_frame_format *format, void **out);
    /// One more frame: [height x width x 3], from the top left on.
    mr_status (*add)(void *self, const unsigned char *rgb);
    /// Puts all in place. Once; nothing but closing may follow.
    mr_status (*keep)(void *self);
    /// Closes it, and removes what was not kept; NULL is fine.
    void (*close)(void *self);
} mr_frame_writer;

extern const mr_frame_writer mr_ffmpeg_writer;
extern const mr_frame_writer mr_png_writer;
