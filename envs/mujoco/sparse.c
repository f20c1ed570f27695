// SparseHalfCheetah, SparseHopper, SparseAnt: the dense tasks, but rewarded only once the robot has
// come some way (Houthooft et al. 2016). They end where the dense tasks do. Positions along the way
// are observed, because the reward depends on them.

#include "envs/mujoco/terms.h"

#include <math.h>

extern const mr_task mr_task_half_cheetah, mr_task_hopper, mr_task_ant;

// The reward is 1 for each step after which the robot is more than `threshold` (m) ahead of its
// start. Control costs nothing unless `ctrl_cost_weight` is set.
#define SPARSE_REWARDS(threshold)                                                                  \
    MR_ROWS(mr_reward_term,                                                                        \
            {.name = "reward_forward",                                                             \
             .of = {&mr_quantity_gained,                                                           \
                    {.field = &mr_field_qpos, .n = 1},                                             \
                    .range = {threshold, INFINITY},                                                \
                    .low_option = "threshold"},                                                    \
             .weight = 1.0,                                                                        \
             .option = "forward_reward_weight"},                                                   \
            {.name = "reward_ctrl",                                                                \
             .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},                              \
             .weight = 0.0,                                                                        \
             .option = "ctrl_cost_weight",                                                         \
             .cost = true})

#define SPARSE_INFOS                                                                               \
    MR_ROWS(                                                                                       \
        mr_info_term, {.name = "x_position", .of = {.of = {.field = &mr_field_qpos, .n = 1}}},     \
        {.name = "x_velocity", .of = {&mr_quantity_velocity, {.field = &mr_field_qpos, .n = 1}}})

#define SOURCE                                                                                     \
    "R. Houthooft, X. Chen, Y. Duan, J. Schulman, F. De Turck and P. Abbeel, VIME: "               \
    "Variational Information Maximizing Exploration, 2016"

static const mr_task half_cheetah = {
    .like = &mr_task_half_cheetah,
    .set = "exclude_current_positions_from_observation=false",
    .rewards = SPARSE_REWARDS(5.0),
    .infos = SPARSE_INFOS,
    .source = SOURCE,
};

const mr_env_builtin mr_env_sparse_half_cheetah = {
    .name = "SparseHalfCheetah-v0",
    .summary = "HalfCheetah, rewarded only once it has come 5 m",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &half_cheetah,
};

static const mr_task hopper = {
    .like = &mr_task_hopper,
    .set = "exclude_current_positions_from_observation=false",
    .rewards = SPARSE_REWARDS(1.0),
    .infos = SPARSE_INFOS,
    .source = SOURCE " (there for HalfCheetah)",
};

const mr_env_builtin mr_env_sparse_hopper = {
    .name = "SparseHopper-v0",
    .summary = "Hopper, rewarded only once it has come 1 m",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &hopper,
};

// Contact forces are not observed unless asked for: exploration is to look for new places.
static const mr_task ant = {
    .like = &mr_task_ant,
    .set = "exclude_current_positions_from_observation=false,include_cfrc_ext_in_observation=false",
    .rewards = SPARSE_REWARDS(1.0),
    .infos = SPARSE_INFOS,
    .source = SOURCE " (there for HalfCheetah)",
};

const mr_env_builtin mr_env_sparse_ant = {
    .name = "SparseAnt-v0",
    .summary = "Ant, rewarded only once it has come 1 m",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &ant,
};
