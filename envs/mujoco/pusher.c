// Pusher: an arm of seven joints that pushes a cylinder to a goal.

#include "envs/mujoco/state.h"
#include "envs/mujoco/terms.h"

#include <math.h>

static const double least_distance = 0.17; // of the cylinder's start from the goal

// The last four coordinates: the cylinder, not too near, and the goal, at its place.
static void place_cylinder(mr_mujoco *mujoco, double *qpos, double *qvel) {
    double *object = qpos + mujoco->model->nq - 4, *goal = object + 2;
    do {
        object[0] = mr_random_between(&mujoco->random, -0.3, 0.0);
        object[1] = mr_random_between(&mujoco->random, -0.2, 0.2);
    } while (sqrt(object[0] * object[0] + object[1] * object[1]) <= least_distance);
    goal[0] = goal[1] = 0.0;
    for (size_t i = 1; i <= 4; i++)
        qvel[(size_t)mujoco->model->nv - i] = 0.0;
}

static const mr_task task = {
    .model = "builtin:pusher.xml",
    .frame_skip = 5,
    .max_episode_steps = 100,
    .obs = MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos, .n = 7}},
                   {.of = {.field = &mr_field_qvel, .n = 7}},
                   {.of = {.field = &mr_field_xpos, .object = {"tips_arm"}}},
                   {.of = {.field = &mr_field_xpos, .object = {"object"}}},
                   {.of = {.field = &mr_field_xpos, .object = {"goal"}}}),
    .rewards =
        MR_ROWS(mr_reward_term,
                {.name = "reward_dist",
                 .of = {&mr_quantity_norm,
                        {.field = &mr_field_xpos, .object = {"object"}, .minus = {"goal"}}},
                 .weight = 1.0,
                 .option = "reward_dist_weight",
                 .cost = true},
                {.name = "reward_ctrl",
                 .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},
                 .weight = 0.1,
                 .option = "reward_control_weight",
                 .cost = true},
                {.name = "reward_near",
                 .of = {&mr_quantity_norm,
                        {.field = &mr_field_xpos, .object = {"object"}, .minus = {"tips_arm"}}},
                 .weight = 0.5,
                 .option = "reward_near_weight",
                 .cost = true}),
    .qvel_noise = {&mr_noise_uniform, 0.005},
    .place = place_cylinder,
    .place_text = "the cylinder at rest, x in [-0.3, 0], y in [-0.2, 0.2] and more than 0.17 from "
                  "the goal, which is at 0",
    .is_gymnasium = true,
};

const mr_env_builtin mr_env_pusher = {
    .name = "Pusher-v5",
    .summary = "an arm learns to push a cylinder to a goal",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
