// Hopper: a planar robot on one leg (Erez, Tassa and Todorov 2011).

#include "envs/mujoco/terms.h"

#include <math.h>

static const mr_task task = {
    .model = "hopper.xml",
    .frame_skip = 4,
    .max_episode_steps = 1000,
    .obs =
        {
            {.of = {.field = &mr_field_qpos, .first = 1}},
            {.of = {.field = &mr_field_qvel}, .low = -10.0, .high = 10.0},
        },
    .rewards =
        {
            {&mr_reward_forward, "forward_reward_weight", 1.0},
            {&mr_reward_healthy, "healthy_reward", 1.0},
            {&mr_reward_control, "ctrl_cost_weight", 1e-3},
        },
    .healthy =
        {
            {.option = "healthy_z_range",
             .of = {.field = &mr_field_qpos, .first = 1, .n = 1},
             .low = 0.7,
             .high = INFINITY},
            {.option = "healthy_angle_range",
             .of = {.field = &mr_field_qpos, .first = 2, .n = 1},
             .low = -0.2,
             .high = 0.2},
            {.option = "healthy_state_range",
             .of = {.field = &mr_field_qpos, .first = 2},
             .low = -100.0,
             .high = 100.0},
            {.option = "healthy_state_range",
             .of = {.field = &mr_field_qvel},
             .low = -100.0,
             .high = 100.0},
        },
    .terminate_when_unhealthy = true,
    .qpos_noise = {&mr_noise_uniform, 5e-3},
    .qvel_noise = {&mr_noise_uniform, 5e-3},
    .source = "T. Erez, Y. Tassa and E. Todorov, Infinite-Horizon Model Predictive Control for "
              "Periodic Tasks with Contacts, 2011",
};

const mr_env_builtin mr_env_hopper = {
    .name = "Hopper-v5",
    .summary = "a planar one-legged robot learns to hop forward",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
