// A task as a plug-in, for docs/examples/balance.xml: a ball on a tray that tilts. The reward falls
// off with the square of the ball's distance from the middle. It has all parts that a plug-in may
// have; its formulas could be any.
//
// From the root of millrace's folder, once it is built:
//
//     export PKG_CONFIG_PATH=build/release
//     cc -shared -fPIC docs/examples/balance.c $(pkg-config --cflags millrace) -o balance.so
//     build/release/bin/millrace train mjcf:docs/examples/balance.xml --task ./balance.so
//
// pkg-config says where the header below and MuJoCo's are: build/release/millrace-uninstalled.pc
// has those of this folder; of an installed millrace, it knows without PKG_CONFIG_PATH.

#include <millrace/plugin.h>

#include <math.h>
#include <string.h>

enum {
    TRAY_JOINTS = 2,
    N_OBS = 2 * TRAY_JOINTS + 4
}; // the ball's two slides come after the tray's

static const double tray_radius = 0.3;

static double distance(const mjData *data) {
    return hypot(data->qpos[TRAY_JOINTS], data->qpos[TRAY_JOINTS + 1]);
}

static size_t obs_dim(const mjModel *model) {
    (void)model;
    return N_OBS;
}

static void observe(const mjModel *model, const mjData *data, double *obs) {
    memcpy(obs, data->qpos, (size_t)model->nq * sizeof *obs);
    memcpy(obs + model->nq, data->qvel, (size_t)model->nv * sizeof *obs);
}

static void keep(const mjModel *model, const mjData *data, double *kept) {
    (void)model;
    kept[0] = distance(data);
}

static double reward(const mjModel *model, const mjData *data, double seconds, const double *kept,
                     double *info) {
    (void)model;
    const double now = distance(data), share = now / tray_radius;
    info[0] = now;
    info[1] = (now - kept[0]) / seconds;
    return 1.0 - share * share;
}

static bool is_over(const mjModel *model, const mjData *data) {
    (void)model;
    return distance(data) > tray_radius;
}

static void place(const mjModel *model, mr_plugin_random *random, double *qpos, double *qvel) {
    for (int i = TRAY_JOINTS; i < model->nq; i++) {
        qpos[i] = random->uniform(random, -0.1, 0.1);
        qvel[i] = 0.1 * random->normal(random);
    }
}

static const char *const info_names[] = {"distance", "distance_velocity"};

const mr_plugin millrace_task = {
    MR_PLUGIN_HEADER,   .summary = "a tilting tray keeps a ball in its middle",
    .frame_skip = 4,    .max_episode_steps = 250,
    .obs_dim = obs_dim, .observe = observe,
    .n_kept = 1,        .keep = keep,
    .n_info = 2,        .info_names = info_names,
    .reward = reward,   .is_over = is_over,
    .place = place,
};
