// TwoDoors-v0: one of two doors is unlocked, and nothing that is observed says which.
//
// An agent without memory must try both, at random: one that always tries the same door is shut out
// of every second episode. What it needs is a policy with two modes and nothing in between, where
// there is a wall. Aliased states were shown to need random policies by Singh, Jaakkola and Jordan
// 1994 (Learning without state-estimation in partially observable Markovian decision processes).

#include "envs/classic/classic.h"

#include <math.h>
#include <stdio.h>

enum { OBS_DIM = 1, MAX_STEPS = 20 };

static const char *const obs_names[OBS_DIM] = {"position"};

static const double place = 0.5;  // of the doors' centers, +-
static const double start = 0.05; // it stands within +-, for the whole episode
static const double wrong_try = -1.0;

static void doors_start(mr_classic *doors) {
    doors->state[0] = mr_random_below(&doors->random, 2) == 0 ? -place : place; // the unlocked one
    doors->state[1] = mr_random_between(&doors->random, -start, start);
}

static void doors_observe(const mr_classic *doors, double *obs) {
    obs[0] = (float)doors->state[1];
}

static void doors_step(mr_classic *doors, double action, mr_step *result) {
    const double width = doors->option;
    result->terminated = fabs(action - doors->state[0]) <= width / 2.0;
    result->reward = result->terminated ? 0.0 : wrong_try;
}

static void doors_describe(const mr_classic *doors, char *text, size_t size) {
    const double low = place - doors->option / 2.0, high = place + doors->option / 2.0;
    snprintf(
        text, size,
        "\nObservation\n"
        "   0         where it stands, the same for the whole episode; says nothing of the doors\n"
        "\nAction\n"
        "   0  [-1, 1], where to try; the doors are in [%g, %g] and [%g, %g]\n"
        "\nReward\n"
        "  %g, but 0 for the unlocked door\n"
        "\nTruncated after %d steps\n"
        "Terminated when the unlocked door is tried\n"
        "\nReset: either door is unlocked with probability 1/2; where it stands is uniform on "
        "+-%g\n"
        "\nOptions\n"
        "  width=%g\n",
        -high, -low, low, high, wrong_try, (int)MAX_STEPS, start, doors->option);
}

static const mr_classic_task task = {
    .obs_dim = OBS_DIM,
    .obs_names = obs_names,
    .act_low = {-1.0},
    .act_high = {1.0},
    .max_episode_steps = MAX_STEPS,
    .option = "width",
    .option_default = 0.2,
    .option_min = 0.001,
    .option_max = 1.0,
    .start = doors_start,
    .step = doors_step,
    .observe = doors_observe,
    .describe = doors_describe,
};

const mr_env_builtin mr_env_two_doors = {
    .name = "TwoDoors-v0",
    .summary = "one of two doors is unlocked, and which one is not seen",
    .open = mr_classic_open,
    .describe = mr_classic_describe,
    .task = &task,
};
