// The recorded rollouts of Gymnasium's models, which a release of MuJoCo is held against: 100 steps
// of a task, the warm start carried along. For tests alone.
#pragma once

#include "csv.h"

#include <mujoco/mujoco.h>
#include <stdbool.h>
#include <unistd.h>

typedef struct {
    csv_table *table; // owned by whoever loaded it
    bool is_own;      // recorded under this release of MuJoCo, not under 2.2.2
} rollout;

// That of tests/data/envs/rollouts/. Those of 2.2.2 bear no version.
static inline rollout rollout_load(const char *task) {
    char path[128], full_path[512];
    snprintf(path, sizeof path, "envs/rollouts/%s-%s.csv", task, mj_versionString());
    snprintf(full_path, sizeof full_path, MR_TEST_DATA "/%s", path);
    const bool is_own = mj_version() == 222 || access(full_path, F_OK) == 0;
    if (!is_own || mj_version() == 222)
        snprintf(path, sizeof path, "envs/rollouts/%s.csv", task);
    return (rollout){csv_load(path), is_own};
}

// Releases solve constraints to other last digits, and from 2.2.2 to 4.0.0 the margins of geoms
// that touch came to be added up: the rollout of another release parts at the first limit or
// contact.
static inline bool rollout_is_comparable(const rollout *recorded, const mjData *data) {
    return recorded->is_own || data->nefc == 0;
}
