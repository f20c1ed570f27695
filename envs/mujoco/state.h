/// A running MuJoCo task: its model, data, and what terms read. For envs/mujoco/ and its tests.
#pragma once

#include "envs/mujoco/task.h"

#include "envs/mujoco/model.h"
#include "base/random.h"

/// Readable by terms; made by open.c, and written by simulation.c alone.
struct mr_mujoco {
    char *name;              // owned
    mr_task task;            // owned
    mr_shared_model *shared; // owned together with copies of the environment
    mjModel *model;          // of `shared`; written to only if it is shared with none (mr_start)
    mjData *data;            // owned
    mr_random random;
    double dt;                  // seconds that a step of the environment takes
    bool healthy;               // after the last step or reset
    bool reads_after_step;      // a field that mj_rnePostConstraint fills
    int keyframe;               // -1: none
    int n_warnings[mjNWARNING]; // of each kind, since the last reset
    size_t obs_dim;
    size_t n_info_values, n_reward_infos;  // all, and the parts of the reward, which come first
    char (*info_texts)[MR_NAME_SIZE + 24]; // [n_info_values] owned
    const char **info_names;               // [n_info_values] owned
    char *obs_texts;                       // owned: what obs_names points to
    const char **obs_names;                // [obs_dim] owned
    char **notes;                          // [n_notes] owned, each: mr_env_spec.notes
    size_t n_notes;
    const mr_noise **noises; // [nq + nv] owned: of each coordinate, then of each velocity
    double *numbers;         // owned: all of the following
    double *before;          // [rewards, infos] what each term remembers (mr_quantity.before)
    double *act_low;         // [nu]
    double *act_high;        // [nu]
    double *last_obs;        // [obs_dim] of the last step or reset
    double *info;            // [n_info_values]
    double *plugin_numbers;  // [task.n_plugin_numbers]
};
