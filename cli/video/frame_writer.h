/// Where the frames of a video go.
#pragma once

#include "base/status.h"

typedef struct {
    size_t width, height; // pixels
    double fps;           // frames a second
} mr_frame_format;

/// A format of videos. Nothing appears under the given path before the video is complete.
typedef struct {
    /// Checks that `path` can be written, and begins.
    mr_status (*open)(const char *path, const mr_frame_format *format, void **out);
    /// Adds a frame: [height x width x 3], from the top left on.
    mr_status (*add)(void *self, const unsigned char *rgb);
    /// Completes the video under its name. Once; only closing may follow.
    mr_status (*keep)(void *self);
    /// Closes it, and removes an incomplete video; NULL is fine.
    void (*close)(void *self);
} mr_frame_writer;

extern const mr_frame_writer mr_ffmpeg_writer;
extern const mr_frame_writer mr_png_writer;
