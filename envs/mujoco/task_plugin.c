// Tasks in shared objects. A plug-in's functions are called by an ordinary field, quantities and
// reset, so that the simulation does not know of plug-ins.

#include "envs/mujoco/task_file.h"

#include "millrace/plugin.h"
#include "envs/mujoco/state.h"
#include "envs/mujoco/terms.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char symbol[] = "millrace_task";

static const mr_plugin *plugin_of(const mr_mujoco *mujoco) {
    return mujoco->task.plugin;
}

// Rooms in mujoco->plugin_numbers: observation, what is kept, info.
static double *obs_of(const mr_mujoco *mujoco) {
    return mujoco->plugin_numbers;
}

static double *kept_of(const mr_mujoco *mujoco) {
    return obs_of(mujoco) + plugin_of(mujoco)->obs_dim(mujoco->model);
}

static double *info_of(const mr_mujoco *mujoco) {
    return kept_of(mujoco) + plugin_of(mujoco)->n_kept;
}

// ---- Field, quantities, reset

// Slices of these fields say themselves how many components they have.
static size_t count_any(const mjModel *model) {
    (void)model;
    return SIZE_MAX / sizeof(double);
}

static const mjtNum *observed(const mr_mujoco *mujoco) {
    plugin_of(mujoco)->observe(mujoco->model, mujoco->data, obs_of(mujoco));
    return obs_of(mujoco);
}

static const mjtNum *told(const mr_mujoco *mujoco) {
    return info_of(mujoco);
}

static const mr_field obs_field = {
    .name = "plugin",
    .width = 1,
    .count = count_any,
    .values = observed,
    .after_step = true,
};

static const mr_field info_field = {.name = "info", .width = 1, .count = count_any, .values = told};

static double keep(const mr_mujoco *mujoco, const mr_measure *measure) {
    (void)measure;
    const mr_plugin *plugin = plugin_of(mujoco);
    if (plugin->keep != NULL)
        plugin->keep(mujoco->model, mujoco->data, kept_of(mujoco));
    return 0.0;
}

static double reward_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)measure, (void)before;
    return plugin_of(mujoco)->reward(mujoco->model, mujoco->data, mujoco->dt, kept_of(mujoco),
                                     info_of(mujoco));
}

static double over_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)measure, (void)before;
    return plugin_of(mujoco)->is_over(mujoco->model, mujoco->data) ? 1.0 : 0.0;
}

static const mr_quantity reward_quantity = {
    .name = "plugin", .formula = "what the plug-in says", .before = keep, .value = reward_value};

static const mr_quantity over_quantity = {.name = "over",
                                          .formula =
                                              "1 if the plug-in says that it is over, else 0",
                                          .value = over_value};

// The environment's random numbers in the plug-in's form.
typedef struct {
    mr_plugin_random functions; // first: the plug-in is given a pointer to it
    mr_random *random;
} random_source;

static double draw_uniform(mr_plugin_random *random, double low, double high) {
    return mr_random_between(((random_source *)random)->random, low, high);
}

static double draw_normal(mr_plugin_random *random) {
    return mr_random_normal(((random_source *)random)->random);
}

static void place(mr_mujoco *mujoco, double *qpos, double *qvel) {
    random_source source = {{draw_uniform, draw_normal}, &mujoco->random};
    plugin_of(mujoco)->place(mujoco->model, &source.functions, qpos, qvel);
}

// ---- Loading

static mr_status fail_plugin(const char *path, const char *what) {
    return mr_fail(MR_ERR_INPUT, "%s: %s; see millrace/plugin.h", path, what);
}

static mr_status check_versions(const char *path, const mr_plugin *plugin) {
    if (plugin->abi != MR_PLUGIN_ABI)
        return mr_fail(MR_ERR_INPUT,
                       "%s: made for version %u of the plug-in interface, this millrace has %d; "
                       "build it again with this millrace's headers",
                       path, (unsigned)plugin->abi, (int)MR_PLUGIN_ABI);
    if (plugin->mujoco != mjVERSION_HEADER)
        return mr_fail(MR_ERR_INPUT,
                       "%s: made for MuJoCo %d, this millrace runs on %d; build it again with that "
                       "one's headers",
                       path, plugin->mujoco, mjVERSION_HEADER);
    return MR_OK;
}

static mr_status check_parts(const char *path, const mjModel *model, const mr_plugin *plugin) {
    if (plugin->obs_dim == NULL || plugin->observe == NULL || plugin->reward == NULL)
        return fail_plugin(path, "obs_dim, observe and reward must be given");
    if (plugin->n_kept > 0 && plugin->keep == NULL)
        return fail_plugin(path, "n_kept is not 0, but there is no keep");
    if (plugin->n_info > 0 && plugin->info_names == NULL)
        return fail_plugin(path, "n_info is not 0, but there are no info_names");
    for (size_t i = 0; i < plugin->n_info; i++)
        if (plugin->info_names[i] == NULL || plugin->info_names[i][0] == '\0' ||
            strlen(plugin->info_names[i]) >= MR_NAME_SIZE)
            return fail_plugin(path, "each of the info_names must have 1 to 127 bytes");
    if (plugin->frame_skip == 0)
        return fail_plugin(path, "frame_skip must be at least 1");
    if (plugin->obs_dim(model) == 0)
        return fail_plugin(path, "obs_dim must be at least 1");
    return MR_OK;
}

// dlopen looks for names without a slash elsewhere than in the present folder.
static mr_status load(const char *path, const mr_plugin **out) {
    char name[MR_OPTION_MAX_TEXT * 4 + 2];
    snprintf(name, sizeof name, "%s%s", strchr(path, '/') == NULL ? "./" : "", path);
    void *object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL)
        return mr_fail(MR_ERR_IO, "cannot load the task: %s", dlerror());
    *out = dlsym(object, symbol);
    if (*out == NULL) {
        dlclose(object);
        return fail_plugin(path, "defines no millrace_task");
    }
    return MR_OK;
}

static mr_status describe(const mjModel *model, const mr_plugin *plugin, mr_task *task) {
    mr_obs_part obs = {.of = {.field = &obs_field, .n = plugin->obs_dim(model)}};
    mr_reward_term reward = {.name = "reward", .of = {.kind = &reward_quantity}, .weight = 1.0};
    mr_healthy_range over = {.of = {.kind = &over_quantity}, .range = {0.0, 0.5}, .closed = true};
    const mr_task of_plugin = {
        .frame_skip = plugin->frame_skip,
        .max_episode_steps = plugin->max_episode_steps,
        .obs = {&obs, 1},
        .rewards = {&reward, 1},
        .infos = {calloc(plugin->n_info + 1, sizeof(mr_info_term)), plugin->n_info},
        .healthy = {&over, plugin->is_over != NULL ? 1 : 0},
        .terminate_when_unhealthy = plugin->is_over != NULL,
        .place = plugin->place != NULL ? place : NULL,
        .place_text = plugin->place != NULL ? "changed as the plug-in says" : NULL,
        .plugin = plugin,
        .n_plugin_numbers = plugin->obs_dim(model) + plugin->n_kept + plugin->n_info,
    };
    if (of_plugin.infos.rows == NULL)
        return mr_fail_memory("a plug-in's info");
    for (size_t i = 0; i < plugin->n_info; i++) {
        mr_info_term *info = &of_plugin.infos.rows[i];
        snprintf(info->name, sizeof info->name, "%s", plugin->info_names[i]);
        info->of.of = (mr_slice){.field = &info_field, .first = i, .n = 1};
    }
    const mr_status status = mr_task_copy(&of_plugin, task);
    free(of_plugin.infos.rows);
    return status;
}

mr_status mr_task_read_plugin(const char *path, const mjModel *model, mr_task *task,
                              char *summary) {
    mr_status status;
    const mr_plugin *plugin = NULL;

    MR_TRY(load(path, &plugin));
    MR_TRY(check_versions(path, plugin));
    MR_TRY(check_parts(path, model, plugin));
    MR_TRY(describe(model, plugin, task));
    snprintf(summary, MR_OPTION_MAX_TEXT, "%s", plugin->summary != NULL ? plugin->summary : "");
done:
    return status;
}
