// Videos as a folder of numbered PNG files.

#include <dirent.h>
#include <errno.h>
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/video/frame_writer.h"

typedef struct {
    char *folder;    // their folder; owned
    char *temporary; // their folder until all are written; owned
    png_image image;
    size_t n;    // frames written
    bool begun;  // the temporary folder exists
    char path[]; // of a frame
} frames;

static size_t path_size(const char *folder) {
    return strlen(folder) + 64;
}

static const char *frame_path(frames *f, size_t i) {
    snprintf(f->path, path_size(f->folder), "%s/frame_%06zu.png", f->temporary, i);
    return f->path;
}

static mr_status fail_folder(const frames *f, int error) {
    if (error == ENOTEMPTY || error == EEXIST || error == ENOTDIR)
        return mr_fail(MR_ERR_USAGE,
                       "--frames needs a new folder or an empty one; %s is something else",
                       f->folder);
    return mr_fail(MR_ERR_IO, "cannot make the folder %s: %s", f->folder, strerror(error));
}

// 0, or what is wrong with the folder as it is.
static int check_folder(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? 0 : errno;
    DIR *folder = S_ISDIR(info.st_mode) ? opendir(path) : NULL;
    if (folder == NULL)
        return S_ISDIR(info.st_mode) ? errno : ENOTDIR;
    size_t n = 0;
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n > 2 ? ENOTEMPTY : 0; // beside "." and ".."
}

static mr_status begin(frames *f) {
    const int error = check_folder(f->folder);
    if (error != 0)
        return fail_folder(f, error);
    if (mkdtemp(f->temporary) == NULL)
        return fail_folder(f, errno);
    f->begun = true;
    const mode_t mask = umask(0);
    umask(mask);
    chmod(f->temporary, 0777 & ~mask); // mkdtemp makes it private
    return MR_OK;
}

static void frames_close(void *self) {
    frames *f = self;
    if (f == NULL)
        return;
    for (size_t i = 0; f->begun && i < f->n; i++)
        unlink(frame_path(f, i));
    if (f->begun && f->temporary != NULL)
        rmdir(f->temporary);
    free(f->folder);
    free(f->temporary);
    free(f);
}

static mr_status frames_open(const char *path, const mr_frame_format *format, void **out) {
    mr_status status;
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    frames *f = calloc(1, sizeof *f + path_size(path));
    if (f == NULL)
        return mr_fail_memory("pictures");
    f->folder = strndup(path, length);
    if (f->folder == NULL || asprintf(&f->temporary, "%s.millrace-tmp-XXXXXX", f->folder) < 0) {
        f->temporary = NULL;
        status = mr_fail_memory("pictures");
        goto done;
    }
    f->image = (png_image){.version = PNG_IMAGE_VERSION,
                           .width = (png_uint_32)format->width,
                           .height = (png_uint_32)format->height,
                           .format = PNG_FORMAT_RGB};
    MR_TRY(begin(f));
    *out = f;
    f = NULL;
done:
    frames_close(f);
    return status;
}

static mr_status frames_add(void *self, const unsigned char *rgb) {
    frames *f = self;
    png_image image = f->image;
    if (png_image_write_to_file(&image, frame_path(f, f->n++), 0, rgb, 0, NULL))
        return MR_OK;
    return mr_fail(MR_ERR_IO, "cannot write a picture for %s: %s", f->folder, image.message);
}

static mr_status frames_keep(void *self) {
    frames *f = self;
    if (rename(f->temporary, f->folder) != 0)
        return fail_folder(f, errno);
    f->begun = false;
    return MR_OK;
}

const mr_frame_writer mr_png_writer = {
    .open = frames_open,
    .add = frames_add,
    .keep = frames_keep,
    .close = frames_close,
};
