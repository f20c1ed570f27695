/// A training run at work: all that it borrows and owns, and what its parts do with it. Internal to
/// the training loop (train.h).
#pragma once

#include "agents/checkpoint.h"
#include "agents/evaluate.h"
#include "agents/replay.h"
#include "agents/run.h"
#include "agents/train.h"

typedef struct {
    const mr_settings *settings;
    const mr_train_watcher *watcher;
    const volatile sig_atomic_t *stop; // may be NULL
    bool is_resumed;
    mr_run_place place; // where the files are that the environments come from
    int n_threads;
    mr_vec_env *envs;
    mr_vec_env *eval_envs; // where the environments are elsewhere, the same as envs
    mr_policy *policy;     // the agent's
    mr_params *best;       // the policy's, of the best evaluation
    mr_replay *replay;
    mr_bonus *bonus; // NULL: none
    mr_agent *agent;
    mr_batch_maker *batches;
    mr_run *run;
    mr_evaluation *evaluation;
    size_t n_envs, obs_dim, act_dim;
    double *obs, *next_obs;  // [n_envs x obs_dim]
    double *action;          // [n_envs x act_dim] the task's own units
    mr_real *act;            // [n_envs x act_dim]
    mr_step *step;           // [n_envs]
    mr_rollout *rollout;     // [n_envs]
    mr_actions *actions;     // [n_envs]
    size_t max_kept_actions; // of an episode; of a longer one none are kept
    double *first_obs;       // [n_envs x obs_dim] of the episodes, as far as has_first_obs
    bool *has_first_obs;     // [n_envs]
    bool *active;            // [n_envs]
    mr_engine engine; // that simulates the task; in a resumed run, that it was simulated by before
    mr_loop loop;
    double logged_steps;     // at the last row of progress.csv of this process; -1: none yet
    bool is_between_steps;   // all of the above belongs to one moment that can be gone on from
    mr_status reset_failure; // of an environment elsewhere, in the middle of a step
    char reset_message[1024];
    double time_before; // s, that a resumed run had taken already
    double begun_cpu_s; // s, on the clock of the process
    double
        cpu_before; // s, that a resumed run had computed already; NaN: its checkpoint does not say
    double begun_s; // mr_clock_s, when this process began
    double checkpoint_step; // of the last checkpoint
    bool has_told_note;     // of the bonus
    bool has_told_cut;      // that evaluation episodes were cut off
    bool has_told_long;     // that an episode was too long to be played again
    bool has_told_warning;  // of the simulation
} mr_trainer;

/// Tells whoever watches something about the run, in one line.
void mr_trainer_tell(const mr_trainer *t, const char *note);

/// Whether `stop` asked for the end.
bool mr_trainer_is_stopped(const mr_trainer *t);

// ---- Setting up (trainer.c)

/// Sets up all but the run directory, so that settings that do not work leave nothing behind.
/// `settings`, `watcher` and `stop` are set. mr_trainer_close releases what was set up, also after
/// a failure.
mr_status mr_trainer_build(mr_trainer *t);
void mr_trainer_close(mr_trainer *t);

/// The settings with what they left open filled in.
mr_settings mr_trainer_used_settings(const mr_trainer *t);

/// Makes `t->engine` the one that simulates the task now.
void mr_trainer_note_engine(mr_trainer *t);

// ---- Updates (train.c)

/// One update of the agent, and of the bonus, on a batch from the replay buffer, which is not
/// empty.
mr_status mr_trainer_update(mr_trainer *t);

// ---- Metrics (trainer_metrics.c)

/// The time that has passed, and the speed.
void mr_trainer_note_time(mr_trainer *t);

/// An episode that ended, an update that was done.
void mr_trainer_note_episode(mr_trainer *t, const mr_rollout *r);
void mr_trainer_note_update(mr_trainer *t);

/// Adds a row to progress.csv; sums begin anew.
mr_status mr_trainer_log_row(mr_trainer *t);

// ---- Files (trainer_files.c)

/// Saves the policy as it is now under `name`, noting that it has so many steps.
mr_status mr_trainer_save_policy(mr_trainer *t, const char *name, double n_steps);

/// Saves policy and density as they are now; the density also under the present step.
mr_status mr_trainer_save_latest(mr_trainer *t);
mr_status mr_trainer_save_density_of_step(mr_trainer *t);

/// What a checkpoint holds of the run. `used` is borrowed.
mr_checkpoint mr_trainer_checkpoint(mr_trainer *t, const mr_settings *used);

/// Saves the checkpoint of this moment, which must be between two parts of a step (mr_step_part).
mr_status mr_trainer_save_checkpoint(mr_trainer *t);

/// Keeps what is good after `status` stopped training. Fails with that status, its message and
/// where things are.
mr_status mr_trainer_save_after(mr_trainer *t, mr_status status);

/// Reads the checkpoint back into what was built from the same settings. `t->engine` is then the
/// one that the run was on.
mr_status mr_trainer_load_checkpoint(mr_trainer *t, const mr_settings *used);

/// Where model or task have changed since the best policy was evaluated, that is kept under another
/// name, and the best begins anew: its return can't be compared with what follows.
mr_status mr_trainer_part_from_best(mr_trainer *t);

/// Finds the files of a run that is resumed, and says where that isn't plain.
mr_status mr_trainer_find_files(mr_trainer *t);

/// Makes best_policy.safetensors that of the checkpoint.
mr_status mr_trainer_restore_best(mr_trainer *t);

// ---- Episodes (trainer_episodes.c)

/// Begins the next episode of environment `i`.
mr_status mr_trainer_begin_episode(mr_trainer *t, size_t i);

/// The same within a step. An environment that can't be reached ends the training
/// (t->reset_failure), but not before the step was taken with all environments, so that it can be
/// gone on from; the episode stays as it ended.
mr_status mr_trainer_begin_next(mr_trainer *t, size_t i);

/// Makes room for the next action of every episode whose actions are kept; and adds it, or drops
/// them all where they become too many.
mr_status mr_trainer_reserve_actions(mr_trainer *t);
void mr_trainer_keep_action(mr_trainer *t, size_t i);

/// Plays the episodes that are under way up to where they were. One that cannot go on ends here,
/// as truncated; those that did not repeat themselves are counted in `n_lost`. Returns MR_STOPPED
/// if the run is asked to stop; a checkpoint of this moment is then as good as one of before.
mr_status mr_trainer_resume_episodes(mr_trainer *t, size_t *n_lost);
