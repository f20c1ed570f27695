/// Whole files: read in one go, replaced in one go.
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/// A range of bytes. Borrowed.
typedef struct {
    const void *data;
    size_t n_bytes;
} mr_bytes;

/// Puts a file with the bytes of all `parts` [n_parts], one after the other, in the place of
/// `path`; where there is none, makes one. Nobody ever sees half a file, whatever stops the
/// program or the machine: the bytes go to "<path>.millrace-tmp" beside it, to the disk, and then
/// under the file's name. A symbolic link keeps pointing to its file, and the file keeps its
/// permissions.
///
/// Fails with MR_ERR_IO, the path and the system's reason; the old file is then untouched and the
/// temporary one gone. (One exception: when the folder cannot be flushed at the very end, the new
/// file is in place but may not outlive a power cut; the message says so.) Fails likewise when
/// `path` is no regular file, or another process or thread is at the same file. What a killed
/// process left behind, the next call takes over.
mr_status mr_file_replace(const char *path, size_t n_parts, const mr_bytes *parts);

/// Writes all of it, however often the system interrupts or takes but a part. Returns false, with
/// errno set, where it cannot.
bool mr_file_write_all(int file, const void *bytes, size_t n_bytes);

/// Whether mr_file_replace could put a file in the place of `path`, as far as that can be known
/// before the work whose result it will be: its folder is there and can be written to, its disk has
/// room, and `path` is no directory or device. Leaves nothing behind and touches no file. Fails
/// with MR_ERR_IO as mr_file_replace would.
mr_status mr_file_check_writable(const char *path);

/// The same for the files of a directory that is there, or that mr_make_directories would make.
mr_status mr_directory_check_writable(const char *path);

/// A file that takes its place only when it is whole, for what is written by others than
/// mr_file_replace (which is made of this, and says what holds here too).
typedef struct mr_new_file mr_new_file;

/// Begins one that will be called `path`. The caller closes it.
mr_status mr_new_file_begin(const char *path, mr_new_file **out);

/// The file to be written meanwhile; it is there, and empty.
const char *mr_new_file_name(const mr_new_file *new_file);

/// Puts it in its place. Once; nothing but closing may follow.
mr_status mr_new_file_keep(mr_new_file *new_file);

/// Closes it, and removes what was not kept; NULL is fine.
void mr_new_file_close(mr_new_file *new_file);

/// Reads a whole regular file. `*out` holds its `*n_bytes` bytes and a '\0' after them; the caller
/// frees it. Fails with MR_ERR_IO, the path and the reason; directories, pipes and devices are
/// refused.
mr_status mr_file_read(const char *path, char **out, size_t *n_bytes);

/// Whether a path leads to a regular file.
bool mr_file_is_there(const char *path);

/// Makes the directory and those above it that are missing; fine where it exists already. Fails
/// with MR_ERR_IO and names the part of the path that could not be made.
mr_status mr_make_directories(const char *path);
