/// The scene of a running MuJoCo task: camera, lights and geometry, for pictures and windows.
#pragma once

#include "envs/mujoco/state.h"

typedef struct mr_scene mr_scene;

/// The scene of a running task, whose data it reads when it is drawn; nothing of the task is
/// changed.
///
///   camera  "free" (the whole scene), "track" (follows the robot), or a camera of the model,
///           even if it has one of these names; NULL: "track"
///   width, height  largest picture that will be drawn, in pixels
///
/// Needs a current OpenGL context, also in all later calls. Fails with MR_ERR_USAGE on an
/// unknown camera (all are named). The caller closes it.
mr_status mr_scene_open(const mr_mujoco *mujoco, const char *camera, size_t width, size_t height,
                        mr_scene **out);
void mr_scene_close(mr_scene *scene);

/// Fails with MR_ERR_USAGE when there is no such camera. Needs no OpenGL.
mr_status mr_scene_check_camera(const mr_mujoco *mujoco, const char *camera);

/// Draws the present state into the current buffer.
///   buffer  mjFB_OFFSCREEN or mjFB_WINDOW
mr_status mr_scene_draw(mr_scene *scene, int buffer, mjrRect area);

/// The context, for drawing on top or reading pixels.
const mjrContext *mr_scene_context(const mr_scene *scene);

/// Switches to the next camera, from the last to the first. The model owns the name.
const char *mr_scene_next_camera(mr_scene *scene);

/// Turns or moves the camera by a fraction of the window's height; a camera of the model is first
/// replaced by one that follows the robot.
void mr_scene_move_camera(mr_scene *scene, mjtMouse how, double dx, double dy);
