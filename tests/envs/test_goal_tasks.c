// The tasks of millrace's own: MultiGoal, PointMazeU and the sparse ones. Expected numbers follow
// from their definitions.

#include "envs/mujoco/simulation.h"

#include "envs/vec_env.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { MAX_DIM = 128 };

static mr_env *open_with(const char *name, const char *set) {
    const mr_env_options options = {.set = set};
    mr_env *env = NULL;
    double obs[MAX_DIM];
    cr_assert_eq(mr_env_open(name, &options, &env), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK, "%s", mr_error_message());
    return env;
}

static mr_step step(mr_env *env, const double *action, double *obs) {
    mr_step result;
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK, "%s", mr_error_message());
    return result;
}

static void set_position(mr_env *env, double x, double y) {
    const double qpos[] = {x, y}, qvel[] = {0, 0};
    cr_assert_eq(mr_mujoco_set_state(mr_mujoco_of(env), qpos, qvel), MR_OK);
}

// ---- MultiGoal

Test(goal_tasks, multi_goal_moves_by_the_action) {
    mr_env *env = open_with("MultiGoal-v0", "");
    const double actions[][2] = {{0.5, -1}, {0.25, 0.75}, {-1, 0}};
    double obs[2], x = 0, y = 0;
    set_position(env, 0, 0);
    for (size_t t = 0; t < MR_COUNT(actions); t++) {
        step(env, actions[t], obs);
        x += actions[t][0];
        y += actions[t][1];
        // What a step leaves of an earlier velocity is 1e-9 of it.
        cr_expect_float_eq(obs[0], x, 1e-8);
        cr_expect_float_eq(obs[1], y, 1e-8);
    }
    mr_env_close(env);
}

// From (x, y) by (dx, dy): the reward and whether it ended.
static mr_step multi_goal_step(double x, double y, double dx, double dy) {
    mr_env *env = open_with("MultiGoal-v0", "");
    const double action[] = {dx, dy};
    double obs[2];
    set_position(env, x, y);
    const mr_step result = step(env, action, obs);
    mr_env_close(env);
    return result;
}

Test(goal_tasks, multi_goal_pays_for_control_and_distance_and_rewards_arrival) {
    const mr_step on_the_way = multi_goal_step(1, 0, 0.5, 0);
    cr_expect_float_eq(on_the_way.reward, -30 * 0.25 - 3.5 * 3.5, 1e-6);
    cr_expect_not(on_the_way.terminated);
    const mr_step arrived = multi_goal_step(3.5, 0.5, 1, 0);
    cr_expect_float_eq(arrived.reward, -30 - (0.25 + 0.25) + 10, 1e-6);
    cr_expect(arrived.terminated);
}

Test(goal_tasks, multi_goals_goals_are_equally_good) {
    static const double ways[][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
    for (size_t g = 0; g < MR_COUNT(ways); g++) {
        const mr_step result =
            multi_goal_step(3 * ways[g][0], 3 * ways[g][1], ways[g][0] * 0.75, ways[g][1] * 0.75);
        cr_expect_float_eq(result.reward, -30 * 0.5625 - 1.25 * 1.25, 1e-6, "goal %zu", g);
    }
}

Test(goal_tasks, multi_goal_starts_near_the_middle) {
    enum { N = 2000 };
    mr_env *env = open_with("MultiGoal-v0", "");
    double obs[2], sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
        sum += obs[0] + obs[1];
        squares += obs[0] * obs[0] + obs[1] * obs[1];
    }
    // Of 4,000 normals of deviation 0.1: five deviations of the mean and of the variance.
    cr_expect_float_eq(sum / (2 * N), 0, 5 * 0.1 / sqrt(2 * N));
    cr_expect_float_eq(squares / (2 * N), 0.01, 5 * 0.01 * sqrt(2.0 / (2 * N)));
    mr_env_close(env);
}

// ---- PointMazeU

static double clipped(double x) {
    return fmax(-1, fmin(1, x));
}

// Heads for a point, slowing down near it.
static mr_step head_for(mr_env *env, double x, double y, double *obs) {
    const double action[] = {clipped(4 * (x - obs[0]) - 2 * obs[2]),
                             clipped(4 * (y - obs[1]) - 2 * obs[3])};
    return step(env, action, obs);
}

Test(goal_tasks, the_maze_is_solved_by_the_way_round_and_pays_1_at_the_goal) {
    static const double way[][2] = {{1, -0.9}, {1, 0.9}, {-1, 1}};
    mr_env *env = open_with("PointMazeU-v0", "");
    double obs[4] = {-1, -1, 0, 0}, sum = 0;
    size_t next = 0, n_steps = 0;
    mr_step result = {0};
    set_position(env, -1, -1);
    while (!result.terminated && !result.truncated) {
        result = head_for(env, way[next][0], way[next][1], obs);
        sum += result.reward;
        n_steps++;
        if (next < 2 && hypot(way[next][0] - obs[0], way[next][1] - obs[1]) < 0.2)
            next++;
    }
    cr_expect(result.terminated);
    cr_expect_eq(sum, 1);
    cr_expect_lt(n_steps, 100, "%zu steps", n_steps);
    mr_env_close(env);
}

Test(goal_tasks, the_mazes_wall_holds) {
    mr_env *env = open_with("PointMazeU-v0", "");
    const double north[] = {0, 1};
    double obs[4];
    mr_step result = {0};
    set_position(env, -1, -1);
    while (!result.truncated) {
        result = step(env, north, obs);
        cr_assert_lt(obs[1], -0.2, "through the wall at y = %g", obs[1]);
        cr_assert_eq(result.reward, 0);
    }
    mr_env_close(env);
}

// What makes it a task for exploration: none of 200 episodes of uniform actions gets there. (Of
// 5,000, none did.)
Test(goal_tasks, random_actions_do_not_solve_the_maze) {
    mr_env *env = open_with("PointMazeU-v0", "");
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 0);
    double obs[4], action[2];
    for (int episode = 0; episode < 200; episode++) {
        mr_step result = {0};
        cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
        while (!result.truncated) {
            for (size_t j = 0; j < 2; j++)
                action[j] = mr_random_between(&random, -1, 1);
            result = step(env, action, obs);
            cr_assert_not(result.terminated, "episode %d", episode);
        }
    }
    mr_env_close(env);
}

// ---- Sparse

// The reward of a step without control after the robot has been moved along x by `way` since the
// start of its episode.
static double reward_beyond(const char *name, const char *set, double way) {
    mr_env *env = open_with(name, set);
    double obs[MAX_DIM], action[MAX_DIM] = {0};
    mjData *data = mr_mujoco_of(env)->data;
    data->qpos[0] += way;
    const mr_step result = step(env, action, obs);
    mr_env_close(env);
    return result.reward;
}

Test(goal_tasks, sparse_tasks_pay_1_beyond_their_threshold_alone) {
    static const struct {
        const char *name;
        double threshold;
    } tasks[] = {{"SparseHalfCheetah-v0", 5}, {"SparseHopper-v0", 1}, {"SparseAnt-v0", 1}};
    for (size_t i = 0; i < MR_COUNT(tasks); i++) {
        // A step moves a robot that has just started by less than 0.1.
        cr_expect_eq(reward_beyond(tasks[i].name, "", 0), 0, "%s", tasks[i].name);
        cr_expect_eq(reward_beyond(tasks[i].name, "", tasks[i].threshold - 0.1), 0, "%s",
                     tasks[i].name);
        cr_expect_eq(reward_beyond(tasks[i].name, "", tasks[i].threshold + 0.1), 1, "%s",
                     tasks[i].name);
        cr_expect_eq(reward_beyond(tasks[i].name, "threshold=0.5", 0.6), 1, "%s", tasks[i].name);
    }
}
