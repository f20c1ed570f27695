// Whole files: atomic replacement, reading, directories.

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char temporary_suffix[] = ".millrace-tmp";

static const struct {
    int error;
    const char *text;
} remedies[] = {
    {ENOENT, "is the path right, and its folder there?"},
    {ENOTDIR, "a part of the path is a file; correct the path"},
    {EEXIST, "a file has this name; choose another"},
    {EACCES, "change the permissions or choose another place"},
    {EPERM, "change the permissions or choose another place"},
    {EROFS, "choose a place that can be written to"},
    {ENOSPC, "free some room or choose another disk"},
    {EDQUOT, "free some room or choose another disk"},
    {EFBIG, "raise the limit (ulimit -f) or choose another disk"},
    {EMFILE, "raise the limit on open files (ulimit -n)"},
    {ENAMETOOLONG, "choose a shorter name"},
    {EIO, "check the disk"},
};

// Names the path, the reason that is in errno, and what can be done.
static mr_status fail_system(const char *action, const char *path) {
    const int error = errno;
    const char *remedy = "check the path and the disk";
    for (size_t i = 0; i < MR_COUNT(remedies); i++)
        if (remedies[i].error == error)
            remedy = remedies[i].text;
    return mr_fail(MR_ERR_IO, "cannot %s %s: %s; %s", action, path, strerror(error), remedy);
}

static const char *kind_name(mode_t mode) {
    return S_ISDIR(mode) ? "a directory" : "a pipe, socket or device";
}

// Finds the file that `path` stands for behind symbolic links, and names the temporary one.
static mr_status name_files(const char *path, char **target, char **temporary) {
    *target = realpath(path, NULL);
    if (*target == NULL) // it does not exist; other errors are reported by opening it
        *target = strdup(path);
    if (*target == NULL || asprintf(temporary, "%s%s", *target, temporary_suffix) < 0) {
        *temporary = NULL;
        return mr_fail_memory("a file name");
    }
    return MR_OK;
}

// A rename would replace even /dev/null by an ordinary file.
static mr_status check_target(const char *path, const char *target) {
    struct stat info;
    const size_t length = strlen(path);
    if (stat(target, &info) == 0 && !S_ISREG(info.st_mode))
        return mr_fail(MR_ERR_IO, "cannot write %s: it is %s; give the name of a file", path,
                       kind_name(info.st_mode));
    if (length == 0 || path[length - 1] == '/')
        return mr_fail(MR_ERR_IO, "cannot write '%s': that is not the name of a file; give one",
                       path);
    return MR_OK;
}

// The process that held the lock before may have renamed or removed the file after it was opened
// here.
static bool is_still_named(int file, const char *name) {
    struct stat opened, named;
    return fstat(file, &opened) == 0 && stat(name, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

// The name is fixed, so that the file of a killed process is overwritten; the lock keeps others
// away.
static mr_status open_temporary(const char *path, const char *temporary, int *out) {
    const int file = open(temporary, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0)
        return fail_system("write", path);
    // File systems without locks report other errors, which are ignored.
    const bool is_locked = flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (is_locked || !is_still_named(file, temporary)) {
        close(file);
        return mr_fail(MR_ERR_IO,
                       "cannot write %s: another process is writing it; give each its own file",
                       path);
    }
    *out = file;
    return MR_OK;
}

static void keep_permissions(int file, const char *target) {
    struct stat info;
    if (stat(target, &info) == 0)
        fchmod(file, info.st_mode & 07777);
}

bool mr_file_write_all(int file, const void *bytes, size_t n_bytes) {
    size_t n_done = 0;
    while (n_done < n_bytes) {
        const ssize_t n = write(file, (const char *)bytes + n_done, n_bytes - n_done);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            n_done += (size_t)n;
    }
    return true;
}

// Makes the rename itself survive a power cut. Some file systems can't flush a folder (EINVAL), and
// a folder may be writable without being readable: neither is a failure.
static mr_status flush_folder(const char *path, char *target) {
    const int folder = open(dirname(target), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return MR_OK;
    mr_status status = MR_OK;
    if (fsync(folder) != 0 && errno != EINVAL)
        status = fail_system("flush to the disk the folder of the new", path);
    close(folder);
    return status;
}

struct mr_new_file {
    char *path, *target, *temporary; // owned
    int file;                        // the temporary one, locked; -1: not open, or renamed already
};

static mr_status begin(mr_new_file *new_file, const char *path) {
    mr_status status;
    new_file->path = strdup(path);
    if (new_file->path == NULL)
        return mr_fail_memory("a file name");
    MR_TRY(name_files(path, &new_file->target, &new_file->temporary));
    MR_TRY(check_target(path, new_file->target));
    MR_TRY(open_temporary(path, new_file->temporary, &new_file->file));
    keep_permissions(new_file->file, new_file->target);
    if (ftruncate(new_file->file, 0) != 0)
        status = fail_system("write", path);
done:
    return status;
}

mr_status mr_new_file_begin(const char *path, mr_new_file **out) {
    mr_status status;
    mr_new_file *new_file = calloc(1, sizeof *new_file);
    if (new_file == NULL)
        return mr_fail_memory("a file name");
    new_file->file = -1;
    MR_TRY(begin(new_file, path));
    *out = new_file;
    new_file = NULL;
done:
    mr_new_file_close(new_file);
    return status;
}

const char *mr_new_file_name(const mr_new_file *new_file) {
    return new_file->temporary;
}

mr_status mr_new_file_write(mr_new_file *new_file, const void *bytes, size_t n_bytes) {
    if (!mr_file_write_all(new_file->file, bytes, n_bytes))
        return fail_system("write", new_file->path);
    return MR_OK;
}

mr_status mr_new_file_keep(mr_new_file *new_file) {
    if (fsync(new_file->file) != 0 || rename(new_file->temporary, new_file->target) != 0)
        return fail_system("write", new_file->path);
    close(new_file->file); // unlocks, after the temporary name is free
    new_file->file = -1;
    return flush_folder(new_file->path, new_file->target);
}

void mr_new_file_close(mr_new_file *new_file) {
    if (new_file == NULL)
        return;
    if (new_file->temporary != NULL && new_file->file >= 0) {
        unlink(new_file->temporary);
        close(new_file->file);
    }
    free(new_file->path);
    free(new_file->target);
    free(new_file->temporary);
    free(new_file);
}

mr_status mr_file_replace(const char *path, size_t n_parts, const mr_bytes *parts) {
    mr_status status;
    mr_new_file *new_file = NULL;

    MR_TRY(mr_new_file_begin(path, &new_file));
    for (size_t i = 0; i < n_parts; i++)
        MR_TRY(mr_new_file_write(new_file, parts[i].data, parts[i].n_bytes));
    MR_TRY(mr_new_file_keep(new_file));
done:
    mr_new_file_close(new_file);
    return status;
}

// ---- Whether a file could be written

// Creates a file without a name, which disappears when it is closed: unlike permissions, this
// detects a disk that is full or read-only. Not all file systems have such files.
static bool can_write_in(const char *folder) {
    const int file = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0)
        return (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) &&
               access(folder, W_OK | X_OK) == 0;
    const bool is_written = mr_file_write_all(file, "", 1);
    const int error = errno;
    close(file);
    errno = error;
    return is_written;
}

mr_status mr_file_check_writable(const char *path) {
    mr_status status;
    char *target = NULL, *temporary = NULL;
    MR_TRY(name_files(path, &target, &temporary));
    MR_TRY(check_target(path, target));
    if (!can_write_in(dirname(target)))
        status = fail_system("write", path);
done:
    free(target);
    free(temporary);
    return status;
}

mr_status mr_directory_check_writable(const char *path) {
    struct stat info;
    mr_status status = MR_OK;
    char *copy = strdup(path), *part = copy;
    if (copy == NULL)
        return mr_fail_memory("a file name");
    // The part of the path that exists already.
    while (stat(part, &info) != 0 && errno == ENOENT && strcmp(part, ".") != 0 &&
           strcmp(part, "/") != 0)
        part = dirname(part);
    if (path[0] == '\0')
        status =
            mr_fail(MR_ERR_IO, "cannot write to '': it is not the name of a directory; give one");
    else if (!can_write_in(part))
        status = fail_system("write to the directory", path);
    free(copy);
    return status;
}

// ---- Reading

mr_status mr_file_open(const char *path, int *out, size_t *n_bytes) {
    struct stat info;
    // O_NONBLOCK: does not wait for a pipe without a writer, which is refused.
    const int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return fail_system("read", path);
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(file);
        return mr_fail(MR_ERR_IO, "cannot read %s: it is %s; give the name of a file", path,
                       kind_name(info.st_mode));
    }
    *out = file;
    *n_bytes = (size_t)info.st_size;
    return MR_OK;
}

mr_status mr_file_open_temporary(const char *purpose, int *out) {
    const char *folder = getenv("TMPDIR");
    char *name = NULL;
    if (folder == NULL || folder[0] == '\0')
        folder = "/var/tmp"; // /tmp may be in memory
    if (asprintf(&name, "%s/millrace-XXXXXX", folder) < 0)
        return mr_fail_memory("a file name");
    const int file = mkostemp(name, O_CLOEXEC);
    if (file < 0) {
        const mr_status status =
            mr_fail(MR_ERR_IO,
                    "cannot make a temporary file for %s in %s: %s; set TMPDIR to a folder on a "
                    "disk with room",
                    purpose, folder, strerror(errno));
        free(name);
        return status;
    }
    unlink(name);
    free(name);
    *out = file;
    return MR_OK;
}

static mr_status read_bytes(const char *path, int file, size_t n_bytes, char *out) {
    size_t n_done = 0;
    while (n_done < n_bytes) {
        const ssize_t n = read(file, out + n_done, n_bytes - n_done);
        if (n < 0 && errno != EINTR)
            return fail_system("read", path);
        if (n == 0)
            return mr_fail(MR_ERR_IO, "%s was cut short while it was read; try again", path);
        if (n > 0)
            n_done += (size_t)n;
    }
    return MR_OK;
}

mr_status mr_file_read(const char *path, char **out, size_t *n_bytes) {
    mr_status status;
    int file = -1;
    size_t n = 0;
    char *bytes = NULL;

    MR_TRY(mr_file_open(path, &file, &n));
    bytes = malloc(n + 1);
    if (bytes == NULL) {
        status = mr_fail_memory(path);
        goto done;
    }
    MR_TRY(read_bytes(path, file, n, bytes));
    bytes[n] = '\0';
    *out = bytes;
    *n_bytes = n;
    bytes = NULL;
done:
    free(bytes);
    if (file >= 0)
        close(file);
    return status;
}

static mr_status make_directory(const char *path) {
    struct stat info;
    if (mkdir(path, 0777) == 0)
        return MR_OK;
    const int error = errno;
    // Not only EEXIST: without write permission, the system may report another error.
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return MR_OK;
    errno = error;
    return fail_system("make the directory", path);
}

bool mr_file_is_there(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool mr_directory_is_there(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

mr_status mr_make_directories(const char *path) {
    mr_status status;
    char *part = strdup(path);
    if (part == NULL)
        return mr_fail_memory("a file name");
    char *slash = strchr(part + strspn(part, "/"), '/');
    for (; slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        MR_TRY(make_directory(part));
        *slash = '/';
    }
    status = make_directory(part);
done:
    free(part);
    return status;
}
