/// The checkpoint of a training run: a safetensors file with all that the run needs to go on as if
/// it had never been stopped.
///
/// Nets, moments and counts, temperature, the filled part of the replay, the bonus, the loop's own
/// numbers.
/// Random streams are indexed by counters, so nothing of them is kept. Of an environment in the
/// middle of an episode, the actions since its reset are kept: played again, they lead to where it
/// was. Those of a very long episode (mr_trainer.max_kept_actions) are not.
#pragma once

#include "agents/agent.h"
#include "agents/metrics.h"
#include "agents/run.h"
#include "agents/settings.h"

enum { MR_RECENT_EPISODES = 100 }; // that the rollout means are over, as in Stable-Baselines3

/// An environment's present episode. All doubles: a file holds them as one array.
typedef struct {
    double n_episodes; // begun
    double episode_return;
    double episode_length;
} mr_rollout;

/// How far a step of the training loop has come. Numbers are kept in checkpoints.
enum mr_step_part {
    MR_STEP_SAVED = 0,     // all but what comes after its checkpoint: its row, if one is due
    MR_STEP_CONCLUDED = 1, // all
    MR_STEP_UPDATED = 2,   // the environments' step and the updates
    MR_STEP_TAKEN = 3,     // the environments' step
};

/// The loop's own numbers. All doubles: a file holds each under its name.
typedef struct {
    mr_metrics now;
    double best_mean_reward;
    double best_steps; // when it was; 0: no evaluation yet
    double n_recent;   // episodes that ended, in all
    double recent_return[MR_RECENT_EPISODES];
    double recent_length[MR_RECENT_EPISODES];
    double n_summed;                  // updates since the last row of progress.csv
    double sum[MR_MAX_AGENT_METRICS]; // over those, of the agent's metrics
    double step_part;                 // an mr_step_part: what of the present step has been done
    mr_run_sizes n_bytes;
    double longest_episode; // steps, of those that the environments ended; 0: none yet
    double n_step_updates;  // of the present step's updates, those that are done
} mr_loop;

/// The actions of an episode so far: all of them, or none where there were too many.
typedef struct {
    double *action; // [n x act_dim] owned; the task's own units
    size_t n;
    size_t capacity;
} mr_actions;

/// Makes room for `n` actions and leaves what is there.
mr_status mr_actions_reserve(mr_actions *actions, size_t n, size_t act_dim);

/// Lets go of them and of their memory.
void mr_actions_drop(mr_actions *actions);

/// What simulates a task, and which version: texts of mr_env_spec; "": not known.
typedef struct {
    char name[128], version[128];
} mr_engine;

/// A run between two steps. All of it is borrowed.
typedef struct {
    const mr_settings *settings; // as used
    mr_agent *agent;
    mr_params *best; // the policy's, of the best evaluation
    mr_replay *replay;
    mr_bonus *bonus; // NULL: none
    size_t n_envs, obs_dim, act_dim;
    mr_engine *engine; // that simulates the task; after reading, that it was simulated by
    mr_loop *loop;
    mr_rollout *rollouts; // [n_envs]
    mr_actions *actions;  // [n_envs], each of its rollout's episode_length or of none
    double *obs;          // [n_envs x obs_dim] the present ones
} mr_checkpoint;

/// Writes it straight from where it is, replaced atomically: the old file stays until the new one
/// is complete.
mr_status mr_checkpoint_save(const mr_checkpoint *checkpoint, const char *path);

/// Reads it back into what was built from the same settings. Fails with MR_ERR_USAGE, naming the
/// setting, where a setting differs that must not (mr_setting_may_change), and with MR_ERR_INPUT on
/// anything that is not a whole checkpoint; what is borrowed is then partly overwritten. Reads
/// those of version 0.1 too. Numbers that it does not know are ignored; those that an earlier file
/// does not have stay as a new run has them.
mr_status mr_checkpoint_load(mr_checkpoint *checkpoint, const char *path);
