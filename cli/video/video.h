/// Films of a task that is being played: drawn, and stored as a video or as pictures.
#pragma once

#include "agents/settings.h"
#include "envs/env.h"

typedef struct mr_video mr_video;

/// What is filmed and where it goes.
typedef struct {
    const char *video;    // file; "": none
    const char *frames;   // folder of PNG files; "": none
    const char *camera;   // "": the default
    size_t width, height; // pixels
    mr_auto fps; // frames a second of the task's own time; automatic: one a step, at most 60
} mr_video_options;

/// Makes ready to film `env`, which must stay open, as must the options' texts. Nothing is played
/// before it is known that a film can be made: fails with MR_ERR_USAGE when the task has no picture
/// or no such camera, with MR_ERR_IO when a path can't be written, there is nothing to draw with,
/// or no ffmpeg. The caller closes it.
mr_status mr_video_open(mr_env *env, const mr_video_options *options, mr_video **out);

/// Shows the environment as it now is.
///   n_steps  of its episode; 0: a new one
mr_status mr_video_show(mr_video *film, size_t n_steps);

/// How many frames there are.
size_t mr_video_n_frames(const mr_video *film);

/// Puts the film in its place. Once; nothing but closing may follow.
mr_status mr_video_keep(mr_video *film);

/// Closes it, and removes what was not kept; NULL is fine.
void mr_video_close(mr_video *film);
