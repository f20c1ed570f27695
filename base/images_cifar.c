// CIFAR-10's binary form: records of a label and an image of 32x32 pixels in three channels.
// Source: https://www.cs.toronto.edu/~kriz/cifar.html

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/byte_stream.h"
#include "base/images_internal.h"
#include "base/path.h"

enum {
    SIDE = 32,
    CHANNELS = 3,
    N_NUMBERS = CHANNELS * SIDE * SIDE,
    RECORD = 1 + N_NUMBERS,
    N_BATCHES = 5,
};

static const char *const classes[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                      "dog",      "frog",       "horse", "ship", "truck"};

typedef struct {
    mr_image_source source;
    size_t n_files;
    char *path[N_BATCHES]; // owned
    size_t n_in[N_BATCHES];
    size_t file, i;         // the next image is number i of a file
    mr_byte_stream *stream; // owned
    unsigned char record[RECORD];
    mr_picture picture; // borrows its pixels from `record`
} cifar;

// Whether a file may hold images, by its name.
static bool is_batch(const char *path) {
    struct stat info;
    return mr_path_has_suffix(path, ".bin") && stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

// The path of a batch in a folder, to be freed.
static char *batch_path(const char *folder, size_t k) {
    char name[48];
    snprintf(name, sizeof name, "data_batch_%zu.bin", k + 1);
    return mr_path_join(folder, name);
}

bool mr_cifar_is(const char *path) {
    char *batch = batch_path(path, 0);
    const bool is_cifar = is_batch(path) || (batch != NULL && is_batch(batch));
    free(batch);
    return is_cifar;
}

static void cifar_name(const mr_image_source *source, size_t i, size_t size, char *text) {
    const cifar *s = (const cifar *)source;
    size_t k = 0;
    for (; k + 1 < s->n_files && i >= s->n_in[k]; k++)
        i -= s->n_in[k];
    snprintf(text, size, "%s: image %zu", s->path[k], i + 1);
}

static mr_status cifar_next(mr_image_source *source, const mr_picture **image, size_t *label) {
    mr_status status;
    cifar *s = (cifar *)source;
    size_t n_read;
    if (s->i == s->n_in[s->file]) {
        s->i = 0;
        s->file++;
        mr_byte_stream_close(s->stream);
        s->stream = NULL;
    }
    if (s->stream == NULL)
        MR_TRY(mr_byte_stream_open(s->path[s->file], &s->stream));
    MR_TRY(mr_byte_stream_read(s->stream, RECORD, s->record, &n_read));
    s->i++;
    if (n_read < RECORD)
        return mr_fail(MR_ERR_IO, "%s was cut short while it was read; try again",
                       s->path[s->file]);
    if (s->record[0] >= MR_COUNT(classes))
        return mr_fail(MR_ERR_INPUT, "%s: image %zu has the label %d; CIFAR-10's are 0 to %zu",
                       s->path[s->file], s->i, s->record[0], MR_COUNT(classes) - 1);
    *label = s->record[0];
    *image = &s->picture;
done:
    return status;
}

static void cifar_close(mr_image_source *source) {
    cifar *s = (cifar *)source;
    mr_byte_stream_close(s->stream);
    for (size_t k = 0; k < s->n_files; k++)
        free(s->path[k]);
    free(s);
}

// Takes over `path`.
static mr_status add_file(cifar *s, char *path) {
    struct stat info;
    if (path == NULL)
        return mr_fail_memory("a file name");
    s->path[s->n_files++] = path;
    if (stat(path, &info) != 0)
        return mr_fail(MR_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    const size_t n_bytes = (size_t)info.st_size, n = n_bytes / RECORD;
    if (n == 0 || n_bytes % RECORD != 0)
        return mr_fail(
            MR_ERR_INPUT,
            "%s: its %zu bytes are no whole images of CIFAR-10 (%d bytes each); copy the "
            "file again",
            path, n_bytes, RECORD);
    s->n_in[s->n_files - 1] = n;
    s->source.n += n;
    return MR_OK;
}

// The batches of a folder, up to the last that is there: one that is missing between is a failure.
static mr_status add_folder(cifar *s, const char *path) {
    size_t n = 0;
    for (size_t k = 0; k < N_BATCHES; k++) {
        char *batch = batch_path(path, k);
        if (batch == NULL)
            return mr_fail_memory("a file name");
        n = is_batch(batch) ? k + 1 : n;
        free(batch);
    }
    for (size_t k = 0; k < n; k++) {
        const mr_status status = add_file(s, batch_path(path, k));
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

mr_status mr_cifar_open(const char *path, mr_image_source **out) {
    cifar *s = calloc(1, sizeof *s);
    if (s == NULL)
        return mr_fail_memory(path);
    s->source = (mr_image_source){.channels = CHANNELS,
                                  .height = SIDE,
                                  .width = SIDE,
                                  .next = cifar_next,
                                  .name = cifar_name,
                                  .close = cifar_close,
                                  .classes = classes,
                                  .n_classes = MR_COUNT(classes)};
    s->picture = (mr_picture){CHANNELS, SIDE, SIDE, s->record + 1, N_NUMBERS};
    const mr_status status = is_batch(path) ? add_file(s, strdup(path)) : add_folder(s, path);
    if (status == MR_OK)
        *out = &s->source;
    else
        cifar_close(&s->source);
    return status;
}
