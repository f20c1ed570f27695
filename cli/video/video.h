/// Videos of a running task: a video file, or a folder of pictures.
#pragma once

#include "agents/settings.h"
#include "envs/env.h"

typedef struct mr_video mr_video;

/// What is drawn, and where the frames go.
typedef struct {
    const char *video;    // file; "": none
    const char *frames;   // folder of PNG files; "": none
    const char *camera;   // "": the default
    size_t width, height; // pixels
    mr_auto fps;          // frames per second of simulated time; automatic: one a step, at most 60
} mr_video_options;

/// Prepares a video of `env`, which must stay open, as must the options' texts. Fails before
/// anything is played: with MR_ERR_USAGE if the task can't be drawn or has no such camera, with
/// MR_ERR_IO if a path can't be written, or OpenGL or ffmpeg are missing. The caller closes it.
mr_status mr_video_open(mr_env *env, const mr_video_options *options, mr_video **out);

/// Draws the present state.
///   n_steps  of its episode so far; 0: a new episode
mr_status mr_video_show(mr_video *video, size_t n_steps);

/// The number of frames so far.
size_t mr_video_n_frames(const mr_video *video);

/// Completes the video under its name. Once; only closing may follow.
mr_status mr_video_keep(mr_video *video);

/// Closes it, and removes an incomplete video; NULL is fine.
void mr_video_close(mr_video *video);
