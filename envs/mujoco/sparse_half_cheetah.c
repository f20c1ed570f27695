// SparseHalfCheetah: HalfCheetah, rewarded only once it has come 5 m (Houthooft et al. 2016).

#include "envs/mujoco/sparse.h"

#include <math.h>

static const mr_task task = {
    .model = "builtin:half_cheetah.xml",
    .frame_skip = 5,
    .max_episode_steps = 1000,
    .obs = MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos}, .n_positions = 1},
                   {.of = {.field = &mr_field_qvel}}),
    .exclude_positions = false,
    .rewards = MR_SPARSE_REWARDS(5.0),
    .infos = MR_SPARSE_INFOS,
    .qpos_noise = {&mr_noise_uniform, 0.1, "reset_noise_scale"},
    .qvel_noise = {&mr_noise_normal, 0.1, "reset_noise_scale"},
    .source = "R. Houthooft, X. Chen, Y. Duan, J. Schulman, F. De Turck and P. Abbeel, VIME: "
              "Variational Information Maximizing Exploration, 2016",
};

const mr_env_builtin mr_env_sparse_half_cheetah = {
    .name = "SparseHalfCheetah-v0",
    .summary = "HalfCheetah, rewarded only once it has come 5 m",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
