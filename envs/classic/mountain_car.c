// MountainCarContinuous-v0: a car in a valley, too weak to drive out of it without swinging (Moore
// 1990). Equal to Gymnasium's.
//
// Gymnasium keeps the state in float32 from the first step on, so that NumPy's rules for mixed
// precision are part of the task: a float32 and a float64 are added in float64, but a float32 and a
// constant of Python's in float32. (For an action in float64; with one in float32, Gymnasium
// computes nearly all in float32.)

#include "envs/classic/classic.h"
#include "envs/env_kind.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { OBS_DIM = 2, ACT_DIM = 1, MAX_STEPS = 999 };

static const char *const obs_names[OBS_DIM] = {"position", "velocity"};

static const double power = 0.0015;
static const double gravity = 0.0025;
static const double max_speed = 0.07;
static const double left_wall = -1.2, right_wall = 0.6;
static const double goal = 0.45;
static const double goal_reward = 100.0;
static const double start_low = -0.6, start_high = -0.4;
static const double force_low[] = {-1.0}, force_high[] = {1.0};

typedef struct {
    double state[2]; // position, velocity
    bool single;     // the state is in float32: all but the first of an episode
    double goal_velocity;
    mr_random random;
} car;

static mr_status set_options(car *c, const char *name, const mr_env_options *options) {
    const mr_env_option rows[] = {{.name = "goal_velocity",
                                   .type = MR_ENV_REAL,
                                   .value = &c->goal_velocity,
                                   .min = -max_speed,
                                   .max = max_speed}};
    c->goal_velocity = 0.0;
    return mr_env_options_set(name, options->set, MR_COUNT(rows), rows);
}

static double clip(double x, double low, double high) {
    return fmax(low, fmin(high, x));
}

// Rounded to float32, when the number is one.
static double rounded(bool single, double x) {
    return single ? (double)(float)x : x;
}

// a + b, in float32 when it is `single`: then as float32 would give it, since double has more than
// twice its digits.
static double sum(bool single, double a, double b) {
    return rounded(single, rounded(single, a) + rounded(single, b));
}

static void observe(const car *c, double *obs) {
    obs[0] = (float)c->state[0];
    obs[1] = (float)c->state[1];
}

static mr_status car_reset(void *self, const uint64_t *seed, double *obs) {
    car *c = self;
    if (seed != NULL)
        c->random = mr_random_stream(*seed, MR_STREAM_ENV, 0);
    c->state[0] = mr_random_between(&c->random, start_low, start_high);
    c->state[1] = 0.0;
    c->single = false;
    observe(c, obs);
    return MR_OK;
}

static mr_status car_step(void *self, const double *action, double *obs, mr_step *result) {
    car *c = self;
    const double force = clip(action[0], force_low[0], force_high[0]);
    const double slope = cos(rounded(c->single, 3.0 * c->state[0]));

    // A force that was clipped is a constant of Python's, and so is a velocity.
    bool single = c->single && force != action[0];
    double velocity = sum(single, c->state[1], force * power - gravity * slope);
    if (fabs(velocity) > rounded(single, max_speed)) {
        single = c->single;
        velocity = copysign(max_speed, velocity);
    }
    const double position = clip(sum(single, c->state[0], velocity), rounded(single, left_wall),
                                 rounded(single, right_wall));
    if (position <= rounded(single, left_wall))
        velocity = fmax(velocity, 0.0);

    result->terminated = position >= rounded(single, goal) && velocity >= c->goal_velocity;
    result->reward = (result->terminated ? goal_reward : 0.0) - 0.1 * action[0] * action[0];
    c->state[0] = (float)position;
    c->state[1] = (float)velocity;
    c->single = true;
    observe(c, obs);
    return MR_OK;
}

static const mr_env_kind kind = {car_reset, car_step, free};

static mr_status open_car(const mr_env_builtin *builtin, const mr_env_options *options,
                          mr_env **out) {
    mr_status status;
    const mr_env_spec spec = {
        .name = builtin->name,
        .obs_dim = OBS_DIM,
        .act_dim = ACT_DIM,
        .act_low = force_low,
        .act_high = force_high,
        .max_episode_steps = MAX_STEPS,
        .engine = "millrace",
        .engine_version = "", // the same in every version
        .obs_names = obs_names,
    };
    car *c = calloc(1, sizeof *c);
    if (c == NULL)
        return mr_fail_memory(builtin->name);
    c->random = mr_random_stream(0, MR_STREAM_ENV, 0);
    MR_TRY(set_options(c, builtin->name, options));
    return mr_env_wrap(&kind, c, &spec, out);
done:
    free(c);
    return status;
}

static mr_status describe_car(const mr_env_builtin *builtin, const mr_env_options *options,
                              char *text, size_t size) {
    car c;
    const mr_status status = set_options(&c, builtin->name, options);
    if (status != MR_OK)
        return status;
    snprintf(text, size,
             "%s: %s\n"
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
             builtin->name, builtin->summary, left_wall, right_wall, max_speed, force_low[0],
             force_high[0], goal_reward, (int)MAX_STEPS, goal, c.goal_velocity, start_low,
             start_high, c.goal_velocity,
             c.goal_velocity == 0.0 ? "Equals Gymnasium's task of this name, number for number. "
                                    : "");
    return MR_OK;
}

double *mr_mountain_car_state(const mr_env *env) {
    car *c = mr_env_unwrap(env, &kind);
    return c != NULL ? c->state : NULL;
}

const mr_env_builtin mr_env_mountain_car = {
    .name = "MountainCarContinuous-v0",
    .summary = "a weak car gathers speed in a valley to leave it",
    .open = open_car,
    .describe = describe_car,
};
