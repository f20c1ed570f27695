// Pictures of environments, the renderer of the last one kept.

#include "envs/zmq/pictures.h"

#include <stdlib.h>

#include "envs/mujoco/render.h"

struct mr_pictures {
    mr_render *render; // owned; NULL: none yet
    mr_env *env;       // that it draws
    size_t width, height;
    unsigned char *rgb; // [height x width x 3] owned
};

mr_status mr_pictures_new(mr_pictures **out) {
    mr_pictures *pictures = calloc(1, sizeof *pictures);
    if (pictures == NULL)
        return mr_fail_memory("pictures");
    *out = pictures;
    return MR_OK;
}

static void forget(mr_pictures *p) {
    mr_render_close(p->render);
    free(p->rgb);
    *p = (mr_pictures){0};
}

void mr_pictures_free(mr_pictures *pictures) {
    if (pictures == NULL)
        return;
    forget(pictures);
    free(pictures);
}

static mr_status get_ready(mr_pictures *p, mr_env *env, size_t width, size_t height) {
    const mr_render_options options = {.width = width, .height = height};
    if (p->render != NULL && p->env == env && p->width == width && p->height == height)
        return MR_OK;
    forget(p);
    *p = (mr_pictures){
        .env = env, .width = width, .height = height, .rgb = malloc(3 * width * height)};
    if (p->rgb == NULL)
        return mr_fail_memory("a picture");
    return mr_render_open(env, &options, &p->render);
}

mr_status mr_pictures_draw(mr_pictures *p, mr_env *env, size_t width, size_t height,
                           mr_bytes *rgb) {
    mr_status status = get_ready(p, env, width, height);
    if (status == MR_OK)
        status = mr_render_draw(p->render, p->rgb);
    if (status == MR_OK)
        *rgb = (mr_bytes){p->rgb, 3 * width * height};
    return status;
}
