/// A saved policy and its task, as the command line names them.
#pragma once

#include "agents/policy.h"
#include "agents/settings.h"

/// Loads the policy of a file, or the one that a run's directory ended with. The caller frees it.
mr_status mr_saved_policy_load(const char *run_or_file, mr_policy **out);

/// How to open a task. `opened` points into it.
typedef struct {
    char set[2 * MR_MAX_TEXT];
    mr_env_options opened;
} mr_saved_task;

/// The policy's task as it was trained on, but for what the command line says.
///   env_set, task  of the command line; "": nothing
void mr_saved_task_choose(const mr_policy_spec *spec, const char *env_set, const char *task,
                          mr_saved_task *out);
