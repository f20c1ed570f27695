// Sets of images: finds the source, brings the images to one size, and keeps them with their
// labels.

#include "base/images.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/images_internal.h"
#include "base/matrix_file.h"
#include "base/npy.h"
#include "base/path.h"

enum { NAME_SIZE = 32 };

static const char images_word[] = "images-idx3", labels_word[] = "labels-idx1"; // as MNIST's names

size_t mr_images_dim(const mr_images *images) {
    return images->channels * images->height * images->width;
}

void mr_images_drop_labels(mr_images *images) {
    for (size_t k = 0; k < images->n_classes && images->classes != NULL; k++)
        free(images->classes[k]);
    free(images->classes);
    free(images->label);
    images->classes = NULL;
    images->label = NULL;
    images->n_classes = 0;
}

void mr_images_free(mr_images *images) {
    if (images->pixels == NULL && images->n > 0)
        close(images->file);
    mr_images_drop_labels(images);
    free(images->pixels);
    free(images->skipped);
    *images = (mr_images){0};
}

// ---- Sources

// A data set is meant by its name alone: a file of that name comes first.
static const mr_image_data_set *named_set(const char *path) {
    return access(path, F_OK) != 0 ? mr_image_data_set_find(path) : NULL;
}

bool mr_images_is_source(const char *path) {
    return named_set(path) != NULL || mr_directory_is_there(path) || mr_picture_is_name(path) ||
           mr_cifar_is(path) || mr_image_array_is(path);
}

static mr_status open_source(const char *path, const mr_images_options *options,
                             mr_image_source **out) {
    if (mr_cifar_is(path))
        return mr_cifar_open(path, out);
    if (mr_directory_is_there(path) || mr_picture_is_name(path))
        return mr_image_folder_open(path, options->skips_bad, out);
    return mr_image_array_open(path, out);
}

// ---- Where the pixels go

/// Images on their way into memory or a temporary file.
typedef struct {
    size_t dim, n; // n: kept so far
    unsigned char *pixels;
    int file;               // -1: they go into memory
    unsigned char *resized; // [dim] owned
} storage;

static size_t max_bytes(const mr_images_options *options) {
    return options->max_bytes > 0 ? options->max_bytes : (size_t)MR_MAX_IMAGE_BYTES;
}

static mr_status begin_storage(const mr_images_options *options, size_t n, size_t dim,
                               storage *to) {
    size_t n_bytes;
    const bool is_large = __builtin_mul_overflow(n, dim, &n_bytes) || n_bytes > max_bytes(options);
    *to = (storage){.dim = dim, .file = -1};
    to->resized = malloc(dim);
    to->pixels = is_large ? NULL : malloc(n_bytes);
    if (to->resized == NULL || (to->pixels == NULL && !is_large))
        return mr_fail_memory("the images");
    return is_large ? mr_file_open_temporary("images that are larger than memory", &to->file)
                    : MR_OK;
}

static mr_status store(storage *to, const unsigned char *pixels) {
    if (to->file < 0)
        memcpy(to->pixels + to->n * to->dim, pixels, to->dim);
    else if (!mr_file_write_all(to->file, pixels, to->dim))
        return mr_fail(MR_ERR_IO, "cannot write the temporary file of images: %s", strerror(errno));
    to->n++;
    return MR_OK;
}

static void release_storage(storage *to) {
    free(to->resized);
    free(to->pixels);
    if (to->file >= 0)
        close(to->file);
}

// ---- Labels

static mr_status fail_label(const char *path, size_t i, double value) {
    return mr_fail(MR_ERR_INPUT, "%s: label %zu is %g; labels are whole numbers from 0", path,
                   i + 1, value);
}

// Labels of a file, as many as the source has images: [n], to be freed.
static mr_status read_labels(const char *path, size_t n_images, double **out) {
    mr_status status;
    mr_matrix table = {0};
    size_t n;
    if (mr_idx_is_labels(path)) {
        MR_TRY(mr_idx_labels_read(path, &n, &table.values));
    } else {
        MR_TRY(mr_matrix_read(path, &table));
        n = table.n_rows;
        if (table.n_cols != 1) {
            status = mr_fail(MR_ERR_INPUT, "%s: has %zu columns; labels are one column", path,
                             table.n_cols);
            goto done;
        }
    }
    if (n != n_images) {
        status = mr_fail(MR_ERR_INPUT, "%s: holds %zu labels for %zu images; give one for each",
                         path, n, n_images);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        if (!(table.values[i] >= 0 && table.values[i] <= 1e9 &&
              table.values[i] == floor(table.values[i]))) {
            status = fail_label(path, i, table.values[i]);
            goto done;
        }
    *out = table.values;
    table.values = NULL;
done:
    mr_matrix_free(&table);
    return status;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static mr_status name_classes(mr_images *images, size_t n, const char *const *names,
                              const double *values) {
    images->classes = calloc(n + 1, sizeof *images->classes);
    for (size_t k = 0; k < n && images->classes != NULL; k++) {
        char number[NAME_SIZE];
        snprintf(number, sizeof number, "%.0f", values != NULL ? values[k] : 0);
        images->classes[k] = strdup(names != NULL ? names[k] : number);
        if (images->classes[k] == NULL)
            return mr_fail_memory("the names of classes");
        images->n_classes++;
    }
    return images->classes != NULL ? MR_OK : mr_fail_memory("the names of classes");
}

// The classes are the values that occur, in ascending order: labels become their numbers.
static mr_status take_classes(const char *path, size_t n, double *labels, mr_images *images) {
    mr_status status = MR_OK;
    size_t n_values = 0;
    double *values = malloc(n * sizeof *values);
    if (values == NULL)
        return mr_fail_memory("the labels");
    memcpy(values, labels, n * sizeof *values);
    qsort(values, n, sizeof *values, by_value);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || values[i] != values[n_values - 1])
            values[n_values++] = values[i];
    if (n_values > MR_MAX_CLASSES)
        status = mr_fail(MR_ERR_INPUT, "%s: has %zu different labels; there may be %d classes",
                         path, n_values, MR_MAX_CLASSES);
    if (status == MR_OK)
        status = name_classes(images, n_values, NULL, values);
    for (size_t i = 0; i < n && status == MR_OK; i++) {
        const double *found = bsearch(&labels[i], values, n_values, sizeof *values, by_value);
        labels[i] = (double)(found - values);
    }
    free(values);
    return status;
}

// The path of the labels beside an IDX file of images, to be freed; NULL: there are none.
static char *labels_beside(const char *path) {
    const char *at = strstr(mr_path_name(path), images_word);
    char *labels = NULL;
    if (at == NULL || asprintf(&labels, "%.*s%s%s", (int)(at - path), path, labels_word,
                               at + strlen(images_word)) < 0)
        return NULL;
    if (access(labels, R_OK) != 0) {
        free(labels);
        return NULL;
    }
    return labels;
}

// Finds the labels in a file and the classes, whose names are those of the data set or source.
static mr_status find_labels(const char *path, const mr_image_data_set *set,
                             const mr_images_options *options, const mr_image_source *source,
                             double **labels, mr_images *images) {
    mr_status status = MR_OK;
    char *beside = options->labels == NULL ? labels_beside(path) : NULL;
    const char *file = options->labels != NULL ? options->labels : beside;
    if (file == NULL) {
        if (source->n_classes > 0)
            status = name_classes(images, source->n_classes, source->classes, NULL);
        goto done;
    }
    MR_TRY(read_labels(file, source->n, labels));
    MR_TRY(take_classes(file, source->n, *labels, images));
    const bool has_names =
        set != NULL && options->labels == NULL && images->n_classes == set->n_classes;
    for (size_t k = 0; has_names && k < set->n_classes; k++) {
        char *name = strdup(set->classes[k]);
        if (name == NULL) {
            status = mr_fail_memory("the names of classes");
            goto done;
        }
        free(images->classes[k]);
        images->classes[k] = name;
    }
done:
    free(beside);
    return status;
}

// ---- Reading

// Names the image of another size.
static mr_status fail_size(const mr_image_source *source, size_t i, const mr_picture *image,
                           const mr_images *images) {
    char name[512];
    source->name(source, i, sizeof name, name);
    return mr_fail(MR_ERR_INPUT,
                   "%s: has %zux%zu pixels, the first image %zux%zu; give --size WxH to bring all "
                   "to one size",
                   name, image->width, image->height, images->width, images->height);
}

static mr_status take_image(mr_image_source *source, size_t i, const mr_images_options *options,
                            storage *to, mr_images *images, size_t *label) {
    const mr_picture *image = NULL;
    const mr_status status = source->next(source, &image, label);
    if (status != MR_OK)
        return status;
    if (image->height == images->height && image->width == images->width)
        return store(to, image->pixels);
    if (options->height == 0)
        return fail_size(source, i, image, images);
    mr_picture_resize(image, images->height, images->width, to->resized);
    return store(to, to->resized);
}

// The first failure's message is kept; the others are counted.
static mr_status skip(mr_images *images) {
    if (images->skipped == NULL)
        images->skipped = strdup(mr_error_message());
    images->n_skipped++;
    return images->skipped != NULL ? MR_OK : mr_fail_memory("a message");
}

static mr_status take_images(mr_image_source *source, const mr_images_options *options,
                             const double *labels, storage *to, mr_images *images) {
    for (size_t i = 0; i < source->n; i++) {
        size_t label = 0;
        mr_status status = take_image(source, i, options, to, images, &label);
        if (status == MR_OK && images->label != NULL)
            images->label[to->n - 1] = labels != NULL ? (size_t)labels[i] : label;
        else if (status == MR_ERR_INPUT && options->skips_bad)
            status = skip(images);
        if (status != MR_OK)
            return status;
    }
    images->n = to->n;
    if (images->n == 0)
        return mr_fail(MR_ERR_INPUT, "no image is left; the first that was skipped: %s",
                       images->skipped);
    images->pixels = to->pixels;
    images->file = to->file;
    to->pixels = NULL;
    to->file = -1;
    return MR_OK;
}

// Whether images are to be left where they are: large, in a file that has them as they are used.
static bool stays(const mr_image_source *source, const mr_images_options *options,
                  const mr_images *images) {
    struct stat info;
    size_t n_bytes;
    return source->stored_in != NULL && source->height == images->height &&
           source->width == images->width && stat(source->stored_in, &info) == 0 &&
           !__builtin_mul_overflow(source->n, mr_images_dim(images), &n_bytes) &&
           n_bytes > max_bytes(options) && (size_t)info.st_size >= source->offset + n_bytes;
}

static mr_status leave_in_file(const mr_image_source *source, const double *labels,
                               mr_images *images) {
    size_t n_bytes;
    const mr_status status = mr_file_open(source->stored_in, &images->file, &n_bytes);
    if (status != MR_OK)
        return status;
    images->n = source->n;
    images->offset = source->offset;
    for (size_t i = 0; i < images->n && labels != NULL; i++)
        images->label[i] = (size_t)labels[i];
    return MR_OK;
}

static mr_status read_source(const char *path, const mr_image_data_set *set,
                             const mr_images_options *options, mr_image_source *source,
                             mr_images *images) {
    mr_status status;
    storage to = {.file = -1};
    double *labels = NULL;
    images->channels = source->channels;
    images->height = options->height > 0 ? options->height : source->height;
    images->width = options->width > 0 ? options->width : source->width;
    images->has_fractions = source->has_fractions;
    MR_TRY(find_labels(path, set, options, source, &labels, images));
    images->label = images->n_classes > 0 ? calloc(source->n, sizeof *images->label) : NULL;
    if (images->n_classes > 0 && images->label == NULL) {
        status = mr_fail_memory("the labels");
        goto done;
    }
    if (stays(source, options, images)) {
        status = leave_in_file(source, labels, images);
        goto done;
    }
    MR_TRY(begin_storage(options, source->n, mr_images_dim(images), &to));
    status = take_images(source, options, labels, &to, images);
done:
    release_storage(&to);
    free(labels);
    return status;
}

mr_status mr_images_open(const char *path, const mr_images_options *options, mr_images *out) {
    mr_status status;
    mr_image_source *source = NULL;
    mr_images images = {0};
    const mr_image_data_set *set = named_set(path);
    if (set != NULL && access(set->path, R_OK) != 0)
        return mr_fail(MR_ERR_IO, "%s is not installed: %s is missing; install Debian's package %s",
                       set->name, set->path, set->package);
    const char *file = set != NULL ? set->path : path;
    MR_TRY(open_source(file, options, &source));
    MR_TRY(read_source(file, set, options, source, &images));
    *out = images;
    images = (mr_images){0};
done:
    if (source != NULL)
        source->close(source);
    mr_images_free(&images);
    return status;
}

mr_status mr_images_get(const mr_images *images, size_t first, size_t n, unsigned char *out) {
    const size_t dim = mr_images_dim(images), n_bytes = n * dim;
    if (images->pixels != NULL) {
        memcpy(out, images->pixels + first * dim, n_bytes);
        return MR_OK;
    }
    for (size_t n_done = 0; n_done < n_bytes;) {
        const ssize_t n_read = pread(images->file, out + n_done, n_bytes - n_done,
                                     (off_t)(images->offset + first * dim + n_done));
        if (n_read < 0 && errno != EINTR)
            return mr_fail(MR_ERR_IO, "cannot read the file of images: %s; check the disk",
                           strerror(errno));
        if (n_read == 0)
            return mr_fail(MR_ERR_IO,
                           "the file of images was cut short while it was read; try again");
        n_done += n_read > 0 ? (size_t)n_read : 0;
    }
    return MR_OK;
}

// ---- Writing

mr_status mr_images_write(const char *path, size_t n, size_t channels, size_t height, size_t width,
                          const unsigned char *pixels) {
    mr_status status;
    const size_t n_pixels = height * width, dim = channels * n_pixels;
    mr_new_file *file = NULL;
    unsigned char *rows = malloc(dim);
    if (rows == NULL)
        return mr_fail_memory("the images");
    MR_TRY(mr_new_file_begin(path, &file));
    MR_TRY(mr_npy_write_header(file, "|u1", channels == 1 ? 3 : 4,
                               (size_t[]){n, height, width, channels}));
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < dim; k++)
            rows[k] = pixels[i * dim + k % channels * n_pixels + k / channels];
        MR_TRY(mr_new_file_write(file, rows, dim));
    }
    MR_TRY(mr_new_file_keep(file));
done:
    mr_new_file_close(file);
    free(rows);
    return status;
}
