/// Films of a task that is being played: drawn, and stored as a video or as pictures.
#pragma once

#include "agents/settings.h"
#include "envs/env.h"

typedef struct mr_film mr_film;

/// What is filmed and where it goes.
typedef struct {
    const char *video;    // file; "": none
    const char *frames;   // folder of PNG files; "": none
    const char *camera;   // "": the default
    size_t width, height; // pixels
    mr_auto fps; // frames a second of the task's own time; automatic: one a step, at most 60
} mr_film_options;

/// Makes ready to film `env`, which must stay open, as must the options' texts. Nothing is played
/// before it is known that a film can be made: fails with MR_ERR_USAGE when the task has no picture
/// or no such camera, with MR_ERR_IO when a path can't be written, there is nothing to draw with,
/// or no ffmpeg. The caller closes it.
mr_status mr_film_open(mr_env *env, const mr_film_options *options, mr_film **out);

/// Shows the environment as it now is.
///   n_steps  of its episode; 0: a new one
mr_status mr_film_show(mr_film *film, size_t n_steps);

/// How many frames there are.
size_t mr_film_length(const mr_film *film);

/// Puts the film in its place. Once; nothing but closing may follow.
mr_status mr_film_keep(mr_film *film);

/// Closes it, and removes what was not kept; NULL is fine.
void mr_film_close(mr_film *film);
