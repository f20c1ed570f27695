/// Names of files, taken apart and put together; all but mr_path_is_same without looking at the
/// disk.
#pragma once

#include <stdbool.h>
#include <stddef.h>

/// "folder/path", or `path` alone where that is absolute or the folder is "". NULL where there is
/// no memory; the caller frees it.
char *mr_path_join(const char *folder, const char *path);

/// The folder that a path is in, "" where it names none. NULL where there is no memory; the caller
/// frees it.
char *mr_path_folder(const char *path);

/// What follows the last slash.
const char *mr_path_name(const char *path);

/// Takes "." and, as far as a folder goes before it, ".." out of a path, in place.
void mr_path_normalise(char *path);

/// The path from the root. NULL where there is no memory, or no present folder; the caller frees
/// it.
char *mr_path_absolute(const char *path);

/// Whether two paths lead to the same file or folder, which is there.
bool mr_path_is_same(const char *a, const char *b);
