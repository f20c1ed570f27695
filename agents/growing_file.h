/// A file that only grows, a piece at a time: a table of results, a stream of events.
#pragma once

#include "base/status.h"

#include <stdbool.h>

typedef struct mr_growing_file mr_growing_file;

/// Makes an empty one; fails with MR_ERR_IO when the path exists. The caller closes it.
mr_status mr_growing_file_create(const char *path, mr_growing_file **out);

/// Opens one of a run that is to go on. Fails with MR_ERR_USAGE when it is not there. The caller
/// closes it.
mr_status mr_growing_file_open(const char *path, mr_growing_file **out);

/// Closes it; NULL is fine.
void mr_growing_file_close(mr_growing_file *file);

const char *mr_growing_file_path(const mr_growing_file *file);

/// Bytes in it.
size_t mr_growing_file_size(const mr_growing_file *file);

/// As long as this file is open, no other process can lock it. False when another one has; file
/// systems without locks go without.
bool mr_growing_file_lock(const mr_growing_file *file);

/// Adds a piece, in one write: a process killed at any moment leaves all of it or nothing. Fails
/// with MR_ERR_IO, and then nothing of it is in the file.
mr_status mr_growing_file_append(mr_growing_file *file, const void *piece, size_t n_bytes);

/// What is in it is on the disk now.
mr_status mr_growing_file_sync(mr_growing_file *file);

/// Cuts off what comes after the first `n_bytes`. Fails with MR_ERR_INPUT when there are fewer.
mr_status mr_growing_file_cut(mr_growing_file *file, size_t n_bytes);
