/// A saved policy and its task, as the command line names them.
#pragma once

#include "agents/policy.h"
#include "agents/run_files.h"
#include "agents/settings.h"

/// Loads the policy of a file, or the latest of a run's directory. The caller frees it.
///
///   deterministic  its action without noise (mr_policy_set_deterministic); "": as in training
mr_status mr_saved_policy_load(const char *run_or_file, const char *deterministic, mr_policy **out);

/// The help of options that are that text.
#define MR_DETERMINISTIC_HELP                                                                      \
    "action of a flow policy without noise, as for train (mean:samples=16); default: as in "       \
    "training"

/// An environment, and how to reach it. `link` points into it.
typedef struct {
    char env[MR_MAX_PLACE];
    char server_key[MR_MAX_PLACE], secret_key[MR_MAX_PLACE];
    mr_env_link link;
} mr_saved_place;

/// Chooses the environment: that of the command line, or the policy's. If a run was trained on
/// remote environments (by its config.yaml), it is played on them, with the run's keys.
///
///   files      of the policy (mr_saved_files_find)
///   env, link  of the command line; "": not given
void mr_saved_place_choose(const mr_run_place *files, const char *env, const mr_env_link *link,
                           mr_saved_place *out);

/// Finds the model, the task and the keys that a policy was trained with, from any working
/// directory, and says on stderr if they are not where they were (mr_run_files_find). For a policy
/// outside of a run's directory, the names stay as they were given.
///
///   env, task  of the command line; given ones are not searched for
///   changed    the value of --changed-files, one of MR_CHANGED_WORDS
mr_status mr_saved_files_find(const char *run_or_file, const mr_policy_spec *spec, const char *env,
                              const char *task, const char *changed, mr_run_place *out);

/// How to open a task. `opened` points into it.
typedef struct {
    char set[MR_MAX_PLACE + MR_MAX_TEXT];
    mr_env_options opened;
} mr_saved_task;

/// The task that the policy was trained on, with what the command line changes.
///   env_set, task  of the command line; "": not given
void mr_saved_task_choose(const mr_run_place *files, const char *env_set, const char *task,
                          mr_saved_task *out);
