/// Files of others that a run depends on: the model of its task with all files that it refers to,
/// the task file, key files, demonstrations.
///
/// A run keeps the path of each as it was given and as an absolute path. Of the model and the task
/// file it keeps the SHA-256 and a copy, too:
///
///     files.json   paths and hashes
///     model/       the model and the files that it refers to, in the same relative folders
///     task/        the task file
///
/// Runs of built-in tasks have none of these; neither have those of version 0.1, which are resumed
/// without.
#pragma once

#include "agents/settings.h"

enum { MR_MAX_PLACE = 2 * MR_MAX_TEXT };

/// How a resumed run treats files that have changed since it began.
typedef enum {
    MR_CHANGED_REFUSE,
    MR_CHANGED_ACCEPT, // the changed files are used
    MR_CHANGED_COPY,   // the run's own copies are used
} mr_changed_files;

/// The choices of the setting, and the meaning of one of them.
#define MR_CHANGED_WORDS "refuse|accept|copy"
mr_changed_files mr_changed_files_of(const char *word);

/// The paths of the files: names and options to open the environment with.
typedef struct {
    char env[MR_MAX_PLACE], env_set[MR_MAX_PLACE], task[MR_MAX_PLACE];
    char server_key[MR_MAX_PLACE], secret_key[MR_MAX_PLACE];
    char demonstrations[MR_MAX_PLACE];
    char note[MR_MAX_TEXT]; // for the user, in one line; "": none
    bool is_changed;        // a file has changed, and the change was accepted
    double changed_at;      // step of the run when that last happened; 0: never
} mr_run_place;

/// The paths as they were given.
void mr_run_place_of(const char *env, const char *env_set, const char *task, const char *server_key,
                     const char *secret_key, mr_run_place *out);

/// Replaces the paths in `place`, which are as they were given, by those where the files of the run
/// in `dir` are found: the given path, else the former absolute path, else the run's copy. Empty
/// paths stay empty. A path that is not the run's own stays as it is: the user has chosen another
/// model or task.
///
/// Fails with MR_ERR_USAGE, naming what differs, if a file has changed, unless `changed` allows it.
mr_status mr_run_files_find(const char *dir, mr_changed_files changed, mr_run_place *place);

/// Writes files.json and the copies of a run.
///
///   given  the paths as in the settings
///   place  the paths where the files are
///   step   of the run when the files changed; 0: the run begins with them
///
/// The previous files.json stays valid until the new one is complete.
mr_status mr_run_files_keep(const char *dir, const mr_settings *given, const mr_run_place *place,
                            double step);

/// Removes what mr_run_files_keep has written, after a run could not begin.
void mr_run_files_remove(const char *dir);
