// Pictures without a display: a scene in MuJoCo's offscreen buffer.

#include "envs/mujoco/render.h"

#include "envs/mujoco/compat.h"
#include "envs/mujoco/gl_context.h"
#include "envs/mujoco/scene.h"
#include "envs/mujoco/simulation.h"

#include <stdlib.h>
#include <string.h>

struct mr_render {
    mr_gl_context *gl;
    mr_scene *scene;
    mjrRect area;
    unsigned char *rows; // [height x width x 3] owned; as OpenGL has them, the lowest first
};

static mr_status running_task(const mr_env *env, mr_mujoco **out) {
    *out = mr_mujoco_of(env);
    if (*out != NULL)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE, "%s has no picture; only MuJoCo tasks are drawn",
                   mr_env_get_spec(env)->name);
}

mr_status mr_render_step_time(const mr_env *env, double *out) {
    mr_mujoco *mujoco;
    const mr_status status = running_task(env, &mujoco);
    if (status == MR_OK)
        *out = mujoco->dt;
    return status;
}

static mr_status check_size(const mr_render *render) {
    const mjrContext *context = mr_scene_context(render->scene);
    if (context->offWidth < render->area.width || context->offHeight < render->area.height)
        return mr_fail(MR_ERR_USAGE, "a picture of %d x %d is too large for this machine's OpenGL",
                       render->area.width, render->area.height);
    return MR_OK;
}

mr_status mr_render_open(mr_env *env, const mr_render_options *options, mr_render **out) {
    mr_status status;
    mr_mujoco *mujoco = NULL;
    mr_render *render = NULL;

    MR_TRY(running_task(env, &mujoco));
    MR_TRY(mr_scene_check_camera(mujoco, options->camera));
    render = calloc(1, sizeof *render);
    if (render != NULL)
        render->rows = malloc(3 * options->width * options->height);
    if (render == NULL || render->rows == NULL)
        MR_TRY(mr_fail_memory("a picture"));
    render->area = (mjrRect){0, 0, (int)options->width, (int)options->height};
    MR_TRY(mr_gl_context_open(&render->gl));
    MR_TRY(mr_scene_open(mujoco, options->camera, options->width, options->height, &render->scene));
    MR_TRY(check_size(render));
    *out = render;
    render = NULL;
done:
    mr_render_close(render);
    return status;
}

mr_status mr_render_draw(mr_render *render, unsigned char *rgb) {
    mr_status status;
    const size_t height = (size_t)render->area.height, row = 3 * (size_t)render->area.width;

    mr_gl_context_use(render->gl);
    MR_TRY(mr_scene_draw(render->scene, mjFB_OFFSCREEN, render->area));
    mjr_readPixels(render->rows, NULL, render->area, mr_scene_context(render->scene));
    for (size_t i = 0; i < height; i++)
        memcpy(rgb + i * row, render->rows + (height - 1 - i) * row, row);
done:
    return status;
}

void mr_render_close(mr_render *render) {
    if (render == NULL)
        return;
    if (render->gl != NULL)
        mr_gl_context_use(render->gl);
    mr_scene_close(render->scene);
    mr_gl_context_close(render->gl);
    free(render->rows);
    free(render);
}
