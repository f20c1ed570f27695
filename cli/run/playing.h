/// Playing episodes with a saved policy, as `millrace eval` and `millrace record` do.
#pragma once

#include "agents/evaluate.h"
#include "agents/settings.h"
#include "cli/run/saved_policy.h"
#include "envs/vec_env.h"

typedef struct {
    size_t episodes;
    size_t max_steps;
    uint64_t seed;
    size_t threads;
    bool deterministic;
    bool stochastic;
    char deterministic_action[MR_MAX_TEXT];
    char env[MR_MAX_TEXT];
    char env_set[MR_MAX_TEXT];
    char task[MR_MAX_TEXT];
    char changed_files[MR_MAX_CHOICE];
    double timeout;
    size_t retries;
    char curve_server_key[MR_MAX_TEXT];
    char curve_secret_key[MR_MAX_TEXT];
} mr_playing;

enum { MR_N_PLAYING_OPTIONS = 15 };

/// Their table, for a struct that begins with an mr_playing.
extern const mr_setting mr_playing_options[MR_N_PLAYING_OPTIONS];

/// Refuses (MR_ERR_USAGE) options that exclude each other.
mr_status mr_playing_check(const mr_playing *playing);

/// Loads the policy and opens the environments that it plays in; prints their notes. The caller
/// frees and closes both, also after a failure.
///
///   run_or_file  of the command line
///   is_drawn     one copy, and not a remote one, which can't be drawn
///   stop         ends waiting for a server
mr_status mr_playing_open(const char *run_or_file, const mr_playing *playing, bool is_drawn,
                          const volatile sig_atomic_t *stop, mr_policy **policy, mr_vec_env **envs);

/// How mr_evaluate plays.
mr_eval_options mr_playing_how(const mr_playing *playing, const mr_vec_env *envs,
                               const volatile sig_atomic_t *stop, const mr_eval_watcher *watcher);

/// Warns on stderr of simulations that broke down, and of episodes that were cut off by default.
void mr_playing_warn(const mr_playing *playing, const mr_vec_env *envs, const char *task,
                     const mr_evaluation *evaluation);
