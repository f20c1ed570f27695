/// The collector: plays episodes to explore, and fills the replay buffer with their transitions.
///
/// A step of it is a step of all environments (copies of the task, or those of remote servers). It
/// is taken in two calls: mr_collector_step asks the agent for actions and steps the environments,
/// mr_collector_store pushes the transitions and begins the next episodes. Between the two calls a
/// run can't be saved.
///
/// Every episode is reset with a seed of its own, and its actions are logged: from these a resumed
/// run plays it again up to where it was (mr_collector_resume).
#pragma once

#include "agents/agent.h"
#include "agents/infos.h"
#include "agents/replay.h"
#include "agents/run_files.h"
#include "agents/train.h"
#include "envs/vec_env.h"

/// An episode of an environment. All doubles: a checkpoint holds them as one array.
typedef struct {
    double number; // of the environment's episodes, from 1
    double episode_return;
    double length; // steps so far
} mr_episode;

/// The actions of an episode so far: all of them, or none if there were too many.
typedef struct {
    double *action; // [n x act_dim] owned; the task's own units
    size_t n;
    size_t capacity;
} mr_action_log;

/// What the latest step of all environments brought. The arrays are the collector's.
typedef struct {
    size_t n_envs;
    const mr_step *step;     // [n_envs]
    const bool *has_stepped; // [n_envs] false: the server reset it before the step (mr_step.lost)
    const bool *is_first;    // [n_envs] it was the first step of an episode
    const double *next_obs;  // [n_envs x obs_dim] after the step, before any reset
    size_t n_ended;          // episodes
    const mr_episode *ended; // [n_ended]
} mr_collected;

typedef struct {
    const mr_settings *settings;       // borrowed
    const volatile sig_atomic_t *stop; // borrowed; may be NULL
    bool has_borrowed;                 // the environments are not its own
    mr_vec_env *envs;
    mr_vec_env *eval_envs; // for evaluations; remote environments: the same as envs
    size_t n_envs, obs_dim, act_dim;
    double *obs;            // [n_envs x obs_dim] the present ones
    double *next_obs;       // [n_envs x obs_dim] after the latest step, before any reset
    mr_real *act;           // [n_envs x act_dim] in [-1, 1]
    double *action;         // [n_envs x act_dim] the same in the task's own units
    mr_step *step;          // [n_envs]
    bool *has_stepped;      // [n_envs]
    bool *is_first;         // [n_envs]
    bool *active;           // [n_envs] those that step while an episode is played again
    mr_episode *episode;    // [n_envs] the present ones
    mr_episode *ended;      // [n_envs] those that the latest step ended
    mr_infos infos;         // of the training episodes
    mr_action_log *log;     // [n_envs] of the present episodes
    size_t max_logged;      // actions of an episode; a longer one has none
    double *first_obs;      // [n_envs x obs_dim] of the present episodes, if has_first_obs
    bool *has_first_obs;    // [n_envs] false: the episode began before the run was resumed
    double longest_episode; // steps, of those that ended by themselves; 0: none yet
    mr_collected latest;
    mr_status reset_failure; // a remote environment could not be reset after the latest step
    char reset_message[1024];
    char note[256]; // about an episode that could not be played again; "": none
} mr_collector;

/// Opens the environments of a run. mr_collector_close releases them, also after a failure.
///
///   settings  borrowed; num_envs may be 0 until this returns
///   envs      borrowed, used in the place of any that would be opened; NULL: none
///   place     the files that the environments come from
///   watcher   is told about servers that do not answer; may be NULL
mr_status mr_collector_open(mr_collector *c, const mr_settings *settings, const mr_train_envs *envs,
                            const mr_run_place *place, const mr_train_watcher *watcher,
                            const volatile sig_atomic_t *stop);
void mr_collector_close(mr_collector *c);

/// Ends the present episode of environment `i`: it is the next of c->latest.ended.
void mr_collector_end_episode(mr_collector *c, size_t i);

/// What the environments are.
const mr_env_spec *mr_collector_env(const mr_collector *c);

/// Episodes that ended because the simulation diverged, those of evaluations counted.
size_t mr_collector_n_diverged(const mr_collector *c);

/// The seed of environment `i`'s episode `number`, from 1. It depends on nothing before it.
uint64_t mr_collector_seed(const mr_collector *c, size_t i, double number);

/// Makes room for `n` actions; those that are there stay.
mr_status mr_action_log_reserve(mr_action_log *log, size_t n, size_t act_dim);

/// Resets environment `i` for its next episode, which goes into the replay buffer.
mr_status mr_collector_begin_episode(mr_collector *c, mr_replay *replay, size_t i);

/// Steps all environments: with uniform actions before `learning_starts` of a run that
/// begins with new nets, else with the agent's. On
/// failure nothing has changed.
///
///   step  environment steps of the run so far
mr_status mr_collector_step(mr_collector *c, mr_agent *agent, size_t step);

/// Pushes the transitions of that step into the replay buffer and begins the next episodes. What
/// the step brought is then in c->latest. A remote environment that can't be reset does not fail:
/// c->reset_failure is set, its episode stays as it ended, and the step is complete.
mr_status mr_collector_store(mr_collector *c, mr_replay *replay);

/// Plays the episodes that are under way again, up to where they were, after the run was resumed or
/// an evaluation took the same environments. One that can't go on ends here as truncated and counts
/// in c->latest.ended; those whose environment did not repeat itself are counted in `n_lost`.
/// Returns MR_STOPPED if the run is asked to stop: what has been done so far can be saved.
mr_status mr_collector_resume(mr_collector *c, mr_replay *replay, size_t *n_lost);

/// Adds its state to a checkpoint; the data is borrowed until the file is written. Reads it back;
/// on failure it is partly overwritten.
mr_status mr_collector_write(mr_collector *c, mr_tensors_writer *writer);
mr_status mr_collector_read(mr_collector *c, const mr_tensors *file);
