// Films: a camera, and where its frames go.

#include "cli/video/video.h"

#include <math.h>
#include <stdlib.h>

#include "envs/mujoco/render.h"
#include "cli/video/frame_writer.h"

// Players and eyes make nothing of more. A task may take 125 steps a second.
static const double most_fps = 60.0;

static const mr_frame_writer *const kinds[] = {&mr_ffmpeg_writer, &mr_png_writer};

struct mr_video {
    mr_render *render;
    unsigned char *rgb;            // [height x width x 3] owned
    void *copies[MR_COUNT(kinds)]; // of each kind; NULL: not asked for
    double step_time;              // seconds
    double fps;
    size_t n_frames;  // in all
    size_t n_episode; // of the present episode
};

static mr_status open_copies(mr_video *film, const mr_video_options *options) {
    mr_status status = MR_OK;
    const mr_frame_format format = {options->width, options->height, film->fps};
    const char *const paths[MR_COUNT(kinds)] = {options->video, options->frames};
    for (size_t i = 0; i < MR_COUNT(kinds); i++)
        if (paths[i][0] != '\0')
            MR_TRY(kinds[i]->open(paths[i], &format, &film->copies[i]));
done:
    return status;
}

mr_status mr_video_open(mr_env *env, const mr_video_options *options, mr_video **out) {
    mr_status status;
    const mr_render_options drawn = {.width = options->width,
                                     .height = options->height,
                                     .camera = options->camera[0] != '\0' ? options->camera : NULL};
    mr_video *film = calloc(1, sizeof *film);
    if (film == NULL)
        return mr_fail_memory("a film");
    film->rgb = malloc(3 * options->width * options->height);
    if (film->rgb == NULL)
        MR_TRY(mr_fail_memory("a film"));
    MR_TRY(mr_render_step_time(env, &film->step_time));
    film->fps = options->fps.automatic ? fmin(1.0 / film->step_time, most_fps) : options->fps.value;
    MR_TRY(mr_render_open(env, &drawn, &film->render));
    MR_TRY(open_copies(film, options));
    *out = film;
    film = NULL;
done:
    mr_video_close(film);
    return status;
}

static mr_status add_frame(mr_video *film) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < MR_COUNT(kinds); i++)
        if (film->copies[i] != NULL)
            MR_TRY(kinds[i]->add(film->copies[i], film->rgb));
    film->n_episode++;
    film->n_frames++;
done:
    return status;
}

// Frame i of an episode is for the time i / fps, and shows the first state that is as late.
static bool is_due(const mr_video *film, size_t n_steps) {
    static const double rounding = 1e-6; // in frames
    return (double)film->n_episode <= (double)n_steps * film->step_time * film->fps + rounding;
}

mr_status mr_video_show(mr_video *film, size_t n_steps) {
    mr_status status = MR_OK;
    if (n_steps == 0)
        film->n_episode = 0;
    if (!is_due(film, n_steps))
        return MR_OK;
    MR_TRY(mr_render_draw(film->render, film->rgb));
    while (is_due(film, n_steps))
        MR_TRY(add_frame(film));
done:
    return status;
}

size_t mr_video_n_frames(const mr_video *film) {
    return film->n_frames;
}

mr_status mr_video_keep(mr_video *film) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < MR_COUNT(kinds); i++)
        if (film->copies[i] != NULL)
            MR_TRY(kinds[i]->keep(film->copies[i]));
done:
    return status;
}

void mr_video_close(mr_video *film) {
    if (film == NULL)
        return;
    for (size_t i = 0; i < MR_COUNT(kinds); i++)
        kinds[i]->close(film->copies[i]);
    mr_render_close(film->render);
    free(film->rgb);
    free(film);
}
