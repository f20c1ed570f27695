// MultiGoal: a point in the plane with four equally good goals (Haarnoja et al. 2017).
//
// The action is the displacement. The reward is -30 |action|^2 minus the squared distance to the
// nearest goal, and 10 within 1 of a goal, which ends the episode. The limit of 30 steps and the
// unbounded plane are choices of ours.

#include "envs/mujoco/terms.h"

#include <math.h>

// The model's sites are the goals; their z is only for pictures.
static double nearest_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)before;
    double least = INFINITY;
    for (int i = 0; i < (int)mujoco->model->nsite; i++) {
        const mjtNum *goal = mujoco->model->site_pos + (ptrdiff_t)3 * i;
        const double x = mr_slice_at(mujoco, &measure->of, 0) - goal[0];
        const double y = mr_slice_at(mujoco, &measure->of, 1) - goal[1];
        least = fmin(least, x * x + y * y);
    }
    return least;
}

static double arrived_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    const double squared = nearest_value(mujoco, measure, before);
    return measure->range.low <= squared && squared <= measure->range.high ? 1.0 : 0.0;
}

static const mr_quantity nearest = {
    .name = "nearest",
    .formula = "squared distance of {} to the nearest goal",
    .value = nearest_value,
};
static const mr_quantity arrived = {
    .name = "arrived",
    .formula = "1 if the squared distance of {} to the nearest goal in [], else 0",
    .value = arrived_value,
};

#define POSITION                                                                                   \
    { .field = &mr_field_qpos, .n = 2 }

static const mr_task task = {
    .model = "builtin:multi_goal.xml",
    .frame_skip = 1,
    .max_episode_steps = 30,
    .obs = MR_ROWS(mr_obs_part, {.of = POSITION}),
    .rewards = MR_ROWS(mr_reward_term,
                       {.name = "reward_ctrl",
                        .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},
                        .weight = 30.0,
                        .option = "ctrl_cost_weight",
                        .cost = true},
                       {.name = "reward_dist",
                        .of = {&nearest, POSITION},
                        .weight = 1.0,
                        .option = "distance_cost_weight",
                        .cost = true},
                       {.name = "reward_goal",
                        .of = {&arrived, POSITION, .range = {0.0, 1.0}},
                        .weight = 10.0,
                        .option = "goal_reward"}),
    .healthy = MR_ROWS(mr_healthy_range, {.of = {&nearest, POSITION}, .range = {1.0, INFINITY}}),
    .terminate_when_unhealthy = true,
    .qpos_noise = {&mr_noise_normal, 0.1, "reset_noise_scale"},
    .arena = {.feature = {0, 1}, .low = {-7.0, -7.0}, .high = {7.0, 7.0}}, // the paper's pictures
    .source = "T. Haarnoja, H. Tang, P. Abbeel and S. Levine, Reinforcement Learning with Deep "
              "Energy-Based Policies, 2017",
};

const mr_env_builtin mr_env_multi_goal = {
    .name = "MultiGoal-v0",
    .summary = "a point goes to one of four goals, each as good as the others",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
