// Ant: a four-legged robot (Schulman et al. 2015).

#include "envs/mujoco/terms.h"

#include <math.h>

#define TORSO                                                                                      \
    { "1", "main_body" } // Gymnasium's default is the number, too

const mr_task mr_task_ant = {
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
                    .included = true}),
    .exclude_positions = true,
    .rewards =
        MR_ROWS(mr_reward_term,
                {.name = "reward_forward",
                 .of = {&mr_quantity_velocity, {.field = &mr_field_xpos, .object = TORSO, .n = 1}},
                 .weight = 1.0,
                 .option = "forward_reward_weight"},
                {.name = "reward_survive",
                 .of = {&mr_quantity_healthy},
                 .weight = 1.0,
                 .option = "healthy_reward"},
                {.name = "reward_ctrl",
                 .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},
                 .weight = 0.5,
                 .option = "ctrl_cost_weight",
                 .cost = true},
                {.name = "reward_contact",
                 .of = {&mr_quantity_squares,
                        {.field = &mr_field_cfrc_ext,
                         .clip = {-1.0, 1.0},
                         .clip_option = "contact_force_range"}},
                 .weight = 5e-4,
                 .option = "contact_cost_weight",
                 .cost = true}),
    .infos = MR_ROWS(
        mr_info_term, {.name = "x_position", .of = {.of = {.field = &mr_field_qpos, .n = 1}}},
        {.name = "y_position", .of = {.of = {.field = &mr_field_qpos, .first = 1, .n = 1}}},
        {.name = "distance_from_origin",
         .of = {&mr_quantity_norm, {.field = &mr_field_qpos, .n = 2}}},
        {.name = "x_velocity",
         .of = {&mr_quantity_velocity, {.field = &mr_field_xpos, .object = TORSO, .n = 1}}},
        {.name = "y_velocity",
         .of = {&mr_quantity_velocity,
                {.field = &mr_field_xpos, .object = TORSO, .first = 1, .n = 1}}}),
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
    .is_gymnasium = true,
    .source = "J. Schulman, P. Moritz, S. Levine, M. Jordan and P. Abbeel, High-Dimensional "
              "Continuous Control Using Generalized Advantage Estimation, 2015",
};

const mr_env_builtin mr_env_ant = {
    .name = "Ant-v5",
    .summary = "a four-legged robot learns to run forward",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &mr_task_ant,
};
