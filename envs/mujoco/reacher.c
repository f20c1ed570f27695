// Reacher: a two-link arm in the plane that points at a target.

#include "envs/mujoco/state.h"
#include "envs/mujoco/terms.h"

#include <math.h>

static const double goal_radius = 0.2; // the arm's reach

// The target's coordinates are the last two: uniform in the disc, at rest.
static void place_target(mr_mujoco *mujoco, double *qpos, double *qvel) {
    double *goal = qpos + mujoco->model->nq - 2, *speed = qvel + mujoco->model->nv - 2;
    do {
        goal[0] = mr_random_between(&mujoco->random, -goal_radius, goal_radius);
        goal[1] = mr_random_between(&mujoco->random, -goal_radius, goal_radius);
    } while (sqrt(goal[0] * goal[0] + goal[1] * goal[1]) >= goal_radius);
    speed[0] = speed[1] = 0.0;
}

static const mr_task task = {
    .model = "builtin:reacher.xml",
    .frame_skip = 2,
    .max_episode_steps = 50,
    .obs = MR_ROWS(
        mr_obs_part, {.of = {.field = &mr_field_qpos, .n = 2, .map = &mr_map_cos}},
        {.of = {.field = &mr_field_qpos, .n = 2, .map = &mr_map_sin}},
        {.of = {.field = &mr_field_qpos, .first = 2}}, {.of = {.field = &mr_field_qvel, .n = 2}},
        {.of = {.field = &mr_field_xpos, .object = {"fingertip"}, .minus = {"target"}, .n = 2}}),
    .rewards =
        MR_ROWS(mr_reward_term,
                {.name = "reward_dist",
                 .of = {&mr_quantity_norm,
                        {.field = &mr_field_xpos, .object = {"fingertip"}, .minus = {"target"}}},
                 .weight = 1.0,
                 .option = "reward_dist_weight",
                 .cost = true},
                {.name = "reward_ctrl",
                 .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},
                 .weight = 1.0,
                 .option = "reward_control_weight",
                 .cost = true}),
    .qpos_noise = {&mr_noise_uniform, 0.1},
    .qvel_noise = {&mr_noise_uniform, 0.005},
    .place = place_target,
    .place_text = "the target at rest, anywhere within 0.2 of the arm's root",
    .is_gymnasium = true,
};

const mr_env_builtin mr_env_reacher = {
    .name = "Reacher-v5",
    .summary = "a two-link arm learns to point at a target",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
