// Humanoid: a three-dimensional biped (Tassa, Erez and Todorov 2012).

#include "envs/mujoco/humanoid.h"
#include "envs/mujoco/terms.h"

#include <math.h>

// The center of mass of all bodies is that of the world and what is below it.
#define ALL_BODIES                                                                                 \
    { "0" }

static const mr_task task = {
    .model = "builtin:humanoid.xml",
    .frame_skip = 5,
    .max_episode_steps = 1000,
    .obs = MR_HUMANOID_OBS,
    .exclude_positions = true,
    .rewards = MR_ROWS(mr_reward_term,
                       {.name = "reward_forward",
                        .of = {&mr_quantity_velocity,
                               {.field = &mr_field_subtree_com, .object = ALL_BODIES, .n = 1}},
                        .weight = 1.25,
                        .option = "forward_reward_weight"},
                       {.name = "reward_survive",
                        .of = {&mr_quantity_healthy},
                        .weight = 5.0,
                        .option = "healthy_reward"},
                       {.name = "reward_ctrl",
                        .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},
                        .weight = 0.1,
                        .option = "ctrl_cost_weight",
                        .cost = true},
                       {.name = "reward_contact",
                        .of = {&mr_quantity_squares, {.field = &mr_field_cfrc_ext}},
                        .weight = 5e-7,
                        .option = "contact_cost_weight",
                        .clip = {-INFINITY, 10.0},
                        .clip_option = "contact_cost_range",
                        .cost = true}),
    .infos = MR_ROWS(
        mr_info_term, {.name = "x_position", .of = {.of = {.field = &mr_field_qpos, .n = 1}}},
        {.name = "y_position", .of = {.of = {.field = &mr_field_qpos, .first = 1, .n = 1}}},
        {.name = "tendon_length", .of = {.of = {.field = &mr_field_ten_length}}},
        {.name = "tendon_velocity", .of = {.of = {.field = &mr_field_ten_velocity}}},
        {.name = "distance_from_origin",
         .of = {&mr_quantity_norm, {.field = &mr_field_qpos, .n = 2}}},
        {.name = "x_velocity",
         .of = {&mr_quantity_velocity,
                {.field = &mr_field_subtree_com, .object = ALL_BODIES, .n = 1}}},
        {.name = "y_velocity",
         .of = {&mr_quantity_velocity,
                {.field = &mr_field_subtree_com, .object = ALL_BODIES, .first = 1, .n = 1}}}),
    .healthy =
        MR_ROWS(mr_healthy_range, {.of = {.of = {.field = &mr_field_qpos, .first = 2, .n = 1}},
                                   .range = {1.0, 2.0},
                                   .option = "healthy_z_range"}),
    .terminate_when_unhealthy = true,
    .qpos_noise = {&mr_noise_uniform, 0.01, "reset_noise_scale"},
    .qvel_noise = {&mr_noise_uniform, 0.01, "reset_noise_scale"},
    .is_gymnasium = true,
    .source = "Y. Tassa, T. Erez and E. Todorov, Synthesis and Stabilization of Complex Behaviors "
              "through Online Trajectory Optimization, 2012",
};

const mr_env_builtin mr_env_humanoid = {
    .name = "Humanoid-v5",
    .summary = "a three-dimensional biped learns to walk forward",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
