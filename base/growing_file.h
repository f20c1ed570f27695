/// A file that is appended to in whole pieces: the rows of a table, the records of an event file.
#pragma once

#include "base/status.h"

#include <stdbool.h>

typedef struct mr_growing_file mr_growing_file;

/// Creates an empty file. Fails with MR_ERR_IO if the path exists. The caller closes it.
mr_status mr_growing_file_create(const char *path, mr_growing_file **out);

/// Opens the file of a run that is resumed. Fails with MR_ERR_USAGE if it is missing. The caller
/// closes it.
mr_status mr_growing_file_open(const char *path, mr_growing_file **out);

/// Closes it; NULL is fine.
void mr_growing_file_close(mr_growing_file *file);

const char *mr_growing_file_path(const mr_growing_file *file);

/// Its size in bytes.
size_t mr_growing_file_size(const mr_growing_file *file);

/// Locks the file against other processes for as long as it is open. False if another process has
/// locked it. True without a lock on file systems that have none.
bool mr_growing_file_lock(const mr_growing_file *file);

/// Whether a process has locked the file at a path. Asking takes a lock for an instant, which
/// mr_growing_file_lock waits out.
bool mr_growing_file_is_locked(const char *path);

/// Adds a piece, in one write: a process killed at any moment leaves all of it or nothing. Fails
/// with MR_ERR_IO, and then nothing of it is in the file.
mr_status mr_growing_file_append(mr_growing_file *file, const void *piece, size_t n_bytes);

/// Waits until all of it is on the disk.
mr_status mr_growing_file_sync(mr_growing_file *file);

/// Truncates it to `n_bytes`. Fails with MR_ERR_INPUT if it is shorter.
mr_status mr_growing_file_cut(mr_growing_file *file, size_t n_bytes);
