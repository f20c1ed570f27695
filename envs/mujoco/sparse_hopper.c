// SparseHopper: Hopper, rewarded only once it has come 1 m. It ends where Hopper does.

#include "envs/mujoco/sparse.h"

#include <math.h>

static const mr_task task = {
    .model = "builtin:hopper.xml",
    .frame_skip = 4,
    .max_episode_steps = 1000,
    .obs = MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos}, .n_positions = 1},
                   {.of = {.field = &mr_field_qvel, .clip = {-10.0, 10.0}}}),
    .exclude_positions = false,
    .rewards = MR_SPARSE_REWARDS(1.0),
    .infos = MR_SPARSE_INFOS,
    .healthy = MR_ROWS(mr_healthy_range,
                       {.of = {.of = {.field = &mr_field_qpos, .first = 1, .n = 1}},
                        .range = {0.7, INFINITY},
                        .option = "healthy_z_range"},
                       {.of = {.of = {.field = &mr_field_qpos, .first = 2, .n = 1}},
                        .range = {-0.2, 0.2},
                        .option = "healthy_angle_range"},
                       {.of = {.of = {.field = &mr_field_qpos, .first = 2}},
                        .range = {-100.0, 100.0},
                        .option = "healthy_state_range"},
                       {.of = {.of = {.field = &mr_field_qvel}},
                        .range = {-100.0, 100.0},
                        .option = "healthy_state_range"}),
    .terminate_when_unhealthy = true,
    .qpos_noise = {&mr_noise_uniform, 5e-3, "reset_noise_scale"},
    .qvel_noise = {&mr_noise_uniform, 5e-3, "reset_noise_scale"},
    .source = "R. Houthooft, X. Chen, Y. Duan, J. Schulman, F. De Turck and P. Abbeel, VIME: "
              "Variational Information Maximizing Exploration, 2016 (there for HalfCheetah)",
};

const mr_env_builtin mr_env_sparse_hopper = {
    .name = "SparseHopper-v0",
    .summary = "Hopper, rewarded only once it has come 1 m",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
