/// A saved policy and its task, as the command line names them.
#pragma once

#include "agents/policy.h"
#include "agents/settings.h"

/// Loads the policy of a file, or the one that a run's directory ended with. The caller frees it.
mr_status mr_saved_policy_load(const char *run_or_file, mr_policy **out);

/// Which environment, and how it is reached. `link` points into it.
typedef struct {
    char env[MR_MAX_TEXT];
    char server_key[MR_MAX_TEXT], secret_key[MR_MAX_TEXT];
    mr_env_link link;
} mr_saved_place;

/// The environment of the command line, or the policy's. Where a run was trained on environments
/// elsewhere (its config.yaml tells), those, with the run's keys.
///
///   env, link  of the command line; "" and key files "": nothing
mr_status mr_saved_place_choose(const char *run_or_file, const mr_policy_spec *spec,
                                const char *env, const mr_env_link *link, mr_saved_place *out);

/// How to open a task. `opened` points into it.
typedef struct {
    char set[2 * MR_MAX_TEXT];
    mr_env_options opened;
} mr_saved_task;

/// The policy's task as it was trained on, but for what the command line says.
///   env_set, task  of the command line; "": nothing
void mr_saved_task_choose(const mr_policy_spec *spec, const char *env_set, const char *task,
                          mr_saved_task *out);
