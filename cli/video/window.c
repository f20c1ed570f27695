// The window of `millrace view`: GLFW's, with MuJoCo's scene in it.

#include "cli/video/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GLFW_INCLUDE_NONE
#include <GLFW/glfw3.h>

#include "envs/mujoco/scene.h"
#include "envs/mujoco/simulation.h"

enum { MESSAGE_SIZE = 256, SAMPLES = 4 };

static const double fastest = 16.0, slowest = 1.0 / 16.0;
static const double zoom_step = 0.05;        // of the distance, for a notch of the wheel
static const double frame_time = 1.0 / 60.0; // s, if the display does not synchronise

static const char keys_left[] = "space\nr\n- =\ntab\nmouse\nq";
static const char keys_right[] = "pause\nrestart\nspeed\ncamera\nturn, move, zoom\nquit";

struct mr_window {
    GLFWwindow *glfw;
    mr_scene *scene;
    mr_window_input input;
    double x, y;  // of the pointer
    double drawn; // when, in GLFW's seconds
};

// GLFW's last error message. There is no other way to it.
static char complaint[MESSAGE_SIZE];

static void keep_complaint(int code, const char *text) {
    (void)code;
    snprintf(complaint, sizeof complaint, "%s", text);
}

// ---- Keys and mouse

static void toggle_pause(mr_window *window) {
    window->input.is_paused = !window->input.is_paused;
}

static void restart(mr_window *window) {
    window->input.restarts = true;
}

static void slow_down(mr_window *window) {
    if (window->input.speed > slowest)
        window->input.speed /= 2.0;
}

static void speed_up(mr_window *window) {
    if (window->input.speed < fastest)
        window->input.speed *= 2.0;
}

static void change_camera(mr_window *window) {
    mr_scene_next_camera(window->scene);
}

static void quit(mr_window *window) {
    window->input.is_closed = true;
}

static const struct {
    int key;
    void (*act)(mr_window *window);
} keys[] = {
    {GLFW_KEY_SPACE, toggle_pause},
    {GLFW_KEY_R, restart},
    {GLFW_KEY_BACKSPACE, restart},
    {GLFW_KEY_MINUS, slow_down},
    {GLFW_KEY_KP_SUBTRACT, slow_down},
    {GLFW_KEY_EQUAL, speed_up},
    {GLFW_KEY_KP_ADD, speed_up},
    {GLFW_KEY_TAB, change_camera},
    {GLFW_KEY_Q, quit},
    {GLFW_KEY_ESCAPE, quit},
};

static void on_key(GLFWwindow *glfw, int key, int scancode, int action, int modifiers) {
    (void)scancode, (void)modifiers;
    for (size_t i = 0; i < MR_COUNT(keys); i++)
        if (keys[i].key == key && action == GLFW_PRESS)
            keys[i].act(glfwGetWindowUserPointer(glfw));
}

static void on_pointer(GLFWwindow *glfw, double x, double y) {
    mr_window *window = glfwGetWindowUserPointer(glfw);
    const bool left = glfwGetMouseButton(glfw, GLFW_MOUSE_BUTTON_LEFT) == GLFW_PRESS;
    const bool right = glfwGetMouseButton(glfw, GLFW_MOUSE_BUTTON_RIGHT) == GLFW_PRESS;
    int width, height;
    glfwGetWindowSize(glfw, &width, &height);
    if ((left || right) && height > 0)
        mr_scene_move_camera(window->scene, left ? mjMOUSE_ROTATE_V : mjMOUSE_MOVE_V,
                             (x - window->x) / height, (y - window->y) / height);
    window->x = x;
    window->y = y;
}

static void on_wheel(GLFWwindow *glfw, double dx, double dy) {
    mr_window *window = glfwGetWindowUserPointer(glfw);
    (void)dx;
    mr_scene_move_camera(window->scene, mjMOUSE_ZOOM, 0.0, zoom_step * dy);
}

static void watch(mr_window *window) {
    glfwSetWindowUserPointer(window->glfw, window);
    glfwSetKeyCallback(window->glfw, on_key);
    glfwSetCursorPosCallback(window->glfw, on_pointer);
    glfwSetScrollCallback(window->glfw, on_wheel);
    glfwGetCursorPos(window->glfw, &window->x, &window->y);
}

mr_window_input mr_window_poll(mr_window *window) {
    window->input.restarts = false;
    glfwPollEvents();
    if (glfwWindowShouldClose(window->glfw))
        quit(window);
    return window->input;
}

// ---- The window

static mr_status fail_window(void) {
    return mr_fail(MR_ERR_IO,
                   "cannot open a window: %s; without a display, write a video with `millrace eval "
                   "RUN --video FILE.mp4`",
                   complaint[0] != '\0' ? complaint : "GLFW gives no reason");
}

static mr_status open_window(const mr_window_options *options, GLFWwindow **out) {
    glfwSetErrorCallback(keep_complaint);
#ifdef GLFW_PLATFORM
    // From 3.4 on GLFW also tries Wayland without WAYLAND_DISPLAY, and libwayland then writes to
    // stderr.
    if (getenv("WAYLAND_DISPLAY") == NULL)
        glfwInitHint(GLFW_PLATFORM, GLFW_PLATFORM_X11);
#endif
    if (!glfwInit())
        return fail_window();
    glfwWindowHint(GLFW_SAMPLES, SAMPLES);
    *out = glfwCreateWindow((int)options->width, (int)options->height, options->title, NULL, NULL);
    if (*out == NULL)
        return fail_window();
    glfwMakeContextCurrent(*out);
    glfwSwapInterval(1);
    return MR_OK;
}

mr_status mr_window_open(mr_env *env, const mr_window_options *options, mr_window **out) {
    mr_status status;
    mr_window *window = NULL;
    const mr_mujoco *mujoco = mr_mujoco_of(env);

    if (mujoco == NULL)
        return mr_fail(MR_ERR_USAGE, "%s can't be drawn; only MuJoCo tasks can",
                       mr_env_get_spec(env)->name);
    MR_TRY(mr_scene_check_camera(mujoco, options->camera));
    window = calloc(1, sizeof *window);
    if (window == NULL)
        return mr_fail_memory("a window");
    window->input.speed = 1.0;
    MR_TRY(open_window(options, &window->glfw));
    // The size is for off-screen pictures; a window has a buffer of its own.
    MR_TRY(mr_scene_open(mujoco, options->camera, options->width, options->height, &window->scene));
    watch(window);
    *out = window;
    window = NULL;
done:
    mr_window_close(window);
    return status;
}

void mr_window_close(mr_window *window) {
    if (window == NULL)
        return;
    mr_scene_close(window->scene);
    if (window->glfw != NULL)
        glfwDestroyWindow(window->glfw);
    glfwTerminate();
    free(window);
}

// Swapping buffers waits for displays that synchronise; this waits for others.
static void wait_for_next(mr_window *window) {
    const double left = window->drawn + frame_time - glfwGetTime();
    if (left > 0.0)
        nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * left)}, NULL);
    window->drawn = glfwGetTime();
}

mr_status mr_window_draw(mr_window *window, const char *text) {
    mr_status status;
    mjrRect area = {0};
    glfwGetFramebufferSize(window->glfw, &area.width, &area.height);
    if (area.width > 0 && area.height > 0) { // neither when it is minimized
        const mjrContext *context = mr_scene_context(window->scene);
        MR_TRY(mr_scene_draw(window->scene, mjFB_WINDOW, area));
        mjr_overlay(mjFONT_NORMAL, mjGRID_TOPLEFT, area, text, NULL, context);
        mjr_overlay(mjFONT_NORMAL, mjGRID_BOTTOMLEFT, area, keys_left, keys_right, context);
    }
    glfwSwapBuffers(window->glfw);
    wait_for_next(window);
    status = MR_OK;
done:
    return status;
}
