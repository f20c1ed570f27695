// MountainCarContinuous-v0: a car in a valley, too weak to drive out of it without swinging (Moore
// 1990). Equal to Gymnasium's.
//
// Gymnasium keeps the state in float32 from the first step on, so that NumPy's rules for mixed
// precision are part of the task: a float32 and a float64 are added in float64, but a float32 and a
// constant of Python's in float32. (For an action in float64; with one in float32, Gymnasium
// computes nearly all in float32.)

#include "envs/classic/classic.h"

#include <math.h>
#include <stdio.h>

enum { OBS_DIM = 2, MAX_STEPS = 999 };

static const char *const obs_names[OBS_DIM] = {"position", "velocity"};

#define MAX_FORCE 1.0
#define MAX_SPEED 0.07

static const double power = 0.0015;
static const double gravity = 0.0025;
static const double left_wall = -1.2, right_wall = 0.6;
static const double goal = 0.45;
static const double goal_reward = 100.0;
static const double start_low = -0.6, start_high = -0.4;

// Rounded to float32, if the number is one.
static double rounded(bool single, double x) {
    return single ? (double)(float)x : x;
}

// a + b, in float32 if it is `single`: then as float32 would give it, since double has more than
// twice its digits.
static double sum(bool single, double a, double b) {
    return rounded(single, rounded(single, a) + rounded(single, b));
}

static void car_start(mr_classic *car) {
    car->state[0] = mr_random_between(&car->random, start_low, start_high); // position
    car->state[1] = 0.0;                                                    // velocity
}

static void car_observe(const mr_classic *car, double *obs) {
    obs[0] = (float)car->state[0];
    obs[1] = (float)car->state[1];
}

static void car_step(mr_classic *car, double action, mr_step *result) {
    const bool state_single = car->n_steps > 0;
    const double goal_velocity = car->option;
    const double force = mr_classic_clip(action, -MAX_FORCE, MAX_FORCE);
    const double slope = cos(rounded(state_single, 3.0 * car->state[0]));

    // A force that was clipped is a constant of Python's, and so is a velocity.
    bool single = state_single && force != action;
    double velocity = sum(single, car->state[1], force * power - gravity * slope);
    if (fabs(velocity) > rounded(single, MAX_SPEED)) {
        single = state_single;
        velocity = copysign(MAX_SPEED, velocity);
    }
    const double position =
        mr_classic_clip(sum(single, car->state[0], velocity), rounded(single, left_wall),
                        rounded(single, right_wall));
    if (position <= rounded(single, left_wall))
        velocity = fmax(velocity, 0.0);

    result->terminated = position >= rounded(single, goal) && velocity >= goal_velocity;
    result->reward = (result->terminated ? goal_reward : 0.0) - 0.1 * action * action;
    car->state[0] = (float)position;
    car->state[1] = (float)velocity;
}

static void car_describe(const mr_classic *car, char *text, size_t size) {
    snprintf(text, size,
             "\nObservation\n"
             "   0         position, in [%g, %g]\n"
             "   1         velocity, within +-%g a step\n"
             "\nAction\n"
             "   0  [%g, %g], force; clipped to this range\n"
             "\nReward: the sum of\n"
             "  %g on reaching the goal\n"
             "  -0.1 x [action]^2, of the action as it was given\n"
             "\nTruncated after %d steps\n"
             "Terminated at the goal: position >= %g with velocity >= %g\n"
             "\nReset: the position uniform on [%g, %g], the velocity 0\n"
             "\nOptions\n"
             "  goal_velocity=%g\n"
             "\n%sA. W. Moore, Efficient Memory-based Learning for Robot Control, 1990.\n",
             left_wall, right_wall, MAX_SPEED, -MAX_FORCE, MAX_FORCE, goal_reward, (int)MAX_STEPS,
             goal, car->option, start_low, start_high, car->option,
             car->option == 0.0 ? "Equals Gymnasium's task of this name, number for number. " : "");
}

static const mr_classic_task task = {
    .obs_dim = OBS_DIM,
    .obs_names = obs_names,
    .act_low = {-MAX_FORCE},
    .act_high = {MAX_FORCE},
    .max_episode_steps = MAX_STEPS,
    .option = "goal_velocity",
    .option_min = -MAX_SPEED,
    .option_max = MAX_SPEED,
    .start = car_start,
    .step = car_step,
    .observe = car_observe,
    .describe = car_describe,
};

const mr_env_builtin mr_env_mountain_car = {
    .name = "MountainCarContinuous-v0",
    .summary = "a weak car gathers speed in a valley to leave it",
    .open = mr_classic_open,
    .describe = mr_classic_describe,
    .task = &task,
};
