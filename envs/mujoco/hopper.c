// Hopper: a planar robot on one leg (Erez, Tassa and Todorov 2011).

#include "envs/mujoco/terms.h"

#include <math.h>

const mr_task mr_task_hopper = {
    .model = "builtin:hopper.xml",
    .frame_skip = 4,
    .max_episode_steps = 1000,
    .obs = MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos}, .n_positions = 1},
                   {.of = {.field = &mr_field_qvel, .clip = {-10.0, 10.0}}}),
    .exclude_positions = true,
    .rewards = MR_ROWS(mr_reward_term,
                       {.name = "reward_forward",
                        .of = {&mr_quantity_velocity, {.field = &mr_field_qpos, .n = 1}},
                        .weight = 1.0,
                        .option = "forward_reward_weight"},
                       {.name = "reward_survive",
                        .of = {&mr_quantity_healthy},
                        .weight = 1.0,
                        .option = "healthy_reward"},
                       {.name = "reward_ctrl",
                        .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},
                        .weight = 1e-3,
                        .option = "ctrl_cost_weight",
                        .cost = true}),
    .infos = MR_ROWS(
        mr_info_term, {.name = "x_position", .of = {.of = {.field = &mr_field_qpos, .n = 1}}},
        {.name = "z_distance_from_origin",
         .of = {&mr_quantity_offset, {.field = &mr_field_qpos, .first = 1, .n = 1}}},
        {.name = "x_velocity", .of = {&mr_quantity_velocity, {.field = &mr_field_qpos, .n = 1}}}),
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
    .is_gymnasium = true,
    .source = "T. Erez, Y. Tassa and E. Todorov, Infinite-Horizon Model Predictive Control for "
              "Periodic Tasks with Contacts, 2011",
};

const mr_env_builtin mr_env_hopper = {
    .name = "Hopper-v5",
    .summary = "a planar one-legged robot learns to hop forward",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &mr_task_hopper,
};
