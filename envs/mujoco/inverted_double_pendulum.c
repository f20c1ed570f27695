// InvertedDoublePendulum: two poles, one on the other, kept upright on a cart (Barto, Sutton and
// Anderson 1983).

#include "envs/mujoco/terms.h"

#include <math.h>

#define TIP                                                                                        \
    {                                                                                              \
        .field = &mr_field_site_xpos, .object = { "0" }                                            \
    } // Gymnasium takes the first site

static double distance_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)before;
    const double x = mr_slice_at(mujoco, &measure->of, 0);
    const double y = mr_slice_at(mujoco, &measure->of, 2);
    return 0.01 * x * x + (y - 2.0) * (y - 2.0);
}

static double spin_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)before;
    const double v1 = mr_slice_at(mujoco, &measure->of, 0);
    const double v2 = mr_slice_at(mujoco, &measure->of, 1);
    return 1e-3 * v1 * v1 + 5e-3 * v2 * v2;
}

static const mr_quantity distance = {
    .name = "distance",
    .formula = "0.01 x^2 + (z - 2)^2 of {}",
    .value = distance_value,
};

static const mr_quantity spin = {
    .name = "spin",
    .formula = "0.001 v1^2 + 0.005 v2^2 of {}",
    .value = spin_value,
};

static const mr_task task = {
    .model = "builtin:inverted_double_pendulum.xml",
    .frame_skip = 5,
    .max_episode_steps = 1000,
    .obs = MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos, .n = 1}},
                   {.of = {.field = &mr_field_qpos, .first = 1, .map = &mr_map_sin}},
                   {.of = {.field = &mr_field_qpos, .first = 1, .map = &mr_map_cos}},
                   {.of = {.field = &mr_field_qvel, .clip = {-10.0, 10.0}}},
                   {.of = {.field = &mr_field_qfrc_constraint, .n = 1, .clip = {-10.0, 10.0}}}),
    .rewards =
        MR_ROWS(mr_reward_term,
                {.name = "reward_survive",
                 .of = {&mr_quantity_healthy},
                 .weight = 10.0,
                 .option = "healthy_reward"},
                {.name = "distance_penalty", .of = {&distance, TIP}, .weight = 1.0, .cost = true},
                {.name = "velocity_penalty",
                 .of = {&spin, {.field = &mr_field_qvel, .first = 1, .n = 2}},
                 .weight = 1.0,
                 .cost = true}),
    .healthy =
        MR_ROWS(mr_healthy_range,
                {.of = {.of = {.field = &mr_field_site_xpos, .object = {"0"}, .first = 2, .n = 1}},
                 .range = {1.0, INFINITY}}),
    .terminate_when_unhealthy = true,
    .qpos_noise = {&mr_noise_uniform, 0.1, "reset_noise_scale"},
    .qvel_noise = {&mr_noise_normal, 0.1, "reset_noise_scale"},
    .is_gymnasium = true,
    .source = "A. Barto, R. Sutton and C. Anderson, Neuronlike Adaptive Elements That Can Solve "
              "Difficult Learning Control Problems, 1983",
};

const mr_env_builtin mr_env_inverted_double_pendulum = {
    .name = "InvertedDoublePendulum-v5",
    .summary = "a cart balances two poles, one on the other",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
