// Pendulum-v1: Gymnasium's pendulum, to be swung up by a motor that is too weak to lift it at once.
//
// The equations are Gymnasium's with its constants, in double precision; like Gymnasium's,
// observations are rounded to float32. (Gymnasium computes in float32 if the action is in float32;
// this task equals what it computes from an action in float64.)

#include "envs/classic/classic.h"

#include <math.h>
#include <stdio.h>

enum { OBS_DIM = 3, MAX_STEPS = 200 };

static const char *const obs_names[OBS_DIM] = {"cos", "sin", "velocity"};

#define GYMNASIUM_GRAVITY 10.0 // m/s^2, which it calls g
#define MAX_TORQUE 2.0         // N m

static const double mass = 1.0;   // kg
static const double length = 1.0; // m
static const double dt = 0.05;    // s
static const double max_speed = 8.0;

// To [-pi, pi), as Python's %.
static double wrap(double angle) {
    const double turn = 2.0 * M_PI;
    const double rest = fmod(angle + M_PI, turn);
    return (rest < 0.0 ? rest + turn : rest) - M_PI;
}

static void pendulum_start(mr_classic *pendulum) {
    pendulum->state[0] = mr_random_between(&pendulum->random, -M_PI, M_PI); // angle
    pendulum->state[1] = mr_random_between(&pendulum->random, -1.0, 1.0);   // angular velocity
}

static void pendulum_observe(const mr_classic *pendulum, double *obs) {
    obs[0] = (float)cos(pendulum->state[0]);
    obs[1] = (float)sin(pendulum->state[0]);
    obs[2] = (float)pendulum->state[1];
}

static void pendulum_step(mr_classic *pendulum, double action, mr_step *result) {
    const double angle = pendulum->state[0], speed = pendulum->state[1];
    const double gravity = pendulum->option;
    const double torque = mr_classic_clip(action, -MAX_TORQUE, MAX_TORQUE);
    const double off = wrap(angle);

    result->reward = -(off * off + 0.1 * speed * speed + 0.001 * torque * torque);

    const double acceleration =
        3.0 * gravity / (2.0 * length) * sin(angle) + 3.0 / (mass * length * length) * torque;
    pendulum->state[1] = mr_classic_clip(speed + acceleration * dt, -max_speed, max_speed);
    pendulum->state[0] = angle + pendulum->state[1] * dt;
}

static void pendulum_describe(const mr_classic *pendulum, char *text, size_t size) {
    snprintf(text, size,
             "\nObservation\n"
             "   0         cos of the angle, which is 0 upright\n"
             "   1         sin of the angle\n"
             "   2         angular velocity, within +-%g rad/s\n"
             "\nAction\n"
             "   0  [%g, %g], torque in N m; clipped to this range\n"
             "\nReward: of the state before the step, the angle in [-pi, pi)\n"
             "  -(angle^2 + 0.1 x [angular velocity]^2 + 0.001 x [torque]^2)\n"
             "\nTruncated after %d steps of %g s\n"
             "Never terminated\n"
             "\nReset: the angle uniform on +-pi, the angular velocity uniform on +-1\n"
             "\nOptions\n"
             "  g=%g\n"
             "%s",
             max_speed, -MAX_TORQUE, MAX_TORQUE, (int)MAX_STEPS, dt, pendulum->option,
             pendulum->option == GYMNASIUM_GRAVITY
                 ? "\nEquals Gymnasium's task of this name, number for number.\n"
                 : "");
}

static const mr_classic_task task = {
    .obs_dim = OBS_DIM,
    .obs_names = obs_names,
    .act_low = {-MAX_TORQUE},
    .act_high = {MAX_TORQUE},
    .max_episode_steps = MAX_STEPS,
    .option = "g",
    .option_default = GYMNASIUM_GRAVITY,
    .option_min = -1e6,
    .option_max = 1e6,
    .start = pendulum_start,
    .step = pendulum_step,
    .observe = pendulum_observe,
    .describe = pendulum_describe,
};

const mr_env_builtin mr_env_pendulum = {
    .name = "Pendulum-v1",
    .summary = "a pendulum is swung up and held upright",
    .open = mr_classic_open,
    .describe = mr_classic_describe,
    .task = &task,
};
