// Plug-ins that must be refused; tests/CMakeLists.txt builds one for each fault.

#include "millrace/plugin.h"

static size_t obs_dim(const mjModel *model) {
    (void)model;
    return 1;
}

static void observe(const mjModel *model, const mjData *data, double *obs) {
    (void)model, (void)data;
    obs[0] = 0.0;
}

#ifndef FAULT_REWARD
static double reward(const mjModel *model, const mjData *data, double seconds, const double *kept,
                     double *info) {
    (void)model, (void)data, (void)seconds, (void)kept, (void)info;
    return 0.0;
}
#endif

#ifdef FAULT_SYMBOL
#define millrace_task another_name
#endif

extern const mr_plugin millrace_task;
const mr_plugin millrace_task = {
#ifdef FAULT_ABI
    .abi = MR_PLUGIN_ABI + 1,
#else
    .abi = MR_PLUGIN_ABI,
#endif
#ifdef FAULT_MUJOCO
    .mujoco = mjVERSION_HEADER + 1,
#else
    .mujoco = mjVERSION_HEADER,
#endif
#ifndef FAULT_SKIP
    .frame_skip = 1,
#endif
#ifdef FAULT_KEEP
    .n_kept = 1,
#endif
#ifdef FAULT_INFO
    .n_info = 1,
#endif
    .obs_dim = obs_dim,
    .observe = observe,
#ifndef FAULT_REWARD
    .reward = reward,
#endif
};
