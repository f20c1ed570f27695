// HumanoidStandup: the Humanoid, lying on its back (Tassa, Erez and Todorov 2012).

#include "envs/mujoco/humanoid.h"
#include "envs/mujoco/terms.h"

#include <math.h>

static double rise_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)before;
    return mr_slice_at(mujoco, &measure->of, 0) / mujoco->model->opt.timestep;
}

static const mr_quantity rise = {
    .name = "rise", .formula = "{} / timestep of the model", .value = rise_value};

static const mr_task task = {
    .model = "builtin:humanoid_standup.xml",
    .frame_skip = 5,
    .max_episode_steps = 1000,
    .obs = MR_HUMANOID_OBS,
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
    .source = "Y. Tassa, T. Erez and E. Todorov, Synthesis and Stabilization of Complex Behaviors "
              "through Online Trajectory Optimization, 2012",
};

const mr_env_builtin mr_env_humanoid_standup = {
    .name = "HumanoidStandup-v5",
    .summary = "a three-dimensional biped learns to stand up",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
