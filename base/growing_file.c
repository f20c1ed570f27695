// Files that are appended to in whole pieces.

#include "base/growing_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

struct mr_growing_file {
    char *path; // owned
    int file;
    off_t size; // all whole pieces
};

static mr_status open_with(const char *path, int flags, mr_growing_file **out) {
    mr_growing_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return mr_fail_memory("a file");
    f->path = strdup(path);
    if (f->path == NULL) {
        free(f);
        return mr_fail_memory("a file name");
    }
    f->file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0666);
    const int error = errno;
    if (f->file < 0) {
        mr_growing_file_close(f);
        errno = error;
        return MR_ERR_IO; // the caller knows the remedy
    }
    *out = f;
    return MR_OK;
}

mr_status mr_growing_file_create(const char *path, mr_growing_file **out) {
    const mr_status status = open_with(path, O_CREAT | O_EXCL, out);
    if (status == MR_ERR_IO)
        return mr_fail(status, "cannot write %s: %s", path, strerror(errno));
    return status;
}

mr_status mr_growing_file_open(const char *path, mr_growing_file **out) {
    struct stat info;
    const mr_status status = open_with(path, 0, out);
    if (status == MR_ERR_IO && errno == ENOENT)
        return mr_fail(MR_ERR_USAGE, "%s is not there; give the directory of a run to resume",
                       path);
    if (status == MR_ERR_IO)
        return mr_fail(status, "cannot write %s: %s; change the permissions", path,
                       strerror(errno));
    if (status == MR_OK && fstat((*out)->file, &info) == 0)
        (*out)->size = info.st_size;
    return status;
}

void mr_growing_file_close(mr_growing_file *f) {
    if (f == NULL)
        return;
    if (f->file >= 0)
        close(f->file);
    free(f->path);
    free(f);
}

const char *mr_growing_file_path(const mr_growing_file *f) {
    return f->path;
}

size_t mr_growing_file_size(const mr_growing_file *f) {
    return (size_t)f->size;
}

// Those who ask whether the file is locked hold it for an instant.
bool mr_growing_file_lock(const mr_growing_file *f) {
    static const struct timespec instant = {.tv_nsec = 10000000};
    enum { N_TRIES = 20 };
    for (int i = 0; i < N_TRIES; i++) {
        if (flock(f->file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            return true;
        nanosleep(&instant, NULL);
    }
    return false;
}

bool mr_growing_file_is_locked(const char *path) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const bool is_locked = file >= 0 && flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (file >= 0)
        close(file);
    return is_locked;
}

// A piece that a full disk has cut off is taken back.
mr_status mr_growing_file_append(mr_growing_file *f, const void *piece, size_t n_bytes) {
    if (mr_file_write_all(f->file, piece, n_bytes)) {
        f->size += (off_t)n_bytes;
        return MR_OK;
    }
    const int error = errno;
    const bool restored = ftruncate(f->file, f->size) == 0;
    return mr_fail(MR_ERR_IO, "cannot add to %s: %s; make room for it%s", f->path, strerror(error),
                   restored ? "" : " and remove its unfinished end");
}

mr_status mr_growing_file_sync(mr_growing_file *f) {
    if (fsync(f->file) != 0)
        return mr_fail(MR_ERR_IO, "cannot write %s: %s; check the disk", f->path, strerror(errno));
    return MR_OK;
}

mr_status mr_growing_file_cut(mr_growing_file *f, size_t n_bytes) {
    struct stat info;
    if (fstat(f->file, &info) != 0 || (size_t)info.st_size < n_bytes)
        return mr_fail(MR_ERR_INPUT,
                       "%s is shorter than when the checkpoint was written; put the file back as "
                       "it was",
                       f->path);
    if (ftruncate(f->file, (off_t)n_bytes) != 0)
        return mr_fail(MR_ERR_IO, "cannot cut %s: %s; check the disk", f->path, strerror(errno));
    f->size = (off_t)n_bytes;
    return MR_OK;
}
