// Walker2d: Hopper on two legs (Erez, Tassa and Todorov 2011).

#include "envs/mujoco/terms.h"

extern const mr_task mr_task_hopper;

static const mr_task task = {
    .like = &mr_task_hopper,
    .model = "builtin:walker2d.xml",
    .healthy = MR_ROWS(mr_healthy_range,
                       {.of = {.of = {.field = &mr_field_qpos, .first = 1, .n = 1}},
                        .range = {0.8, 2.0},
                        .option = "healthy_z_range"},
                       {.of = {.of = {.field = &mr_field_qpos, .first = 2, .n = 1}},
                        .range = {-1.0, 1.0},
                        .option = "healthy_angle_range"}),
    .is_gymnasium = true,
};

const mr_env_builtin mr_env_walker2d = {
    .name = "Walker2d-v5",
    .summary = "a planar two-legged robot learns to walk forward",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
