/// The process that trains in a run directory, or did last: trainer.json.
///
/// The trainer writes the file when it begins, when it resumes and when it ends, and holds a lock
/// on progress.csv meanwhile. The lock decides whether it still trains, because a process that was
/// killed writes nothing. Where the file system does not show the locks of other hosts, the age of
/// the run's files does.
#pragma once

#include "base/status.h"

typedef enum {
    MR_RUN_TRAINING,
    MR_RUN_FINISHED,    // all steps are done
    MR_RUN_INTERRUPTED, // stopped or killed before
    MR_RUN_FAILED,
} mr_run_state;

/// "training", "finished", "interrupted", "failed".
const char *mr_run_state_name(mr_run_state state);

typedef struct {
    mr_run_state state;
    char host[256];
    long pid;
    char version[32];                      // of millrace
    char engine[128], engine_version[128]; // the simulator, as mr_env_spec names it; "": not known
    char began[32], ended[32];             // UTC, "2026-01-31T12:00:00Z"; "": not known
    char message[1024];                    // of a failure; "": none
} mr_run_process;

/// Fills in this process: host, pid, version, and that it begins now.
void mr_run_process_begin(mr_run_process *process);

/// Sets its state, that it ends now, and the message of a failure ("": none).
void mr_run_process_end(mr_run_process *process, mr_run_state state, const char *message);

/// Writes the file. Only for the process that has locked the directory.
mr_status mr_run_process_write(const char *dir, const mr_run_process *process);

/// Reads it. A process that trained and whose lock is gone was interrupted. Without the file, as in
/// a run of an earlier version, host and versions are empty and a run that is not trained in is
/// interrupted too: whether all of its steps are done is for the caller to see. Fails with
/// MR_ERR_INPUT if the file is damaged.
mr_status mr_run_process_read(const char *dir, mr_run_process *out);
