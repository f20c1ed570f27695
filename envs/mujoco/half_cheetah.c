// HalfCheetah: a planar runner with two legs (Wawrzynski 2009).

#include "envs/mujoco/terms.h"

const mr_task mr_task_half_cheetah = {
    .model = "builtin:half_cheetah.xml",
    .frame_skip = 5,
    .max_episode_steps = 1000,
    .obs = MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos}, .n_positions = 1},
                   {.of = {.field = &mr_field_qvel}}),
    .exclude_positions = true,
    .rewards = MR_ROWS(mr_reward_term,
                       {.name = "reward_forward",
                        .of = {&mr_quantity_velocity, {.field = &mr_field_qpos, .n = 1}},
                        .weight = 1.0,
                        .option = "forward_reward_weight"},
                       {.name = "reward_ctrl",
                        .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},
                        .weight = 0.1,
                        .option = "ctrl_cost_weight",
                        .cost = true}),
    .infos = MR_ROWS(
        mr_info_term, {.name = "x_position", .of = {.of = {.field = &mr_field_qpos, .n = 1}}},
        {.name = "x_velocity", .of = {&mr_quantity_velocity, {.field = &mr_field_qpos, .n = 1}}}),
    .qpos_noise = {&mr_noise_uniform, 0.1, "reset_noise_scale"},
    .qvel_noise = {&mr_noise_normal, 0.1, "reset_noise_scale"},
    .is_gymnasium = true,
    .source = "P. Wawrzynski, A Cat-Like Robot Real-Time Learning to Run, 2009",
};

const mr_env_builtin mr_env_half_cheetah = {
    .name = "HalfCheetah-v5",
    .summary = "a planar two-legged runner learns to run fast",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &mr_task_half_cheetah,
};
