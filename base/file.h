/// Reading and atomically replacing whole files.
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/// A range of bytes. Borrowed.
typedef struct {
    const void *data;
    size_t n_bytes;
} mr_bytes;

/// Replaces the file at `path`, or creates it, with the bytes of all `parts` [n_parts], one after
/// the other. The file is never incomplete, even if the program or the machine stops: the bytes are
/// written to "<path>.millrace-tmp" beside it, flushed to the disk, and renamed. A symbolic link
/// keeps pointing to its file, and the file keeps its permissions.
///
/// Fails with MR_ERR_IO, the path and the system's reason; the old file is then untouched and the
/// temporary one gone. (One exception: when the folder cannot be flushed at the very end, the new
/// file is in place but may not outlive a power cut; the message says so.) Also fails if
/// `path` is not a regular file, or if another process or thread is writing it. The next call
/// overwrites what a killed process left behind.
mr_status mr_file_replace(const char *path, size_t n_parts, const mr_bytes *parts);

/// Writes all bytes, even if the system interrupts a write or writes only a part. Returns false,
/// with errno set, if it fails.
bool mr_file_write_all(int file, const void *bytes, size_t n_bytes);

/// Checks before long work that mr_file_replace can write its result to `path`: the folder exists
/// and is writable, the disk has room, and `path` is not a directory or device. Leaves nothing
/// behind and touches no file. Fails with MR_ERR_IO as mr_file_replace would.
mr_status mr_file_check_writable(const char *path);

/// The same for files in a directory that exists, or that mr_make_directories would create.
mr_status mr_directory_check_writable(const char *path);

/// A file that replaces `path` only when it is complete, for other writers than mr_file_replace
/// (which uses this; its promises hold here, too).
typedef struct mr_new_file mr_new_file;

/// Starts a file that will be called `path`. The caller closes it.
mr_status mr_new_file_begin(const char *path, mr_new_file **out);

/// The name of the temporary file to write to; it exists, and is empty.
const char *mr_new_file_name(const mr_new_file *new_file);

/// Writes the next bytes. Fails with MR_ERR_IO, the path and the system's reason.
mr_status mr_new_file_write(mr_new_file *new_file, const void *bytes, size_t n_bytes);

/// Renames it to `path`. Once; only closing may follow.
mr_status mr_new_file_keep(mr_new_file *new_file);

/// Closes it, and removes it unless it was renamed; NULL is fine.
void mr_new_file_close(mr_new_file *new_file);

/// Opens a regular file to be read. Fails as mr_file_read does. The caller closes it.
///
///   n_bytes  its size
mr_status mr_file_open(const char *path, int *out, size_t *n_bytes);

/// Opens a file without a name, which disappears when it is closed, in $TMPDIR or /var/tmp.
///
///   purpose  what it holds, for messages
mr_status mr_file_open_temporary(const char *purpose, int *out);

/// Reads a whole regular file. `*out` holds its `*n_bytes` bytes and a '\0' after them; the caller
/// frees it. Fails with MR_ERR_IO, the path and the reason; directories, pipes and devices are
/// refused.
mr_status mr_file_read(const char *path, char **out, size_t *n_bytes);

/// Whether a regular file exists at a path.
bool mr_file_is_there(const char *path);

/// Whether a directory does.
bool mr_directory_is_there(const char *path);

/// Creates the directory and its missing parents; fine if it exists already. Fails with MR_ERR_IO
/// and names the part of the path that could not be created.
mr_status mr_make_directories(const char *path);
