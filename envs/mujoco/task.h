/// A MuJoCo task as data, and the running task that is made from it. For envs/mujoco/ and its
/// tests.
///
/// A description is a plain struct without pointers to parts of itself, so that copying it copies
/// all: a running task has its own, in which options may be changed before it is opened. What it
/// may say is listed in terms.h. Each part that an option may change carries the option's name.
#pragma once

#include "envs/env_kind.h"

#include "nn/random.h"

#include <mujoco/mujoco.h>

typedef struct mr_mujoco mr_mujoco;

enum {
    MR_NAME_SIZE = 64, // of names in descriptions, with the final zero
    MR_MAX_OBS_PARTS = 16,
    MR_MAX_REWARDS = 16,
    MR_MAX_RANGES = 8,
    MR_MAX_INFOS = 8,
};

// ---- What is read

/// An array of mjData that tasks read. Some belong to objects of the model: `width` components to
/// each.
typedef struct {
    const char *name; // MuJoCo's
    mjtObj object;    // of what kind these are: mjOBJ_BODY; mjOBJ_UNKNOWN: of none
    size_t width;
    size_t (*count)(const mjModel *model); // of objects, or of components where there are none
    const mjtNum *(*values)(const mr_mujoco *mujoco);
    /// Which components are object `id`'s; NULL: `width` of them from id * width on.
    void (*span)(const mjModel *model, int id, size_t *start, size_t *n);
    bool after_step; // filled by mj_rnePostConstraint, not by mj_step
} mr_field;

/// An object of the model by its name, or by its number ("0") where there is none of that name.
typedef struct {
    char name[MR_NAME_SIZE]; // "": none
    const char *option;      // Gymnasium's name of the choice; NULL: it is none
} mr_object;

/// A function of one number.
typedef struct {
    const char *name;
    double (*of)(double x);
} mr_map;

/// Some components of a field.
typedef struct {
    const mr_field *field;
    mr_object object; // those of this object alone
    mr_object minus;  // less those of this one
    size_t first;     // from this one on
    size_t n;         // so many; 0: up to the last
    const mr_map *map;
    mr_range clip; // at last; both 0: not clipped
    const char *clip_option;

    // Where they are in this model: set by mr_slice_resolve.
    size_t start, minus_start, dim;
} mr_slice;

/// A part of the observation. Parts follow each other in the order of the description.
typedef struct {
    mr_slice of;
    size_t n_positions; // leading components that exclude_current_positions_from_observation is
                        // about
    const char *option; // Gymnasium's name of the switch; NULL: always there
    bool included;      // what the switch says
} mr_obs_part;

// ---- What is measured

typedef struct mr_measure mr_measure;

/// A number that is made of a slice, or of the whole state.
typedef struct {
    const char *name;
    const char *formula;  // for descriptions; {} stands for the slice, [] for the range, > for
                          // its lower end
    const mr_field *only; // the one field whose slices it takes; NULL: any
    /// What is kept from before the step, or from the start of the episode where `since_start`;
    /// NULL: nothing.
    double (*before)(const mr_mujoco *mujoco, const mr_measure *measure);
    double (*value)(const mr_mujoco *mujoco, const mr_measure *measure, double before);
    bool since_start;
} mr_quantity;

struct mr_measure {
    const mr_quantity *kind; // NULL: the components themselves, each
    mr_slice of;             // without a field where the quantity needs none
    mr_range range;          // of quantities that compare
    const char *low_option;  // the name of its lower end; NULL: it has none
};

/// A part of the reward: weight x measure, clipped, subtracted where it is a cost.
typedef struct {
    char name[MR_NAME_SIZE]; // in `info`; "": it is not there
    mr_measure of;
    double weight;
    const char *option; // Gymnasium's name of the weight; NULL: it has none
    mr_range clip;      // both 0: not clipped
    const char *clip_option;
    bool cost;
} mr_reward_term;

/// What `info` holds beside the parts of the reward.
typedef struct {
    char name[MR_NAME_SIZE]; // of several components: name[0], name[1], ...
    mr_measure of;
} mr_info_term;

/// What is measured must lie within (low, high), or [low, high] where `closed`, for the state to be
/// healthy.
typedef struct {
    mr_measure of;
    mr_range range;
    bool closed;
    const char *option; // Gymnasium's name of the range; NULL: it has none
} mr_healthy_range;

/// How the start of an episode is disturbed.
typedef struct {
    const char *name;
    double (*draw)(mr_random *random);
} mr_noise_kind;

typedef struct {
    const mr_noise_kind *kind; // NULL: not at all
    double scale;
    const char *option;
} mr_noise;

// ---- The task

/// A task. Lists end at their first row of zeros.
typedef struct {
    char model[MR_ENV_TEXT_SIZE]; // a file under models/, else a path; "": given otherwise
    size_t frame_skip;            // simulation steps for each step of the environment
    size_t max_episode_steps;     // 0: no limit
    mr_obs_part obs[MR_MAX_OBS_PARTS];
    bool exclude_positions;                 // what n_positions of the parts are about
    mr_reward_term rewards[MR_MAX_REWARDS]; // summed in this order
    mr_info_term infos[MR_MAX_INFOS];
    mr_healthy_range healthy[MR_MAX_RANGES];
    bool terminate_when_unhealthy;
    mr_noise qpos_noise, qvel_noise; // added to the model's initial state
    mr_env_arena arena;              // all 0: none
    /// What resets do beyond noise; NULL: nothing. Draws from mujoco->random.
    ///   qpos  [nq] in and out
    ///   qvel  [nv] in and out
    void (*place)(mr_mujoco *mujoco, double *qpos, double *qvel);
    const char *place_text; // it, for descriptions
    const char *unused;     // an option that Gymnasium takes and does not use; NULL: none
    double unused_value;
    bool is_gymnasium;       // equal to Gymnasium's task of this name
    const char *source;      // the paper; NULL: none
    const void *plugin;      // what a plug-in's terms look up
    size_t n_plugin_numbers; // room that they need
} mr_task;

/// How many rows the lists of a task have.
size_t mr_task_n_obs(const mr_task *task);
size_t mr_task_n_rewards(const mr_task *task);
size_t mr_task_n_infos(const mr_task *task);
size_t mr_task_n_ranges(const mr_task *task);

/// The options of a task, as rows that point into it: those that its parts name, and the general
/// ones. Returns how many there are.
enum { MR_MAX_TASK_OPTIONS = 64 };
size_t mr_task_options(mr_task *task, mr_env_option rows[MR_MAX_TASK_OPTIONS]);

/// Finds the objects and components of a slice in a model. Fails with MR_ERR_INPUT when they are
/// not there; the message names what there is.
mr_status mr_slice_resolve(const mjModel *model, mr_slice *slice);

/// All slices of a task. `name` begins the message of a failure.
mr_status mr_task_resolve(const char *name, const mjModel *model, mr_task *task);

// ---- The running task

/// A task that runs. Readable by the terms; written by task.c alone.
struct mr_mujoco {
    char *name; // owned
    mr_task task;
    mjModel *model; // owned
    mjData *data;   // owned
    mr_random random;
    double dt;                  // seconds that a step of the environment takes
    bool healthy;               // after the last step or reset
    int n_warnings[mjNWARNING]; // of each kind, since the last reset
    bool reads_after_step;      // a field that mj_rnePostConstraint fills
    size_t n_obs, n_rewards, n_infos, n_ranges;
    double before[MR_MAX_REWARDS + MR_MAX_INFOS]; // what each term kept (mr_quantity.before)
    size_t obs_dim, n_info_values;
    char (*info_texts)[MR_NAME_SIZE + 24]; // [n_info_values] owned
    const char **info_names;               // [n_info_values] owned
    char *obs_texts;                       // owned: what obs_names points to
    const char **obs_names;                // [obs_dim] owned
    double *numbers;                       // owned: all of the following
    double *act_low;                       // [nu]
    double *act_high;                      // [nu]
    double *last_obs;                      // [obs_dim] of the last step or reset
    double *info;                          // [n_info_values]
    double *plugin_numbers;                // [task.n_plugin_numbers]
};

/// Opens a task. Takes over `model`, also on failure; NULL: it is loaded as the task says.
/// The task must already be as its options say.
mr_status mr_mujoco_new(const char *name, const mr_task *task, mjModel *model, mr_env **out);

/// For the rows of built-in environments (mr_env_builtin), whose `task` is an mr_task.
mr_status mr_mujoco_open(const mr_env_builtin *builtin, const mr_env_options *options,
                         mr_env **out);
mr_status mr_mujoco_describe(const mr_env_builtin *builtin, const mr_env_options *options,
                             char *text, size_t size);

/// Prints a description of an opened task. `initial` is the task before its options were set.
void mr_mujoco_print(const mr_mujoco *mujoco, const char *summary, const mr_task *initial,
                     char *text, size_t size);

/// The running task behind an environment; NULL when it is not a MuJoCo task.
mr_mujoco *mr_mujoco_of(const mr_env *env);

/// Puts the simulation, otherwise fresh, into a state; as a reset does.
///   qpos  [nq] in
///   qvel  [nv] in
mr_status mr_mujoco_set_state(mr_mujoco *mujoco, const double *qpos, const double *qvel);

/// The simulation of one step of the environment: all of a step but observation, reward and end.
///   action  [nu] in
mr_status mr_mujoco_simulate(mr_mujoco *mujoco, const double *action);

/// The observation of the present state.
///   obs  [obs_dim] out
void mr_mujoco_observe(const mr_mujoco *mujoco, double *obs);

/// x, or the nearer end of the range; NaN stays NaN.
double mr_clip(const mr_range *range, double x);

/// Component `i` of a slice of its field's values, mapped and clipped.
double mr_slice_of(const mjtNum *values, const mr_slice *slice, size_t i);

/// Component `i` of a slice, mapped and clipped, in the present state.
double mr_slice_at(const mr_mujoco *mujoco, const mr_slice *slice, size_t i);
