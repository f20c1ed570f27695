// Videos: draws frames and hands them to the writers.

#include "cli/video/video.h"

#include <math.h>
#include <stdlib.h>

#include "envs/mujoco/render.h"
#include "cli/video/frame_writer.h"

// More is of no use to players and eyes. A task may take 125 steps a second.
static const double most_fps = 60.0;

static const mr_frame_writer *const writers[] = {&mr_ffmpeg_writer, &mr_png_writer};

struct mr_video {
    mr_render *render;
    unsigned char *rgb;              // [height x width x 3] owned
    void *copies[MR_COUNT(writers)]; // of each writer; NULL: not asked for
    double step_time;                // seconds
    double fps;
    size_t n_frames;  // in all
    size_t n_episode; // of the present episode
};

static mr_status open_copies(mr_video *video, const mr_video_options *options) {
    mr_status status = MR_OK;
    const mr_frame_format format = {options->width, options->height, video->fps};
    const char *const paths[MR_COUNT(writers)] = {options->video, options->frames};
    for (size_t i = 0; i < MR_COUNT(writers); i++)
        if (paths[i][0] != '\0')
            MR_TRY(writers[i]->open(paths[i], &format, &video->copies[i]));
done:
    return status;
}

mr_status mr_video_open(mr_env *env, const mr_video_options *options, mr_video **out) {
    mr_status status;
    const mr_render_options drawn = {.width = options->width,
                                     .height = options->height,
                                     .camera = options->camera[0] != '\0' ? options->camera : NULL};
    mr_video *video = calloc(1, sizeof *video);
    if (video == NULL)
        return mr_fail_memory("a video");
    video->rgb = malloc(3 * options->width * options->height);
    if (video->rgb == NULL)
        MR_TRY(mr_fail_memory("a video"));
    MR_TRY(mr_render_step_time(env, &video->step_time));
    video->fps =
        options->fps.automatic ? fmin(1.0 / video->step_time, most_fps) : options->fps.value;
    MR_TRY(mr_render_open(env, &drawn, &video->render));
    MR_TRY(open_copies(video, options));
    *out = video;
    video = NULL;
done:
    mr_video_close(video);
    return status;
}

static mr_status add_frame(mr_video *video) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < MR_COUNT(writers); i++)
        if (video->copies[i] != NULL)
            MR_TRY(writers[i]->add(video->copies[i], video->rgb));
    video->n_episode++;
    video->n_frames++;
done:
    return status;
}

// Frame i of an episode shows the first state at or after the time i / fps.
static bool is_due(const mr_video *video, size_t n_steps) {
    static const double rounding = 1e-6; // in frames
    return (double)video->n_episode <= (double)n_steps * video->step_time * video->fps + rounding;
}

mr_status mr_video_show(mr_video *video, size_t n_steps) {
    mr_status status = MR_OK;
    if (n_steps == 0)
        video->n_episode = 0;
    if (!is_due(video, n_steps))
        return MR_OK;
    MR_TRY(mr_render_draw(video->render, video->rgb));
    while (is_due(video, n_steps))
        MR_TRY(add_frame(video));
done:
    return status;
}

size_t mr_video_n_frames(const mr_video *video) {
    return video->n_frames;
}

mr_status mr_video_keep(mr_video *video) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < MR_COUNT(writers); i++)
        if (video->copies[i] != NULL)
            MR_TRY(writers[i]->keep(video->copies[i]));
done:
    return status;
}

void mr_video_close(mr_video *video) {
    if (video == NULL)
        return;
    for (size_t i = 0; i < MR_COUNT(writers); i++)
        writers[i]->close(video->copies[i]);
    mr_render_close(video->render);
    free(video->rgb);
    free(video);
}
