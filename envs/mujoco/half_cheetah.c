// HalfCheetah: a planar runner with two legs (Wawrzynski 2009).

#include "envs/mujoco/terms.h"

static const mr_task task = {
    .model = "half_cheetah.xml",
    .frame_skip = 5,
    .max_episode_steps = 1000,
    .obs = {{.of = {.field = &mr_field_qpos, .first = 1}}, {.of = {.field = &mr_field_qvel}}},
    .rewards =
        {
            {&mr_reward_forward, "forward_reward_weight", 1.0},
            {&mr_reward_control, "ctrl_cost_weight", 0.1},
        },
    .qpos_noise = {&mr_noise_uniform, 0.1},
    .qvel_noise = {&mr_noise_normal, 0.1},
    .source = "P. Wawrzynski, A Cat-Like Robot Real-Time Learning to Run, 2009",
};

const mr_env_builtin mr_env_half_cheetah = {
    .name = "HalfCheetah-v5",
    .summary = "a planar two-legged runner learns to run fast",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
