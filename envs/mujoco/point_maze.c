// PointMazeU: a ball in a U-shaped passage, rewarded only at its end.
//
// A hall of 3 x 3 m with a wall across its middle, which leaves a gap of 1 m at the east end. The
// ball (1 kg, radius 0.15 m, damping 1 N s/m) is pushed by at most 1 N along each axis, so that it
// gets to 1 m/s. From the start in the south-west to the goal in the north-west it is 4 m by the
// shortest way, some 70 steps of 0.1 s.

#include "envs/mujoco/terms.h"

#include <math.h>

#define RADIUS 0.3 // of the goal, m: an initialiser takes no const variable

#define WAY_TO_GOAL                                                                                \
    {                                                                                              \
        .field = &mr_field_site_xpos, .object = {"point"}, .minus = { "goal" }                     \
    }

static const mr_task task = {
    .model = "builtin:point_maze_u.xml",
    .frame_skip = 10,
    .max_episode_steps = 200,
    .obs =
        MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos}}, {.of = {.field = &mr_field_qvel}}),
    .rewards =
        MR_ROWS(mr_reward_term, {.name = "reward_goal",
                                 .of = {&mr_quantity_reached, WAY_TO_GOAL, .range = {0.0, RADIUS}},
                                 .weight = 1.0,
                                 .option = "goal_reward"}),
    .healthy = MR_ROWS(mr_healthy_range,
                       {.of = {&mr_quantity_norm, WAY_TO_GOAL}, .range = {RADIUS, INFINITY}}),
    .terminate_when_unhealthy = true,
    .qpos_noise = {&mr_noise_uniform, 0.1, "reset_noise_scale"},
    .arena = {.feature = {0, 1}, .low = {-1.5, -1.5}, .high = {1.5, 1.5}}, // the hall
    .source = "A U of corridors is the smallest maze of J. Fu, A. Kumar, O. Nachum, G. Tucker and "
              "S. Levine, D4RL: Datasets for Deep Data-Driven Reinforcement Learning, 2020",
};

const mr_env_builtin mr_env_point_maze = {
    .name = "PointMazeU-v0",
    .summary = "a ball seeks a goal behind a wall, rewarded on reaching it alone",
    .open = mr_mujoco_open,
    .describe = mr_mujoco_describe,
    .task = &task,
};
