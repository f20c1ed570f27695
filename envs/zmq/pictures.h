/// The pictures of environments that clients ask for.
#pragma once

#include "envs/env.h"
#include "base/file.h"

typedef struct mr_pictures mr_pictures;

/// The renderer is opened for the first picture. The caller frees it, on the thread that drew.
mr_status mr_pictures_new(mr_pictures **out);
void mr_pictures_free(mr_pictures *pictures);

/// Draws `env` as it now is: rgb [height x width x 3], from the top left on, owned by `pictures`
/// and valid until the next call. Fails as mr_render_open does. Another size or another
/// environment than before opens a new renderer.
mr_status mr_pictures_draw(mr_pictures *pictures, mr_env *env, size_t width, size_t height,
                           mr_bytes *rgb);
