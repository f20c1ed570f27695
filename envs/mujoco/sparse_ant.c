// SparseAnt: Ant, rewarded only once it has come 1 m along x. It ends where Ant does.
//
// Contact forces are not observed unless asked for: novelty is sought in where the robot is.

#include "envs/mujoco/sparse.h"

#include <math.h>

static const mr_task task = {
    .model = "builtin:ant.xml",
    .frame_skip = 5,
    .max_episode_steps = 1000,
    .obs = MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos}, .n_positions = 2},
                   {.of = {.field = &mr_field_qvel}},
                   {.of = {.field = &mr_field_cfrc_ext,
                           .first = 6, // without the world
                           .clip = {-1.0, 1.0},
                           .clip_option = "contact_force_range"},
                    .option = "include_cfrc_ext_in_observation",
                    .included = false}),
    .exclude_positions = false,
    .rewards = MR_SPARSE_REWARDS(1.0),
    .infos = MR_SPARSE_INFOS,
    .healthy =
        MR_ROWS(mr_healthy_range,
                {.of = {.of = {.field = &mr_field_qpos, .first = 2, .n = 1}},
                 .range = {0.2, 1.0},
                 .closed = true,
                 .option = "healthy_z_range"},
                {.of = {.of = {.field = &mr_field_qpos}}, .range = {-INFINITY, INFINITY}}, // finite
                {.of = {.of = {.field = &mr_field_qvel}}, .range = {-INFINITY, INFINITY}}),
    .terminate_when_unhealthy = true,
    .qpos_noise = {&mr_noise_uniform, 0.1, "reset_noise_scale"},
    .qvel_noise = {&mr_noise_normal, 0.1, "reset_noise_scale"},
    .source = "R. Houthooft, X. Chen, Y. Duan, J. Schulman, F. De Turck and P. Abbeel, VIME: "
              "Variational Information Maximizing Exploration, 2016 (there for HalfCheetah)",
};

const mr_env_builtin mr_env_sparse_ant = {
    .name = "SparseAnt-v0",
    .summary = "Ant, rewarded only once it has come 1 m",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
