// A folder of pictures, perhaps in sub-folders that are their classes; or one picture.

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/images_internal.h"
#include "base/json_memory.h"
#include "base/path.h"

typedef struct {
    char *path;
    size_t class;
} picture_file;

typedef struct {
    mr_image_source source;
    size_t n_files, capacity;
    picture_file *file; // [n_files] owned
    char **classes;     // [source.n_classes] owned: the names of the sub-folders
    size_t i;           // the next
    mr_picture picture;
} folder;

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name); // alphasort depends on the locale
}

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

// Takes over `path`.
static mr_status add_file(folder *f, char *path, size_t class) {
    if (path != NULL && f->n_files == f->capacity) {
        const size_t capacity = f->capacity > 0 ? 2 * f->capacity : 64;
        picture_file *grown = realloc(f->file, capacity * sizeof *grown);
        if (grown == NULL) {
            free(path);
            return mr_fail_memory("the names of pictures");
        }
        f->file = grown;
        f->capacity = capacity;
    }
    if (path == NULL)
        return mr_fail_memory("the names of pictures");
    f->file[f->n_files++] = (picture_file){path, class};
    return MR_OK;
}

static mr_status add_class(folder *f, const char *name) {
    if (f->source.n_classes == MR_MAX_CLASSES)
        return mr_fail(MR_ERR_INPUT, "%s is the sub-folder number %d; there may be %d classes",
                       name, MR_MAX_CLASSES + 1, MR_MAX_CLASSES);
    bool is_utf8;
    const mr_status status = mr_json_check_utf8(name, &is_utf8);
    if (status != MR_OK)
        return status;
    if (!is_utf8)
        return mr_fail(MR_ERR_INPUT,
                       "%s: the name of this sub-folder is a class, and must be UTF-8; rename it",
                       name);
    char **grown = realloc(f->classes, (f->source.n_classes + 1) * sizeof *grown);
    if (grown == NULL)
        return mr_fail_memory("the names of classes");
    f->classes = grown;
    f->classes[f->source.n_classes] = strdup(name);
    if (f->classes[f->source.n_classes] == NULL)
        return mr_fail_memory("the names of classes");
    f->source.n_classes++;
    return MR_OK;
}

static mr_status list_folder(folder *f, const char *path, bool is_inner);

// An entry of a folder: a picture, or a sub-folder, of which one with pictures is a class.
static mr_status add_entry(folder *f, const char *parent, const char *name, bool is_inner) {
    char *path = mr_path_join(parent, name);
    if (path == NULL)
        return mr_fail_memory("the names of pictures");
    if (mr_picture_is_name(name))
        return add_file(f, path, f->source.n_classes - (is_inner ? 1 : 0));
    mr_status status = MR_OK;
    if (!is_inner && mr_directory_is_there(path)) {
        const size_t n_before = f->n_files;
        status = add_class(f, name);
        if (status == MR_OK)
            status = list_folder(f, path, true);
        if (status == MR_OK && f->n_files == n_before)
            free(f->classes[--f->source.n_classes]);
    }
    free(path);
    return status;
}

static mr_status list_folder(folder *f, const char *path, bool is_inner) {
    mr_status status = MR_OK;
    struct dirent **entries;
    const int n = scandir(path, &entries, is_shown, by_bytes);
    if (n < 0)
        return mr_fail(MR_ERR_IO, "cannot read the folder %s: %s", path, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (status == MR_OK)
            status = add_entry(f, path, entries[i]->d_name, is_inner);
        free(entries[i]);
    }
    free(entries);
    return status;
}

// Whether all pictures are in sub-folders, or none.
static mr_status check_folder(const folder *f, const char *path) {
    if (f->n_files == 0)
        return mr_fail(MR_ERR_INPUT, "%s: holds no .png or .jpg files, neither do its sub-folders",
                       path);
    for (size_t i = 0; i < f->n_files && f->source.n_classes > 0; i++) {
        char *parent = mr_path_folder(f->file[i].path);
        const bool is_outer = parent != NULL && mr_path_is_same(parent, path);
        free(parent);
        if (is_outer)
            return mr_fail(MR_ERR_INPUT,
                           "%s: has pictures (%s) beside sub-folders of pictures; move them into a "
                           "sub-folder, which is their class, or away",
                           path, mr_path_name(f->file[i].path));
    }
    return MR_OK;
}

// Finds the size of the first picture, and whether any is in colour. Pictures that cannot be read
// are reported when their turn comes, if others can.
static mr_status find_shape(folder *f, bool skips_bad) {
    mr_status first_failure = MR_OK;
    bool is_found = false;
    f->source.channels = 1;
    for (size_t i = 0; i < f->n_files; i++) {
        mr_picture shape = {0};
        const mr_status status = mr_picture_probe(f->file[i].path, &shape);
        if (status != MR_OK && (!skips_bad || status != MR_ERR_INPUT))
            return status;
        if (status != MR_OK) {
            first_failure = status;
            continue;
        }
        if (!is_found) {
            f->source.height = shape.height;
            f->source.width = shape.width;
        }
        is_found = true;
        f->source.channels =
            shape.channels > f->source.channels ? shape.channels : f->source.channels;
    }
    return is_found ? MR_OK : first_failure;
}

static void folder_name(const mr_image_source *source, size_t i, size_t size, char *text) {
    snprintf(text, size, "%s", ((const folder *)source)->file[i].path);
}

static mr_status folder_next(mr_image_source *source, const mr_picture **image, size_t *label) {
    mr_status status;
    folder *f = (folder *)source;
    const picture_file *file = &f->file[f->i++];
    *label = file->class;
    MR_TRY(mr_picture_read(file->path, &f->picture));
    if (source->channels == 3)
        MR_TRY(mr_picture_colour(&f->picture));
    *image = &f->picture;
done:
    return status;
}

static void folder_close(mr_image_source *source) {
    folder *f = (folder *)source;
    for (size_t i = 0; i < f->n_files; i++)
        free(f->file[i].path);
    for (size_t k = 0; k < source->n_classes; k++)
        free(f->classes[k]);
    free(f->file);
    free(f->classes);
    mr_picture_free(&f->picture);
    free(f);
}

mr_status mr_image_folder_open(const char *path, bool skips_bad, mr_image_source **out) {
    mr_status status;
    folder *f = calloc(1, sizeof *f);
    if (f == NULL)
        return mr_fail_memory(path);
    f->source = (mr_image_source){.next = folder_next, .name = folder_name, .close = folder_close};
    if (mr_directory_is_there(path)) {
        MR_TRY(list_folder(f, path, false));
        MR_TRY(check_folder(f, path));
    } else {
        MR_TRY(add_file(f, strdup(path), 0));
    }
    MR_TRY(find_shape(f, skips_bad));
    f->source.n = f->n_files;
    f->source.classes = (const char *const *)f->classes;
    *out = &f->source;
    f = NULL;
done:
    if (f != NULL)
        folder_close(&f->source);
    return status;
}
