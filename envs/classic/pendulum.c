// Pendulum-v1: Gymnasium's pendulum, to be swung up by a motor that is too weak to lift it at once.
//
// The equations are Gymnasium's with its constants, in double precision; like Gymnasium's,
// observations are rounded to float32. (Gymnasium computes in float32 with an action that comes in
// float32; what is equalled is what it does with one in float64.)

#include "envs/classic/classic.h"
#include "envs/env_kind.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { OBS_DIM = 3, ACT_DIM = 1, MAX_STEPS = 200 };

static const char *const obs_names[OBS_DIM] = {"cos", "sin", "velocity"};

static const double gymnasium_gravity = 10.0; // m/s^2, which it calls g
static const double mass = 1.0;               // kg
static const double length = 1.0;             // m
static const double dt = 0.05;                // s
static const double max_speed = 8.0;
static const double torque_low[] = {-2.0}, torque_high[] = {2.0}; // N m

typedef struct {
    double state[2]; // angle, angular velocity
    double gravity;  // m/s^2
    mr_random random;
} pendulum;

static mr_status set_options(pendulum *p, const char *name, const mr_env_options *options) {
    const mr_env_option rows[] = {
        {.name = "g", .type = MR_ENV_REAL, .value = &p->gravity, .min = -1e6, .max = 1e6}};
    p->gravity = gymnasium_gravity;
    return mr_env_options_set(name, options->set, MR_COUNT(rows), rows);
}

static double clip(double x, double low, double high) {
    return fmax(low, fmin(high, x));
}

// To [-pi, pi), as Python's %.
static double wrap(double angle) {
    const double turn = 2.0 * M_PI;
    const double rest = fmod(angle + M_PI, turn);
    return (rest < 0.0 ? rest + turn : rest) - M_PI;
}

static void observe(const pendulum *p, double *obs) {
    obs[0] = (float)cos(p->state[0]);
    obs[1] = (float)sin(p->state[0]);
    obs[2] = (float)p->state[1];
}

static mr_status pendulum_reset(void *self, const uint64_t *seed, double *obs) {
    pendulum *p = self;
    if (seed != NULL)
        p->random = mr_random_stream(*seed, MR_STREAM_ENV, 0);
    p->state[0] = mr_random_between(&p->random, -M_PI, M_PI);
    p->state[1] = mr_random_between(&p->random, -1.0, 1.0);
    observe(p, obs);
    return MR_OK;
}

static mr_status pendulum_step(void *self, const double *action, double *obs, mr_step *result) {
    pendulum *p = self;
    const double angle = p->state[0], speed = p->state[1];
    const double torque = clip(action[0], torque_low[0], torque_high[0]);
    const double off = wrap(angle);

    result->reward = -(off * off + 0.1 * speed * speed + 0.001 * torque * torque);

    const double acceleration =
        3.0 * p->gravity / (2.0 * length) * sin(angle) + 3.0 / (mass * length * length) * torque;
    p->state[1] = clip(speed + acceleration * dt, -max_speed, max_speed);
    p->state[0] = angle + p->state[1] * dt;
    observe(p, obs);
    return MR_OK;
}

static const mr_env_kind kind = {pendulum_reset, pendulum_step, free};

static mr_status open_pendulum(const mr_env_builtin *builtin, const mr_env_options *options,
                               mr_env **out) {
    mr_status status;
    const mr_env_spec spec = {
        .name = builtin->name,
        .obs_dim = OBS_DIM,
        .act_dim = ACT_DIM,
        .act_low = torque_low,
        .act_high = torque_high,
        .max_episode_steps = MAX_STEPS,
        .engine = "millrace",
        .engine_version = "", // the same in every version
        .obs_names = obs_names,
    };
    pendulum *p = calloc(1, sizeof *p);
    if (p == NULL)
        return mr_fail_memory(builtin->name);
    p->random = mr_random_stream(0, MR_STREAM_ENV, 0);
    MR_TRY(set_options(p, builtin->name, options));
    return mr_env_wrap(&kind, p, &spec, out);
done:
    free(p);
    return status;
}

static mr_status describe_pendulum(const mr_env_builtin *builtin, const mr_env_options *options,
                                   char *text, size_t size) {
    pendulum p;
    const mr_status status = set_options(&p, builtin->name, options);
    if (status != MR_OK)
        return status;
    snprintf(text, size,
             "%s: %s\n"
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
             builtin->name, builtin->summary, max_speed, torque_low[0], torque_high[0],
             (int)MAX_STEPS, dt, p.gravity,
             p.gravity == gymnasium_gravity
                 ? "\nEquals Gymnasium's task of this name, number for number.\n"
                 : "");
    return MR_OK;
}

double *mr_pendulum_state(const mr_env *env) {
    pendulum *p = mr_env_unwrap(env, &kind);
    return p != NULL ? p->state : NULL;
}

const mr_env_builtin mr_env_pendulum = {
    .name = "Pendulum-v1",
    .summary = "a pendulum is swung up and held upright",
    .open = open_pendulum,
    .describe = describe_pendulum,
};
