/// A MuJoCo task as data, and the running task that is made from it. For envs/mujoco/ and its
/// tests.
///
/// A description is a struct and its lists, which are as long as they need to be. A running task
/// has a copy of its own (mr_task_copy), in which options may be changed before it is opened. What
/// it may say is listed in terms.h. Each part that an option may change carries the option's name.
#pragma once

#include "envs/env_ops.h"

#include "base/random.h"

#include <mujoco/mujoco.h>

typedef struct mr_mujoco mr_mujoco;

enum {
    MR_NAME_SIZE = 128,                // of names in descriptions, with the final zero
    MR_OPTION_SIZE = MR_NAME_SIZE + 8, // of a name with "_weight" after it
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
    mr_object object;            // those of this object alone
    mr_object minus;             // less those of this one
    const mr_field *minus_field; // whose object that is; NULL: the same field's
    size_t first;                // from this one on
    size_t n;                    // so many; 0: up to the last
    const mr_map *map;
    bool is_scaled; // then: scale x + offset
    double scale, offset;
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

typedef struct mr_shape mr_shape;

/// A function that makes a reward of what is measured.
typedef struct {
    const char *name;
    double (*of)(const mr_shape *shape, double x);
    /// Writes its formula in x, for descriptions.
    void (*describe)(const mr_shape *shape, char *text, size_t size);
} mr_shape_kind;

/// How a tolerance falls off out of its bounds.
typedef struct {
    const char *name;
    /// 1 at 0, `at_1` at 1, falling with `distance`.
    double (*of)(double distance, double at_1);
    bool reaches_0; // at_1 may be 0
} mr_sigmoid;

struct mr_shape {
    const mr_shape_kind *kind; // NULL: what is measured counts as it is
    double scale;              // of the exponential
    mr_range bounds;           // of the tolerance, as the rest
    double margin;             // 0: what is out of bounds counts nothing
    double value_at_margin;
    const mr_sigmoid *sigmoid;
};

/// A part of the reward: weight x shaped measure, clipped, subtracted where it is a cost.
typedef struct {
    char name[MR_NAME_SIZE]; // in `info`; "": it is not there
    mr_measure of;
    mr_shape shape;
    double weight;
    char option[MR_OPTION_SIZE]; // the name of the weight, Gymnasium's where it has one; "": it has
                                 // none
    const char *alias;           // stands for it where no other part has the same; NULL: none
    mr_range clip;               // both 0: not clipped
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

/// The noise of one joint's coordinates, in the place of what the others have.
typedef struct {
    char joint[MR_NAME_SIZE];
    mr_noise qpos, qvel; // of no kind: as the others
} mr_joint_noise;

/// Something that each episode puts elsewhere, at rest: uniform in a box.
typedef struct mr_goal mr_goal;
struct mr_goal {
    mjtObj object; // mjOBJ_BODY, mjOBJ_SITE: its position; mjOBJ_JOINT: its one coordinate
    char name[MR_NAME_SIZE];
    bool is_drawn[3]; // others stay what they are in the model; of a joint, the first
    mr_range box[3];

    // Where that is in this model: set by mr_goal_resolve.
    mjtNum *(*place)(mr_mujoco *mujoco, const mr_goal *goal); // [3], or [1] of a joint
    int id;                                                   // of the object
    int joint;                                                // whose speed becomes 0; -1: none
};

// ---- The task

/// Lists. Those of built-in tasks are never written to.
typedef struct {
    mr_obs_part *rows;
    size_t n;
} mr_obs_parts;
typedef struct {
    mr_reward_term *rows;
    size_t n;
} mr_reward_terms;
typedef struct {
    mr_info_term *rows;
    size_t n;
} mr_info_terms;
typedef struct {
    mr_healthy_range *rows;
    size_t n;
} mr_healthy_ranges;
typedef struct {
    mr_joint_noise *rows;
    size_t n;
} mr_joint_noises;
typedef struct {
    mr_goal *rows;
    size_t n;
} mr_goals;

/// Initialises a list of a built-in task: `.obs = MR_ROWS(mr_obs_part, {...}, {...})`.
#define MR_ROWS(type, ...)                                                                         \
    { (type[]){__VA_ARGS__}, sizeof((type[]){__VA_ARGS__}) / sizeof(type) }

/// A task.
typedef struct {
    char model[MR_OPTION_MAX_TEXT]; // as mr_model_open takes it; "": given otherwise
    size_t frame_skip;              // simulation steps for each step of the environment
    size_t max_episode_steps;       // 0: no limit
    mr_obs_parts obs;
    bool exclude_positions;  // what n_positions of the parts are about
    mr_reward_terms rewards; // summed in this order
    mr_info_terms infos;
    mr_healthy_ranges healthy;
    bool terminate_when_unhealthy;
    mr_object keyframe;              // where episodes start; none: the model's initial state
    mr_noise qpos_noise, qvel_noise; // added to that
    mr_joint_noises joint_noises;
    mr_goals goals;      // drawn in this order, after the noise
    mr_range ctrl_range; // of actuators that have none; both 0: they are refused
    mr_env_arena arena;  // all 0: none
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

/// Copies a task with its lists. The caller frees the copy's lists by mr_task_free.
mr_status mr_task_copy(const mr_task *task, mr_task *out);

/// Frees the lists of a copy, or of a task that was read.
void mr_task_free(mr_task *task);

/// The options of a task, as rows that point into it: those that its parts name, and the general
/// ones. Returns how many there are.
///
///   rows  out; NULL: they are only counted
size_t mr_task_options(mr_task *task, mr_option *rows);

/// Sets options from text (mr_options_set). `name` begins the message of a failure.
mr_status mr_task_set(const char *name, const char *set, mr_task *task);

/// Finds the objects and components of a slice in a model. Fails with MR_ERR_INPUT when they are
/// not there; the message names what there is.
mr_status mr_slice_resolve(const mjModel *model, mr_slice *slice);

/// All slices of a task. `name` begins the message of a failure.
mr_status mr_task_resolve(const char *name, const mjModel *model, mr_task *task);

// ---- The running task

/// A task that runs. Readable by the terms; written by task.c alone.
struct mr_mujoco {
    char *name;     // owned
    mr_task task;   // owned
    mjModel *model; // owned
    mjData *data;   // owned
    mr_random random;
    double dt;                  // seconds that a step of the environment takes
    bool healthy;               // after the last step or reset
    bool reads_after_step;      // a field that mj_rnePostConstraint fills
    int keyframe;               // -1: none
    int n_warnings[mjNWARNING]; // of each kind, since the last reset
    size_t obs_dim, n_info_values;
    char (*info_texts)[MR_NAME_SIZE + 24]; // [n_info_values] owned
    const char **info_names;               // [n_info_values] owned
    char *obs_texts;                       // owned: what obs_names points to
    const char **obs_names;                // [obs_dim] owned
    char **notes;                          // [n_notes] owned, each: what spec.notes tells
    size_t n_notes;
    const mr_noise **noises; // [nq + nv] owned: of each coordinate, then of each velocity
    double *numbers;         // owned: all of the following
    double *before;          // [rewards, infos] what each term kept (mr_quantity.before)
    double *act_low;         // [nu]
    double *act_high;        // [nu]
    double *last_obs;        // [obs_dim] of the last step or reset
    double *info;            // [n_info_values]
    double *plugin_numbers;  // [task.n_plugin_numbers]
};

/// Opens a task, which is copied. Takes over `model`, also on failure, and notes what MuJoCo warned
/// of in it (mr_model_open); NULL: it is loaded as the task says. The task must already be as its
/// options say.
mr_status mr_mujoco_new(const char *name, const mr_task *task, mjModel *model, const char *warnings,
                        mr_env **out);

/// For the rows of built-in environments (mr_env_builtin), whose `task` is an mr_task.
mr_status mr_mujoco_open(const mr_env_builtin *builtin, const mr_env_options *options,
                         mr_env **out);
mr_status mr_mujoco_describe(const mr_env_builtin *builtin, const mr_env_options *options,
                             char *text, size_t size);

/// Prints a description of an opened task. `initial` is the task before its options were set.
mr_status mr_mujoco_print(const mr_mujoco *mujoco, const char *summary, const mr_task *initial,
                          char *text, size_t size);

/// Prints what a range is about: "xpos(torso)[2]"; and the range: "(0.2, 1)".
void mr_healthy_print(const mr_mujoco *mujoco, const mr_healthy_range *range, char *text,
                      size_t size);
void mr_healthy_print_range(const mr_healthy_range *range, char *text, size_t size);

/// The running task behind an environment; NULL when it is not a MuJoCo task.
mr_mujoco *mr_mujoco_of(const mr_env *env);

/// Puts the simulation, otherwise fresh, into a state; as a reset does.
///   qpos  [nq] in
///   qvel  [nv] in
mr_status mr_mujoco_set_state(mr_mujoco *mujoco, const double *qpos, const double *qvel);

/// Begins an episode: puts the simulation where it starts, with noise and goals drawn from
/// mujoco->random.
mr_status mr_mujoco_begin(mr_mujoco *mujoco);

/// Whether what is measured lies within a range, in the present state.
bool mr_healthy_is_kept(const mr_mujoco *mujoco, const mr_healthy_range *range);

/// The simulation of one step of the environment: all of a step but observation, reward and end.
///   action  [nu] in
mr_status mr_mujoco_simulate(mr_mujoco *mujoco, const double *action);

/// The observation of the present state.
///   obs  [obs_dim] out
void mr_mujoco_observe(const mr_mujoco *mujoco, double *obs);

/// x, or the nearer end of the range; NaN stays NaN.
double mr_clip(const mr_range *range, double x);

/// Where the components of a slice are in the present state.
typedef struct {
    const mjtNum *of;
    const mjtNum *minus; // NULL: none
} mr_slice_values;

mr_slice_values mr_slice_look(const mr_mujoco *mujoco, const mr_slice *slice);

/// Component `i` of a slice of these values, mapped, scaled and clipped.
double mr_slice_of(mr_slice_values values, const mr_slice *slice, size_t i);

/// The same in the present state.
double mr_slice_at(const mr_mujoco *mujoco, const mr_slice *slice, size_t i);
