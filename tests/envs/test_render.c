// Pictures: the robot is in them, whichever library draws. On a machine that can't draw, these
// tests are skipped, and say so.

#include "envs/mujoco/render.h"

#include "envs/mujoco/simulation.h"
#include "base/random.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 160, HEIGHT = 120, N_BYTES = 3 * WIDTH * HEIGHT, MAX_DIM = 512 };

static const mr_render_options small = {.width = WIDTH, .height = HEIGHT};

static mr_env *open_env(const char *name) {
    mr_env *env = NULL;
    double obs[MAX_DIM];
    cr_assert_eq(mr_env_open(name, NULL, &env), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK, "%s", mr_error_message());
    if (mr_mujoco_of(env) != NULL) // a third of the time goes into shadows of 4096 x 4096
        mr_mujoco_of(env)->model->vis.quality.shadowsize = 1024;
    return env;
}

static mr_render *open_render(mr_env *env, const mr_render_options *options) {
    mr_render *render = NULL;
    const mr_status status = mr_render_open(env, options, &render);
    if (status == MR_ERR_IO)
        cr_skip_test("%s", mr_error_message());
    cr_assert_eq(status, MR_OK, "%s", mr_error_message());
    return render;
}

static void draw(mr_env *env, const mr_render_options *options, unsigned char *rgb) {
    mr_render *render = open_render(env, options);
    cr_assert_eq(mr_render_draw(render, rgb), MR_OK, "%s", mr_error_message());
    mr_render_close(render);
}

static void step(mr_env *env, mr_random *random) {
    const mr_env_spec *spec = mr_env_get_spec(env);
    double action[MAX_DIM], obs[MAX_DIM];
    mr_step result;
    for (size_t i = 0; i < spec->act_dim; i++)
        action[i] = mr_random_between(random, spec->act_low[i], spec->act_high[i]);
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK, "%s", mr_error_message());
}

// What moves is the robot (and what it pushes); the ground and the walls do not.
static void hide_robot(mr_env *env) {
    mjModel *model = mr_mujoco_of(env)->model;
    for (size_t i = 0; i < (size_t)model->ngeom; i++)
        if (model->body_weldid[model->geom_bodyid[i]] != 0)
            model->geom_rgba[4 * i + 3] = 0.0f;
}

static double share_that_differs(const unsigned char *a, const unsigned char *b) {
    size_t n = 0;
    for (size_t i = 0; i < N_BYTES; i += 3)
        n += memcmp(a + i, b + i, 3) != 0;
    return (double)n / (N_BYTES / 3);
}

static void expect_robot(const char *name, const mr_render_options *options) {
    static unsigned char with[N_BYTES], without[N_BYTES];
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    mr_env *env = open_env(name);
    for (int t = 0; t < 5; t++)
        step(env, &random);
    draw(env, options, with);
    hide_robot(env);
    draw(env, options, without);
    // The thinnest of robots, a pole on a cart, covers some hundredth.
    const double share = share_that_differs(with, without);
    cr_expect_gt(share, 0.005, "%s: the robot covers %.2g of the picture", name, share);
    mr_env_close(env);
}

Test(render, has_the_robot_of_every_task_in_the_picture) {
    for (size_t i = 0; i < mr_env_count(); i++) {
        mr_env *env = open_env(mr_env_at(i).name);
        const bool is_drawn = mr_mujoco_of(env) != NULL;
        mr_env_close(env);
        if (is_drawn)
            expect_robot(mr_env_at(i).name, &small);
    }
}

Test(render, has_the_robot_in_the_picture_of_the_free_camera) {
    expect_robot("HalfCheetah-v5", &(mr_render_options){WIDTH, HEIGHT, "free"});
}

Test(render, draws_by_egl) {
    setenv("MUJOCO_GL", "egl", 1);
    expect_robot("Hopper-v5", &small);
}

Test(render, draws_by_osmesa) {
    setenv("MUJOCO_GL", "osmesa", 1);
    expect_robot("Hopper-v5", &small);
}

static double brightness(const unsigned char *row) {
    double sum = 0.0;
    for (size_t i = 0; i < 3 * (size_t)WIDTH; i++)
        sum += row[i];
    return sum;
}

Test(render, has_the_sky_above_and_the_ground_below) {
    static unsigned char rgb[N_BYTES];
    mr_env *env = open_env("Hopper-v5");
    draw(env, &small, rgb);
    cr_expect_gt(brightness(rgb), brightness(rgb + N_BYTES - 3 * (size_t)WIDTH));
    mr_env_close(env);
}

Test(render, draws_two_tasks_in_turn) {
    static unsigned char first[N_BYTES], other[N_BYTES], again[N_BYTES];
    mr_env *hopper = open_env("Hopper-v5"), *cheetah = open_env("HalfCheetah-v5");
    mr_render *a = open_render(hopper, &small), *b = open_render(cheetah, &small);
    cr_assert_eq(mr_render_draw(a, first), MR_OK);
    cr_assert_eq(mr_render_draw(b, other), MR_OK);
    mr_render_close(b);
    cr_assert_eq(mr_render_draw(a, again), MR_OK, "%s", mr_error_message());
    cr_expect_arr_eq(first, again, N_BYTES);
    cr_expect_arr_neq(first, other, N_BYTES);
    mr_render_close(a);
    mr_env_close(hopper), mr_env_close(cheetah);
}

Test(render, changes_nothing_in_the_task) {
    static unsigned char rgb[N_BYTES];
    mr_env *watched = open_env("HalfCheetah-v5"), *unwatched = open_env("HalfCheetah-v5");
    mr_render *render = open_render(watched, &small);
    mr_random a = mr_random_stream(1, MR_STREAM_TEST, 0), b = a;
    for (int t = 0; t < 20; t++) {
        step(watched, &a);
        step(unwatched, &b);
        cr_assert_eq(mr_render_draw(render, rgb), MR_OK);
    }
    const mjData *left = mr_mujoco_of(watched)->data, *right = mr_mujoco_of(unwatched)->data;
    const size_t nv = (size_t)mr_mujoco_of(watched)->model->nv;
    cr_expect_arr_eq(left->qpos, right->qpos, nv * sizeof(double));
    cr_expect_arr_eq(left->qvel, right->qvel, nv * sizeof(double));
    mr_render_close(render);
    mr_env_close(watched), mr_env_close(unwatched);
}

static void expect_refusal(const char *name, const char *camera, mr_status status,
                           const char *part) {
    mr_env *env = open_env(name);
    mr_render *render = NULL;
    cr_expect_eq(mr_render_open(env, &(mr_render_options){WIDTH, HEIGHT, camera}, &render), status);
    cr_expect_null(render);
    cr_expect_not_null(strstr(mr_error_message(), part), "%s", mr_error_message());
    mr_env_close(env);
}

Test(render, names_the_cameras_there_are) {
    expect_refusal("Hopper-v5", "tracks", MR_ERR_USAGE, "Hopper-v5 has no camera \"tracks\"");
    expect_refusal("Hopper-v5", "tracks", MR_ERR_USAGE, "track, ");
    expect_refusal("Hopper-v5", "tracks", MR_ERR_USAGE, "free");
}

Test(render, says_that_a_task_has_no_picture) {
    expect_refusal("Pendulum-v1", NULL, MR_ERR_USAGE, "Pendulum-v1 has no picture");
}

Test(render, says_what_to_install_on_a_machine_that_cannot_draw) {
    setenv("MUJOCO_GL", "none", 1);
    expect_refusal("Hopper-v5", NULL, MR_ERR_IO, "libosmesa6");
}
