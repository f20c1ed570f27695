// Humanoid: a three-dimensional biped that walks; HumanoidStandup: the same one, lying on its back
// (Tassa, Erez and Todorov 2012).

#include "envs/mujoco/terms.h"

#include <math.h>

// Without the world, the first body, and without the six forces on the torso's free joint.
#define HUMANOID_OBS                                                                               \
    MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos}, .n_positions = 2},                      \
            {.of = {.field = &mr_field_qvel}},                                                     \
            {.of = {.field = &mr_field_cinert, .first = 10},                                       \
             .option = "include_cinert_in_observation",                                            \
             .included = true},                                                                    \
            {.of = {.field = &mr_field_cvel, .first = 6},                                          \
             .option = "include_cvel_in_observation",                                              \
             .included = true},                                                                    \
            {.of = {.field = &mr_field_qfrc_actuator, .first = 6},                                 \
             .option = "include_qfrc_actuator_in_observation",                                     \
             .included = true},                                                                    \
            {.of = {.field = &mr_field_cfrc_ext, .first = 6},                                      \
             .option = "include_cfrc_ext_in_observation",                                          \
             .included = true})

#define SOURCE                                                                                     \
    "Y. Tassa, T. Erez and E. Todorov, Synthesis and Stabilization of Complex Behaviors "          \
    "through Online Trajectory Optimization, 2012"

// ---- Humanoid

// The center of mass of all bodies is that of the world and what is below it.
#define ALL_BODIES                                                                                 \
    { "0" }

static const mr_task walk = {
    .model = "builtin:humanoid.xml",
    .frame_skip = 5,
    .max_episode_steps = 1000,
    .obs = HUMANOID_OBS,
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
    .source = SOURCE,
};

const mr_env_builtin mr_env_humanoid = {
    .name = "Humanoid-v5",
    .summary = "a three-dimensional biped learns to walk forward",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &walk,
};

// ---- HumanoidStandup

static double rise_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)before;
    return mr_slice_at(mujoco, &measure->of, 0) / mujoco->model->opt.timestep;
}

static const mr_quantity rise = {
    .name = "rise", .formula = "{} / timestep of the model", .value = rise_value};

static const mr_task standup = {
    .model = "builtin:humanoid_standup.xml",
    .frame_skip = 5,
    .max_episode_steps = 1000,
    .obs = HUMANOID_OBS,
    .exclude_positions = true,
    .rewards = MR_ROWS(mr_reward_term,
                       {.name = "reward_linup",
                        .of = {&rise, {.field = &mr_field_qpos, .first = 2, .n = 1}},
                        .weight = 1.0},
                       {.name = "reward_quadctrl",
                        .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},
                        .weight = 0.1,
                        .option = "ctrl_cost_weight",
                        .cost = true},
                       {.name = "reward_impact",
                        .of = {&mr_quantity_squares, {.field = &mr_field_cfrc_ext}},
                        .weight = 5e-7,
                        .option = "impact_cost_weight",
                        .clip = {-INFINITY, 10.0},
                        .clip_option = "impact_cost_range",
                        .cost = true},
                       {.of = {&mr_quantity_one}, .weight = 1.0}),
    .infos = MR_ROWS(
        mr_info_term, {.name = "x_position", .of = {.of = {.field = &mr_field_qpos, .n = 1}}},
        {.name = "y_position", .of = {.of = {.field = &mr_field_qpos, .first = 1, .n = 1}}},
        {.name = "z_distance_from_origin",
         .of = {&mr_quantity_offset, {.field = &mr_field_qpos, .first = 2, .n = 1}}},
        {.name = "tendon_length", .of = {.of = {.field = &mr_field_ten_length}}},
        {.name = "tendon_velocity", .of = {.of = {.field = &mr_field_ten_velocity}}}),
    .qpos_noise = {&mr_noise_uniform, 0.01, "reset_noise_scale"},
    .qvel_noise = {&mr_noise_uniform, 0.01, "reset_noise_scale"},
    .unused = "uph_cost_weight",
    .unused_value = 1.0,
    .is_gymnasium = true,
    .source = SOURCE,
};

const mr_env_builtin mr_env_humanoid_standup = {
    .name = "HumanoidStandup-v5",
    .summary = "a three-dimensional biped learns to stand up",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &standup,
};
