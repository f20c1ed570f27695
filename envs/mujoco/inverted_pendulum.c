// InvertedPendulum: a pole kept upright on a cart (Barto, Sutton and Anderson 1983).

#include "envs/mujoco/terms.h"

#include <math.h>

static const mr_task task = {
    .model = "builtin:inverted_pendulum.xml",
    .frame_skip = 2,
    .max_episode_steps = 1000,
    .obs =
        MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos}}, {.of = {.field = &mr_field_qvel}}),
    .rewards = MR_ROWS(mr_reward_term,
                       {.name = "reward_survive", .of = {&mr_quantity_healthy}, .weight = 1.0}),
    .healthy =
        MR_ROWS(mr_healthy_range,
                {.of = {.of = {.field = &mr_field_qpos, .first = 1, .n = 1}},
                 .range = {-0.2, 0.2},
                 .closed = true},
                {.of = {.of = {.field = &mr_field_qpos}}, .range = {-INFINITY, INFINITY}}, // finite
                {.of = {.of = {.field = &mr_field_qvel}}, .range = {-INFINITY, INFINITY}}),
    .terminate_when_unhealthy = true,
    .qpos_noise = {&mr_noise_uniform, 0.01, "reset_noise_scale"},
    .qvel_noise = {&mr_noise_uniform, 0.01, "reset_noise_scale"},
    .is_gymnasium = true,
    .source = "A. Barto, R. Sutton and C. Anderson, Neuronlike Adaptive Elements That Can Solve "
              "Difficult Learning Control Problems, 1983",
};

const mr_env_builtin mr_env_inverted_pendulum = {
    .name = "InvertedPendulum-v5",
    .summary = "a cart balances a pole",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
