// Swimmer: three links in a viscous fluid (Coulom 2002).

#include "envs/mujoco/terms.h"

static const mr_task task = {
    .model = "builtin:swimmer.xml",
    .frame_skip = 4,
    .max_episode_steps = 1000,
    .obs = MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos}, .n_positions = 2},
                   {.of = {.field = &mr_field_qvel}}),
    .exclude_positions = true,
    .rewards = MR_ROWS(mr_reward_term,
                       {.name = "reward_forward",
                        .of = {&mr_quantity_velocity, {.field = &mr_field_qpos, .n = 1}},
                        .weight = 1.0,
                        .option = "forward_reward_weight"},
                       {.name = "reward_ctrl",
                        .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},
                        .weight = 1e-4,
                        .option = "ctrl_cost_weight",
                        .cost = true}),
    .infos = MR_ROWS(
        mr_info_term, {.name = "x_position", .of = {.of = {.field = &mr_field_qpos, .n = 1}}},
        {.name = "y_position", .of = {.of = {.field = &mr_field_qpos, .first = 1, .n = 1}}},
        {.name = "distance_from_origin",
         .of = {&mr_quantity_norm, {.field = &mr_field_qpos, .n = 2}}},
        {.name = "x_velocity", .of = {&mr_quantity_velocity, {.field = &mr_field_qpos, .n = 1}}},
        {.name = "y_velocity",
         .of = {&mr_quantity_velocity, {.field = &mr_field_qpos, .first = 1, .n = 1}}}),
    .qpos_noise = {&mr_noise_uniform, 0.1, "reset_noise_scale"},
    .qvel_noise = {&mr_noise_uniform, 0.1, "reset_noise_scale"},
    .is_gymnasium = true,
    .source = "R. Coulom, Reinforcement Learning Using Neural Networks, with Applications to Motor "
              "Control, 2002",
};

const mr_env_builtin mr_env_swimmer = {
    .name = "Swimmer-v5",
    .summary = "a three-link swimmer learns to swim forward",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
