/// The files that a run depends on besides its own: the model of its task with all that it refers
/// to, the description of the task, key files.
///
/// A run keeps their names as they were given and as they were found (from the root), the SHA-256
/// and a copy of each but the keys:
///
///     files.json   names and hashes
///     model/       the model and its parts, in folders as they were
///     task/        the description of the task
///
/// Runs of built-in tasks have nothing of it; those of version 0.1 neither, and go on without.
#pragma once

#include "agents/settings.h"

enum { MR_MAX_PLACE = 2 * MR_MAX_TEXT };

/// What is done where a file is no more what it was.
typedef enum {
    MR_CHANGED_REFUSE,
    MR_CHANGED_ACCEPT, // it is used as it is now
    MR_CHANGED_COPY,   // the run's own copies are used
} mr_changed_files;

/// The words for it, as metavar and default of a setting, and what one of them means.
#define MR_CHANGED_WORDS "refuse|accept|copy"
mr_changed_files mr_changed_files_of(const char *word);

/// Where the files are: names and options to open the environment with.
typedef struct {
    char env[MR_MAX_PLACE], env_set[MR_MAX_PLACE], task[MR_MAX_PLACE];
    char server_key[MR_MAX_PLACE], secret_key[MR_MAX_PLACE];
    char note[MR_MAX_TEXT]; // what users should know of it, in one line; "": nothing
    bool is_changed;        // something is no more what it was, and was accepted
    double changed_at;      // the step at which that was last so; 0: never
} mr_run_place;

/// The names as they were given.
void mr_run_place_of(const char *env, const char *env_set, const char *task, const char *server_key,
                     const char *secret_key, mr_run_place *out);

/// Replaces names in `place`, which are as they were given, by those under which the files of the
/// run in `dir` are found: as given, else where they were, else the run's copy. One that nobody
/// gave is not looked for. Only names that the run has kept are replaced: another model or task is
/// the user's wish.
///
/// Fails with MR_ERR_USAGE, naming what differs, where a file has changed, unless `changed` says
/// otherwise.
mr_status mr_run_files_find(const char *dir, mr_changed_files changed, mr_run_place *place);

/// Keeps names, hashes and copies of what a run uses.
///
///   given  the names as they are in the settings
///   place  where the files are
///   step   at which they became others than before; 0: they are those that the run begins with
///
/// What was kept before stays in use until the new is complete.
mr_status mr_run_files_keep(const char *dir, const mr_settings *given, const mr_run_place *place,
                            double step);

/// Removes what mr_run_files_keep has made in a run that comes to nothing.
void mr_run_files_remove(const char *dir);
