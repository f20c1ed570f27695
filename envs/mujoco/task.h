/// A MuJoCo task as data: what is observed, rewarded and told, where episodes start and end.
///
/// For those who write tasks. A task is a struct and its lists, which are as long as they need to
/// be; half_cheetah.c is one. What they can be made of (fields, quantities, shapes, noises) is
/// listed in terms.h. A part that an option may change carries the option's name, NULL or "" if
/// none may.
#pragma once

#include "envs/env_ops.h"

#include <mujoco/mujoco.h>

enum {
    MR_NAME_SIZE = 128,                // of names in tasks, with the final zero
    MR_OPTION_SIZE = MR_NAME_SIZE + 8, // of a name with "_weight" after it
};

// What terms.h lists.
typedef struct mr_field mr_field;
typedef struct mr_map mr_map;
typedef struct mr_quantity mr_quantity;
typedef struct mr_shape_kind mr_shape_kind;
typedef struct mr_sigmoid mr_sigmoid;
typedef struct mr_noise_kind mr_noise_kind;

typedef struct mr_mujoco mr_mujoco; // a running task (state.h)

/// An object of the model by its name, or by its number ("0") if there is none of that name.
typedef struct {
    char name[MR_NAME_SIZE]; // "": none
    const char *option;      // Gymnasium's name of the choice
} mr_object;

/// Some components of a field, one after the other.
typedef struct {
    const mr_field *field;
    mr_object object;            // only the components of this object
    mr_object minus;             // minus those of this object
    const mr_field *minus_field; // of that object; NULL: `field`
    size_t first;                // from this component on
    size_t n;                    // so many; 0: up to the last
    const mr_map *map;           // a function of each; NULL: none
    bool is_scaled;              // then: scale x + offset
    double scale, offset;
    mr_range clip; // at last; both 0: not clipped
    const char *clip_option;

    // Where they are in the model: set by mr_slice_resolve.
    size_t start, minus_start, dim;
} mr_slice;

/// A part of the observation. Parts follow each other in the order of the list.
typedef struct {
    mr_slice of;
    size_t n_positions; // leading components that exclude_current_positions_from_observation hides
    const char *option; // Gymnasium's name of the switch; NULL: the part is always observed
    bool included;      // the value of the switch
} mr_obs_part;

/// A number that is made of a slice, or of the whole state.
typedef struct {
    const mr_quantity *kind; // NULL: the components of the slice themselves
    mr_slice of;             // without a field if the quantity needs none
    mr_range range;          // of quantities that compare
    const char *low_option;  // changes the lower end of the range
} mr_measure;

/// A function of a measure, of which the weight is taken; {0}: the measure itself.
typedef struct {
    const mr_shape_kind *kind;
    double scale;           // of the exponential
    mr_range bounds;        // of the tolerance, as the rest
    double margin;          // 0: the value is 0 out of bounds
    double value_at_margin; // at that distance from the bounds
    const mr_sigmoid *sigmoid;
} mr_shape;

/// A part of the reward: weight x shaped measure, clipped, and subtracted if it is a cost.
typedef struct {
    char name[MR_NAME_SIZE]; // in `info`; "": it is not there
    mr_measure of;
    mr_shape shape;
    double weight;
    char option[MR_OPTION_SIZE]; // the name of the weight, Gymnasium's if it has one
    const char *alias;           // another name of it, if no other part has the same; NULL: none
    mr_range clip;               // both 0: not clipped
    const char *clip_option;
    bool cost;
} mr_reward_term;

/// A value of `info` beside the parts of the reward.
typedef struct {
    char name[MR_NAME_SIZE]; // of several components: name[0], name[1], ...
    mr_measure of;
} mr_info_term;

/// The state is healthy while the measure lies within (low, high), or [low, high] if `closed`.
typedef struct {
    mr_measure of;
    mr_range range;
    bool closed;
    const char *option; // Gymnasium's name of the range
} mr_healthy_range;

/// Noise on where an episode starts.
typedef struct {
    const mr_noise_kind *kind; // NULL: none
    double scale;
    const char *option;
} mr_noise;

/// The noise of one joint's coordinates, instead of that of all.
typedef struct {
    char joint[MR_NAME_SIZE];
    mr_noise qpos, qvel; // of no kind: that of all
} mr_joint_noise;

/// Something that each episode places anew, at rest: uniform in a box.
typedef struct mr_goal mr_goal;
struct mr_goal {
    mjtObj object; // mjOBJ_BODY, mjOBJ_SITE: its position; mjOBJ_JOINT: its one coordinate
    char name[MR_NAME_SIZE];
    bool is_drawn[3]; // others stay what they are in the model; of a joint, the first
    mr_range box[3];

    // Set by mr_goal_resolve for the model.
    mjtNum *(*place)(mr_mujoco *mujoco, const mr_goal *goal); // [3], or [1] of a joint
    int id;                                                   // of the object
    int joint;                                                // whose speed becomes 0; -1: none
    bool is_in_model; // `place` is in the model, not in the state
};

/// A list and its length. Lists of built-in tasks are never written to.
#define MR_LIST(type)                                                                              \
    struct {                                                                                       \
        type *rows;                                                                                \
        size_t n;                                                                                  \
    }
typedef MR_LIST(mr_obs_part) mr_obs_parts;
typedef MR_LIST(mr_reward_term) mr_reward_terms;
typedef MR_LIST(mr_info_term) mr_info_terms;
typedef MR_LIST(mr_healthy_range) mr_healthy_ranges;
typedef MR_LIST(mr_joint_noise) mr_joint_noises;
typedef MR_LIST(mr_goal) mr_goals;

/// Initialises a list of a built-in task: `.obs = MR_ROWS(mr_obs_part, {...}, {...})`.
#define MR_ROWS(type, ...)                                                                         \
    { (type[]){__VA_ARGS__}, sizeof((type[]){__VA_ARGS__}) / sizeof(type) }

/// A task.
typedef struct mr_task mr_task;
struct mr_task {
    /// Another task; NULL: none. This one is the same, but for what it says itself of `model`,
    /// `rewards`, `infos`, `healthy` and `source`, for is_gymnasium, and for the options in `set`,
    /// which are written as in --env-set.
    const mr_task *like;
    const char *set;

    char model[MR_OPTION_MAX_TEXT]; // as mr_model_open takes it; "": given otherwise
    size_t frame_skip;              // simulation steps for each step of the environment
    size_t max_episode_steps;       // 0: no limit
    mr_obs_parts obs;
    bool exclude_positions;  // hides the n_positions of the parts
    mr_reward_terms rewards; // summed in this order
    mr_info_terms infos;
    mr_healthy_ranges healthy;
    bool terminate_when_unhealthy;
    mr_object keyframe;              // where episodes start; none: the model's initial state
    mr_noise qpos_noise, qvel_noise; // added to that
    mr_joint_noises joint_noises;
    mr_goals goals;      // drawn in this order, after the noise
    mr_range ctrl_range; // of actuators that have none; both 0: these are refused
    mr_env_arena arena;  // all 0: none
    /// Changes the start beyond noise and goals; NULL: nothing. Draws from mujoco->random.
    ///   qpos  [nq] in and out
    ///   qvel  [nv] in and out
    void (*place)(mr_mujoco *mujoco, double *qpos, double *qvel);
    const char *place_text; // what it does, for descriptions
    const char *unused;     // an option that Gymnasium takes and does not use; NULL: none
    double unused_value;
    bool is_gymnasium;       // equal to Gymnasium's task of this name
    const char *source;      // the paper; NULL: none
    const void *plugin;      // the plug-in that its terms call
    size_t n_plugin_numbers; // numbers that the plug-in keeps for each environment
};

/// `open` and `describe` of a built-in environment (mr_env_builtin) whose `task` is an mr_task.
mr_status mr_mujoco_open(const mr_env_builtin *builtin, const mr_env_options *options,
                         mr_env **out);
mr_status mr_mujoco_describe(const mr_env_builtin *builtin, const mr_env_options *options,
                             char *text, size_t size);

/// Copies a task with its lists; what it is like, and its `set`, is worked into the copy. The
/// caller frees the copy's lists by mr_task_free.
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
