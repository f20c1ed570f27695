/// Training: an agent (SAC, TD3, MEow) on a task by name, or on environments of the caller's own.
///
/// A run keeps its results in a directory of its own: config.yaml, progress.csv, evaluations.csv,
/// events for TensorBoard, policy.safetensors (the latest), best_policy.safetensors (of the best
/// evaluation so far) and a checkpoint to go on from. Notes and warnings go to the log (mr_log_to).
#pragma once

#include <millrace/vec_env.h>

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A setting, as a line of config.yaml has it: {"steps", "1e5"}. `millrace help train` lists them,
/// with `-` for `_`.
typedef struct {
    const char *name;
    const char *value;
} mr_train_setting;

/// How far a run is. A number that is not known yet is NaN. A later version may add fields.
typedef struct {
    size_t total_timesteps; // environment steps, all copies counted
    double time_elapsed;    // s
    size_t episodes;        // that have ended
    double ep_rew_mean;     // return, over the last 100 of these
    double ep_len_mean;     // steps
    size_t n_updates;
    double eval_mean_reward; // return in the latest evaluation
    double eval_std_reward;
    double eval_mean_ep_length;
} mr_train_progress;

/// A number that an agent measures in an update: {"train/critic_loss", 0.3}.
typedef struct {
    const char *name;
    double value;
} mr_train_metric;

/// What is trained on what. All 0 is the default of every field but `settings`, also of those that
/// a later version adds: begin with `= {0}`.
typedef struct {
    /// [n_settings] Those that are not among them are the preset `best`'s, or another `preset`'s,
    /// or the defaults of the `agent` if that is among them (the run's own, for mr_train_resume). A
    /// later one overrides an earlier one of the same name. `out` must be among them.
    const mr_train_setting *settings;
    size_t n_settings;
    /// The environments, borrowed; `num_envs` is then how many they are, and `env` their name.
    /// NULL: opened by the setting `env`.
    mr_vec_env *envs;
    /// Environments of the same kind for evaluations, borrowed. NULL: evaluations are played on
    /// `envs`, whose episodes are then played again up to where they were, from their seeds and
    /// actions; one whose environment does not repeat itself ends as truncated.
    mr_vec_env *eval_envs;
    void *self; // first argument of the callbacks
    /// Called after every step of the environments. NULL: not called.
    void (*stepped)(void *self, const mr_train_progress *now);
    /// Called after an evaluation; `is_best`: it is the best so far. NULL: not called.
    void (*evaluated)(void *self, const mr_train_progress *now, bool is_best);
    /// Called after an update, with the agent's metrics of it [n_metrics]. NULL: not called.
    void (*updated)(void *self, const mr_train_progress *now, size_t n_metrics,
                    const mr_train_metric *metrics);
    /// When it becomes non-zero, training stops with everything saved: after the present step, or
    /// at once in an evaluation, which mr_train_resume then plays again. NULL: nothing stops it.
    const volatile sig_atomic_t *stop;
} mr_train_options;

/// How training ended.
typedef struct {
    bool stopped; // by `stop`, before all steps were done
    mr_train_progress last;
    double best_mean_reward; // of the evaluations; -infinity: there was none
    size_t n_diverged;       // episodes that ended because the simulation broke down, since the
                             // environments were opened
} mr_train_result;

/// Trains, and leaves the results in the run directory of the setting `out`, which must not exist.
///
/// The same settings, environments that depend on seeds and actions alone, and the same number of
/// threads give the same policy, bit for bit. A simulation that breaks down (mr_step.diverged) ends
/// its episode, and training goes on. Fails with MR_ERR_USAGE on a setting that is unknown or out
/// of range; with MR_ERR_NUMERIC on a NaN or infinite observation, reward, loss or gradient (the
/// message names the quantity that went bad first); with what a callback of an environment fails
/// with. The run directory then holds the last good policy and the last checkpoint.
MR_API mr_status mr_train(const mr_train_options *options, mr_train_result *result);

/// Goes on with the run in a directory from its last checkpoint. What was logged after it is cut
/// off, and all that follows is, bit for bit, what it would have been had the run never stopped.
///
///   run_dir  the run's directory; the setting `out` need not be given
///   options  `steps` and `checkpoint_every` may be others than the run was begun with; learning
///            rates and the like too, but then results differ from those of an uninterrupted
///            run: the log says so, and so does config.yaml. A run on environments of the caller's
///            own is resumed on such environments
///
/// Fails as mr_train does, and with MR_ERR_USAGE if there is no checkpoint, if a setting differs
/// that must not, and if the run is past its `steps`; the directory is then as it was.
MR_API mr_status mr_train_resume(const char *run_dir, const mr_train_options *options,
                                 mr_train_result *result);

#ifdef __cplusplus
}
#endif
