/// Paths of files. Only mr_path_is_same and mr_path_absolute look at the file system.
#pragma once

#include <stdbool.h>
#include <stddef.h>

/// "folder/path", or `path` if it is absolute or the folder is "". NULL without memory; the caller
/// frees it.
char *mr_path_join(const char *folder, const char *path);

/// The folder of a path, "" if it has none. NULL without memory; the caller frees it.
char *mr_path_folder(const char *path);

/// What follows the last slash.
const char *mr_path_name(const char *path);

/// Whether its name ends in a suffix such as ".png", in small or capital letters, and has more than
/// that.
bool mr_path_has_suffix(const char *path, const char *suffix);

/// Removes "." and, after a folder, ".." from a path, in place.
void mr_path_normalise(char *path);

/// The absolute path. NULL without memory or working directory; the caller frees it.
char *mr_path_absolute(const char *path);

/// Whether two paths lead to the same existing file or folder.
bool mr_path_is_same(const char *a, const char *b);
