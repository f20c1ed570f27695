// Scenes: what MuJoCo's visualizer is told of a task.

#include "envs/mujoco/scene.h"

#include "envs/mujoco/compat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPARE_GEOMS = 1000, LIST_SIZE = 512 };

// The robot from the side, near enough to fill half of the picture.
static const double track_azimuth = 90.0, track_elevation = -15.0; // degrees
static const double track_distance = 4.0;                          // times the robot's radius

struct mr_scene {
    const mr_mujoco *mujoco; // borrowed
    mjModel *look;           // owned; the task's model with our settings of how it is drawn
    size_t camera;           // which one, of n_cameras
    mjvCamera view;
    mjvOption option;
    mjvScene scene;
    mjrContext context;
    int buffer;   // of a draw
    mjrRect area; // of a draw
};

// ---- Cameras: the model's own, and those of these names that it lacks.

static const char *const own_cameras[] = {"track", "free"};

static const char *camera_name(const mjModel *model, size_t i) {
    return model->names + model->name_camadr[i];
}

static bool has_camera(const mjModel *model, const char *name) {
    return mj_name2id(model, mjOBJ_CAMERA, name) >= 0;
}

// The name of camera `i`, NULL after the last.
static const char *camera_at(const mjModel *model, size_t i) {
    if (i < (size_t)model->ncam)
        return camera_name(model, i);
    i -= (size_t)model->ncam;
    for (size_t k = 0; k < MR_COUNT(own_cameras); k++)
        if (!has_camera(model, own_cameras[k]) && i-- == 0)
            return own_cameras[k];
    return NULL;
}

static mr_status find_camera(const mr_mujoco *mujoco, const char *name, size_t *out) {
    char list[LIST_SIZE] = "";
    size_t length = 0;
    const char *wanted = name != NULL ? name : own_cameras[0], *present;
    for (size_t i = 0; (present = camera_at(mujoco->model, i)) != NULL; i++) {
        if (strcmp(present, wanted) == 0) {
            *out = i;
            return MR_OK;
        }
        if (length < sizeof list && present[0] != '\0')
            length += (size_t)snprintf(list + length, sizeof list - length, "%s%s",
                                       length == 0 ? "" : ", ", present);
    }
    return mr_fail(MR_ERR_USAGE, "%s has no camera \"%.60s\"; there are %s", mujoco->name, name,
                   list);
}

mr_status mr_scene_check_camera(const mr_mujoco *mujoco, const char *camera) {
    size_t found;
    return find_camera(mujoco, camera, &found);
}

// The robot: the first body in the world that can move, with all that hangs on it.
static int robot_of(const mjModel *model) {
    for (int i = 1; i < (int)model->nbody; i++)
        if (model->body_weldid[i] != 0)
            return i;
    return 0;
}

// How far the robot reaches from its centre of mass.
static double radius_of(const mjModel *model, const mjData *data, int robot) {
    const mjtNum *centre = data->subtree_com + 3 * (size_t)robot;
    double radius = 0.0;
    for (size_t i = 0; i < (size_t)model->ngeom; i++) {
        const size_t body = (size_t)model->geom_bodyid[i];
        const double reach = mju_dist3(data->geom_xpos + 3 * i, centre) + model->geom_rbound[i];
        if (model->body_rootid[body] == model->body_rootid[robot] && reach > radius)
            radius = reach;
    }
    return radius > 0.0 ? radius : model->stat.extent / 2.0; // a robot without geoms
}

static void view_track(const mjModel *model, const mjData *data, mjvCamera *view) {
    mjv_defaultFreeCamera(model, view);
    view->type = mjCAMERA_TRACKING;
    view->trackbodyid = robot_of(model);
    view->azimuth = track_azimuth;
    view->elevation = track_elevation;
    view->distance = track_distance * radius_of(model, data, view->trackbodyid);
    for (size_t i = 0; i < 3; i++)
        view->lookat[i] = data->subtree_com[3 * (size_t)view->trackbodyid + i];
}

static void choose_camera(mr_scene *scene, size_t i) {
    const mjModel *model = scene->look;
    scene->camera = i;
    if (i < (size_t)model->ncam) {
        scene->view.type = mjCAMERA_FIXED;
        scene->view.fixedcamid = (int)i;
    } else if (strcmp(camera_at(model, i), "track") == 0) {
        view_track(model, scene->mujoco->data, &scene->view);
    } else {
        mjv_defaultFreeCamera(model, &scene->view);
    }
}

const char *mr_scene_next_camera(mr_scene *scene) {
    const size_t next = scene->camera + 1;
    choose_camera(scene, camera_at(scene->look, next) != NULL ? next : 0);
    return camera_at(scene->look, scene->camera);
}

void mr_scene_move_camera(mr_scene *scene, mjtMouse how, double dx, double dy) {
    if (scene->view.type == mjCAMERA_FIXED)
        view_track(scene->look, scene->mujoco->data, &scene->view);
    if (how == mjMOUSE_MOVE_V || how == mjMOUSE_MOVE_H)
        scene->view.type =
            mjCAMERA_FREE; // from its present position; a tracking camera would return
    mr_mujoco_move_camera(scene->look, how, dx, dy, &scene->scene, &scene->view);
}

// ---- Opening

static void copy_model(void *self) {
    mr_scene *scene = self;
    scene->look = mj_copyModel(NULL, scene->mujoco->model);
}

static void make(void *self) {
    mr_scene *scene = self;
    mjv_makeScene(scene->look, &scene->scene, (int)scene->look->ngeom + SPARE_GEOMS);
    mjr_makeContext(scene->look, &scene->context, mjFONTSCALE_100);
}

mr_status mr_scene_open(const mr_mujoco *mujoco, const char *camera, size_t width, size_t height,
                        mr_scene **out) {
    mr_status status;
    size_t chosen = 0;
    mr_scene *scene = calloc(1, sizeof *scene);

    if (scene == NULL)
        return mr_fail_memory("a picture");
    scene->mujoco = mujoco;
    mjv_defaultOption(&scene->option);
    mjv_defaultCamera(&scene->view);
    mjv_defaultScene(&scene->scene);
    mjr_defaultContext(&scene->context);
    MR_TRY(find_camera(mujoco, camera, &chosen));
    MR_TRY(mr_mujoco_run(mujoco->name, copy_model, scene));
    if (scene->look == NULL)
        MR_TRY(mr_fail_memory("a picture"));
    scene->look->vis.global.offwidth = (int)width;
    scene->look->vis.global.offheight = (int)height;
    MR_TRY(mr_mujoco_run(mujoco->name, make, scene));
    choose_camera(scene, chosen);
    *out = scene;
    scene = NULL;
done:
    mr_scene_close(scene);
    return status;
}

void mr_scene_close(mr_scene *scene) {
    if (scene == NULL)
        return;
    mjr_freeContext(&scene->context);
    mjv_freeScene(&scene->scene);
    mj_deleteModel(scene->look);
    free(scene);
}

// ---- Drawing

static void draw(void *self) {
    mr_scene *scene = self;
    mjr_setBuffer(scene->buffer, &scene->context);
    mjv_updateScene(scene->look, scene->mujoco->data, &scene->option, NULL, &scene->view, mjCAT_ALL,
                    &scene->scene);
    mjr_render(scene->area, &scene->scene, &scene->context);
}

mr_status mr_scene_draw(mr_scene *scene, int buffer, mjrRect area) {
    scene->buffer = buffer;
    scene->area = area;
    return mr_mujoco_run(scene->mujoco->name, draw, scene);
}

const mjrContext *mr_scene_context(const mr_scene *scene) {
    return &scene->context;
}
