// Names of files.

#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

char *mr_path_join(const char *folder, const char *path) {
    char *joined;
    const size_t length = strlen(folder);
    if (path[0] == '/' || length == 0)
        return strdup(path);
    const char *slash = folder[length - 1] == '/' ? "" : "/";
    return asprintf(&joined, "%s%s%s", folder, slash, path) >= 0 ? joined : NULL;
}

const char *mr_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

char *mr_path_folder(const char *path) {
    const char *name = mr_path_name(path);
    const size_t length = (size_t)(name - path);
    return strndup(path, length > 1 ? length - 1 : length); // "/" stays
}

// Whether the part of the path that ends at `end` is a folder that ".." leads out of.
static bool is_named(const char *start, const char *end) {
    const size_t n = (size_t)(end - start);
    return n > 0 && !(n == 2 && start[0] == '.' && start[1] == '.');
}

bool mr_path_has_suffix(const char *path, const char *suffix) {
    const size_t n = strlen(path), n_suffix = strlen(suffix);
    return n > n_suffix && strcasecmp(path + n - n_suffix, suffix) == 0;
}

void mr_path_normalise(char *path) {
    const bool is_absolute = path[0] == '/';
    char *const first = path + is_absolute;
    char *out = first; // what is kept so far ends here, each part with a slash
    bool is_last = path[0] == '\0';
    for (const char *at = first; !is_last;) {
        const size_t n = strcspn(at, "/");
        const bool is_up = n == 2 && memcmp(at, "..", 2) == 0;
        char *last = out; // where the part before begins
        while (last > first && (last == out || last[-1] != '/'))
            last--;
        is_last = at[n] == '\0';
        if (is_up && out > first && is_named(last, out - 1)) {
            out = last;
        } else if (n > 0 && !(n == 1 && at[0] == '.') && !(is_up && is_absolute)) {
            memmove(out, at, n);
            out += n;
            *out++ = '/'; // over the slash or the zero that was behind it
        }
        at += n + 1;
    }
    if (out > first)
        out--;
    if (out == path && path[0] != '\0') // "a/.."
        *out++ = '.';
    *out = '\0';
}

char *mr_path_absolute(const char *path) {
    char *folder = getcwd(NULL, 0);
    char *absolute = folder != NULL ? mr_path_join(folder, path) : NULL;
    if (absolute != NULL)
        mr_path_normalise(absolute);
    free(folder);
    return absolute;
}

bool mr_path_is_same(const char *a, const char *b) {
    struct stat info_a, info_b;
    return stat(a, &info_a) == 0 && stat(b, &info_b) == 0 && info_a.st_dev == info_b.st_dev &&
           info_a.st_ino == info_b.st_ino;
}
