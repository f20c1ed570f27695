/// A saved policy and its task, as the command line names them.
#pragma once

#include "agents/policy.h"
#include "agents/run_files.h"
#include "agents/settings.h"

/// Loads the policy of a file, or the one that a run's directory ended with. The caller frees it.
mr_status mr_saved_policy_load(const char *run_or_file, mr_policy **out);

/// Which environment, and how it is reached. `link` points into it.
typedef struct {
    char env[MR_MAX_PLACE];
    char server_key[MR_MAX_PLACE], secret_key[MR_MAX_PLACE];
    mr_env_link link;
} mr_saved_place;

/// The environment of the command line, or the policy's. Where a run was trained on environments
/// elsewhere (its config.yaml tells), those, with the run's keys.
///
///   files      of the policy (mr_saved_files_find)
///   env, link  of the command line; "" and key files "": nothing
void mr_saved_place_choose(const mr_run_place *files, const char *env, const mr_env_link *link,
                           mr_saved_place *out);

/// Finds the model, the task and the keys that a policy was trained with, in whatever folder one is
/// now, and says on stderr where that isn't plain (mr_run_files_find). Of a policy outside of a
/// run's directory the names are as they were given.
///
///   env, task  of the command line; what it names is not looked for
///   changed    the word of the option that is made of MR_CHANGED_WORDS
mr_status mr_saved_files_find(const char *run_or_file, const mr_policy_spec *spec, const char *env,
                              const char *task, const char *changed, mr_run_place *out);

/// How to open a task. `opened` points into it.
typedef struct {
    char set[MR_MAX_PLACE + MR_MAX_TEXT];
    mr_env_options opened;
} mr_saved_task;

/// The policy's task as it was trained on, but for what the command line says.
///   env_set, task  of the command line; "": nothing
void mr_saved_task_choose(const mr_run_place *files, const char *env_set, const char *task,
                          mr_saved_task *out);
