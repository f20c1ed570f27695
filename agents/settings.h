/// The settings of a training run, in tables.
///
/// A row is a setting: its name, type, default, range and help. `millrace train --help`, the
/// command line, the config file, `--set`, their checks and the saved config.yaml are all made from
/// these tables: one of the settings of every run, and one of each agent's own options
/// (mr_agent_ops). The options of the other commands are rows of the same type.
#pragma once

#include "agents/critic.h"
#include "nn/lr_schedule.h"
#include "base/embedded.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MR_MAX_TEXT = 1024,
    MR_MAX_CHOICE = 32,
    MR_MAX_SETTINGS = 128,
    MR_MAX_AGENTS = 8,
    MR_MAX_AGENT_OPTIONS = 1280, // bytes: a text and some numbers
};

/// A number, or the word `auto`.
typedef struct {
    bool automatic;
    double value; // unused if automatic
} mr_auto;

/// The options of one agent: its own struct (sac.h, td3.h).
typedef union {
    max_align_t alignment;
    char bytes[MR_MAX_AGENT_OPTIONS];
} mr_agent_options;

typedef struct {
    char env[MR_MAX_TEXT];
    char env_set[MR_MAX_TEXT]; // its options (mr_env_options): "frame_skip=2,healthy_z_range=0:1"
    char task[MR_MAX_TEXT];    // file that describes the task of an "mjcf:" model
    char preset[MR_MAX_TEXT];  // where settings that were not set by name come from; "none"; "auto"
    char agent[MR_MAX_CHOICE]; // name of a row of mr_agent_ops
    char from[MR_MAX_TEXT];    // run or policy file whose nets it begins with (fine_tuning.h); ""
    bool from_replay;          // and with whose replay buffer
    size_t steps;              // environment steps, all copies counted
    uint64_t seed;
    size_t threads; // 0: by the work of an update (mr_agent_default_threads)
    size_t num_envs;
    size_t batch_size;
    size_t buffer_size;
    size_t
        learning_starts; // environment steps before the first update; uniform actions, without from
    mr_widths hidden;    // of the actor and, unless the next says otherwise, of each critic
    mr_widths critic_hidden; // n = 0: as `hidden`
    char actor_norm[MR_MAX_CHOICE];
    double log_std_min; // of a stochastic policy (mr_policy_spec)
    double log_std_max;
    char critic_norm[MR_MAX_CHOICE]; // and what follows: mr_mlp_spec
    char norm_position[MR_MAX_CHOICE];
    char deterministic_action[MR_MAX_TEXT]; // mr_policy_set_deterministic
    char critic_targets[MR_MAX_CHOICE];     // "polyak", "none"
    char critic_activation[MR_MAX_CHOICE];
    bool critic_residual;
    double critic_dropout;
    size_t critics; // and what follows: mr_ensemble
    size_t critic_target_subset;
    char critic_head[MR_MAX_CHOICE];
    size_t critic_atoms;
    double critic_value_min, critic_value_max;
    size_t critic_quantiles;
    size_t critic_drop;
    bool weight_norm; // and what follows: mr_agent_setup
    double weight_decay;
    double adam_beta1;
    size_t noise_repeat; // and what follows: mr_exploration_options
    double noise_repeat_exponent;
    char lr_schedule[MR_MAX_CHOICE]; // and what follows: mr_lr_schedule
    double lr_final;
    double gamma;
    size_t updates_per_step;
    size_t reset_every; // updates; 0: never
    double policy_ema;  // mr_agent_setup
    size_t n_step;      // of returns; this and the next two: batch.h
    double reward_scale;
    bool normalize_reward;
    double max_return;
    bool normalize_observation; // obs_norm.h
    double priority_alpha;      // and the next: batch.h
    double priority_beta;
    char demonstrations[MR_MAX_TEXT]; // data set (demonstrations.h); "": none
    double demonstration_ratio;       // of a batch
    char bonus[MR_MAX_CHOICE];        // "none", or a kind of mr_bonus_options
    char bonus_flow[MR_MAX_TEXT];     // of the density
    double bonus_scale;               // beta_0
    char bonus_decay[MR_MAX_CHOICE];  // and what follows: mr_bonus_options
    mr_auto bonus_decay_rate;         // automatic: a thousandth is left at the last step
    char bonus_features[MR_MAX_TEXT];
    char bonus_normalize[MR_MAX_CHOICE];
    char bonus_critic[MR_MAX_CHOICE]; // "shared", "separate"
    mr_widths bonus_critic_hidden;    // of the separate ones
    size_t eval_every;                // environment steps; 0: only at the end
    size_t eval_episodes;
    bool eval_stochastic;
    size_t eval_max_steps;   // of an episode; 0: mr_eval_max_steps
    size_t checkpoint_every; // environment steps; 0: only at the end
    double timeout;          // s, to wait for a server's reply
    size_t retries;
    char curve_server_key[MR_MAX_TEXT];
    char curve_secret_key[MR_MAX_TEXT];
    char changed_files[MR_MAX_CHOICE]; // mr_changed_files (run_files.h)
    char out[MR_MAX_TEXT];             // "": runs/ENV-POLICY-sSEED-DATE, chosen by the command
    mr_agent_options agent_options[MR_MAX_AGENTS]; // in the order of the agents' registry
    bool is_given[MR_MAX_SETTINGS];                // by row: whether it was set by name
} mr_settings;

typedef enum {
    MR_SETTING_COUNT,    // size_t
    MR_SETTING_SEED,     // uint64_t
    MR_SETTING_REAL,     // double
    MR_SETTING_AUTO,     // mr_auto
    MR_SETTING_WIDTHS,   // mr_widths
    MR_SETTING_TEXT,     // char[MR_MAX_TEXT]
    MR_SETTING_OUT_FILE, // the same: path of a file that will be written; "": none
    MR_SETTING_OUT_DIR,  // the same: path of a directory that files will be written to
    MR_SETTING_PAIRS,    // char[MR_MAX_TEXT], key=value,...; a new text is appended, "" clears it
    MR_SETTING_SWITCH,   // bool; has no value on the command line
    MR_SETTING_CHOICE,   // char[MR_MAX_CHOICE], one of the words that the row's metavar lists
} mr_setting_type;

/// What may be done with a setting of mr_settings once a run has begun.
typedef enum {
    MR_ROLE_FIXED = 0,  // a resumed run has the value that it was begun with
    MR_ROLE_OF_NETS,    // the same; and a fine-tuned run has the value of its source
    MR_ROLE_TUNABLE,    // a resumed run may have another value: its results then differ
    MR_ROLE_FREE,       // a resumed run may have another value: it comes to the same state
    MR_ROLE_OWN_TO_RUN, // the same; and it differs from run to run: not saved in config.yaml
} mr_setting_role;

/// A row of a table of settings.
typedef struct {
    const char *name; // as in config files; on the command line with `-` for `_`
    mr_setting_type type;
    size_t offset; // of its field in the struct of the table
    const char *initial;
    double min, max;     // of numbers, both included
    const char *metavar; // name of its value in --help; for a choice, all words: "none|density"
    const char *help;
    mr_setting_role role; // of settings of a run
} mr_setting;

/// Sets the field of one row from its text form.
///
///   fields  the struct of the row's table
///   where   its name in messages: "--batch-size", "config.yaml:3:5: batch_size"
///
/// Counts may be written as 1000000 or 1e6. Fails with MR_ERR_USAGE on text that is not of the type
/// and on a value out of range; the field is then unchanged.
mr_status mr_setting_store(const mr_setting *setting, void *fields, const char *text,
                           const char *where);

/// Writes the text form of a row's present value, at most `size` bytes with the final zero.
/// Reading it back gives the same value, bit for bit.
void mr_setting_format(const mr_setting *setting, const void *fields, char *text, size_t size);

/// The table of the fields of mr_settings: the settings of every run and, after the choice of the
/// agent, each agent's options. Agents may have options of the same name.
size_t mr_setting_count(void);
const mr_setting *mr_setting_at(size_t i);

/// The first row of that name, or of that former name, written with `_` or `-`; NULL if there is
/// none.
const mr_setting *mr_setting_find(const char *name);

/// The row of that name that a run with these settings has, agents having options of one name;
/// NULL: none.
const mr_setting *mr_setting_find_used(const char *name, const mr_settings *settings);

/// The name that a setting had in an earlier version and that is still understood: on the command
/// line, in config files, in checkpoints. NULL: it has had no other.
const char *mr_setting_former_name(const mr_setting *setting);

/// What a run has for a setting that its files do not name, because they are older than it: the
/// default, but no preset.
const char *mr_setting_of_older(const mr_setting *setting);

/// The agent whose option a row of that table is; NULL: every run has it.
const char *mr_setting_agent(const mr_setting *setting);

/// Whether a run with these settings has that one: it is not an option of another agent.
bool mr_setting_is_used(const mr_setting *setting, const mr_settings *settings);

/// The options of the chosen agent: its own struct.
const void *mr_settings_agent_options(const mr_settings *settings);

/// The text of the policy that the chosen agent trains: "real_nvp:layers=2", "deterministic".
const char *mr_settings_policy(const mr_settings *settings);

/// The schedule of the learning rates.
mr_lr_schedule mr_settings_lr_schedule(const mr_settings *settings);

/// The net of each critic.
mr_mlp_spec mr_settings_critic(const mr_settings *settings);

/// Whether critics have slow copies for their targets.
bool mr_settings_critic_targets(const mr_settings *settings);

/// Whether normalisation comes after activations, in actor and critics.
bool mr_settings_norm_last(const mr_settings *settings);

/// How many critics there are, and what their outputs mean.
mr_ensemble mr_settings_ensemble(const mr_settings *settings);

/// The role of a setting in a run with these settings: its row's. The number of steps is tunable if
/// something falls until the last of them.
mr_setting_role mr_setting_role_of(const mr_setting *setting, const mr_settings *settings);

/// Whether a setting was set by name.
bool mr_setting_is_given(const mr_setting *setting, const mr_settings *settings);

/// Whether the nets that a run begins with (`from`) are those of a run, not of a policy file. A
/// source that is gone was a run's: it's needed no longer once the run has begun.
bool mr_settings_begin_with_run(const mr_settings *settings);

/// Whether a setting has the same value in both.
bool mr_setting_is_same(const mr_setting *setting, const mr_settings *a, const mr_settings *b);

/// Whether a setting has its default. A saved config.yaml names all settings, so that only another
/// value shows what someone wanted.
///
///   text  its present value
bool mr_setting_is_default(const mr_setting *setting, const mr_settings *settings,
                           char text[MR_MAX_TEXT]);

/// The number of threads that step environments, for a setting `threads`; 0: one for each core, at
/// most 4.
int mr_settings_threads(size_t threads);

/// The defaults.
void mr_settings_init(mr_settings *settings);

/// mr_setting_store by name; an option that several agents have is set for each of them. Fails with
/// MR_ERR_USAGE on an unknown name too; the message suggests the nearest.
mr_status mr_settings_set(mr_settings *settings, const char *name, const char *text,
                          const char *where);

/// Reads a YAML file of `name: value` lines; settings that it does not name stay as they are. Fails
/// with the line and column of the first fault (MR_ERR_INPUT if it is not such a file, MR_ERR_USAGE
/// on an unknown name or an invalid value); `settings` is then unchanged.
mr_status mr_settings_read(mr_settings *settings, const char *path);

/// Reads a preset (presets.h) in the same way: also what it has for the task `env`.
mr_status mr_settings_read_preset(mr_settings *settings, const char *env,
                                  const mr_embedded_file *file);

/// Writes the settings, except those that belong to one run only, as such a file, replaced
/// atomically.
///
///   comment  lines that stand before them as comments, each ending in a newline; "": none
mr_status mr_settings_write(const mr_settings *settings, const char *comment, const char *path);

/// Settles, when a run begins, what means nothing beside the other settings, as critic_atoms with
/// scalar critics: values of the preset return to their defaults. Fails with MR_ERR_USAGE if one
/// was set by name to another value than its default.
mr_status mr_settings_settle(mr_settings *settings);

/// Checks settings against each other: batch_size against buffer_size, options that were set
/// against the chosen agent, ... Fails with MR_ERR_USAGE.
mr_status mr_settings_check(const mr_settings *settings);
