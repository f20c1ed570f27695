/// The classic control tasks as their tests see them. Users know them by env.h alone.
#pragma once

#include "envs/env.h"

/// The state of a running Pendulum-v1: angle (0: upright) in rad, and angular velocity in rad/s.
/// It may be written to between a reset and the first step. NULL when `env` is another task.
double *mr_pendulum_state(const mr_env *env);

/// The state of a running MountainCarContinuous-v0: position and velocity. As above.
double *mr_mountain_car_state(const mr_env *env);
