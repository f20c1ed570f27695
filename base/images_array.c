// Images in arrays of numbers: .npy, and IDX, the format of MNIST
// (http://yann.lecun.com/exdb/mnist): two zeros, a byte for the type of number, one for the number
// of sizes; the sizes, four bytes each, and the numbers, most significant byte first.

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/byte_stream.h"
#include "base/images_internal.h"
#include "base/npy.h"

enum {
    MAX_DIMS = 4,
    MAX_NUMBERS = 1 << 20, // in an image: a density's features
    WORD_SIZE = 4,
    LABELS_AT_ONCE = 1 << 16,
};

// The types of IDX by their codes, under NumPy's names.
static const struct {
    unsigned char code;
    const char *name;
} idx_types[] = {{0x08, "u1"}, {0x09, "i1"}, {0x0b, "i2"},
                 {0x0c, "i4"}, {0x0d, "f4"}, {0x0e, "f8"}};

/// What an array is, whatever the format.
typedef struct {
    mr_number_format format;
    size_t n_dims, shape[MAX_DIMS];
    size_t offset; // of its numbers
} array;

typedef struct {
    mr_image_source source;
    char *path; // owned
    array array;
    mr_byte_stream *stream; // owned
    unsigned char *bytes;   // of an image in the file; owned
    mr_picture picture;     // owned
    size_t i;               // the next
} array_source;

// ---- Headers

static mr_status fail_short(const char *path) {
    return mr_fail(MR_ERR_INPUT, "%s: ends within its header; copy it again", path);
}

static mr_status read_idx_header(const char *path, const unsigned char *bytes, size_t n_bytes,
                                 array *out) {
    const char *type = NULL;
    if (n_bytes < WORD_SIZE)
        return fail_short(path);
    for (size_t i = 0; i < MR_COUNT(idx_types); i++)
        if (idx_types[i].code == bytes[2])
            type = idx_types[i].name;
    if (type == NULL)
        return mr_fail(MR_ERR_INPUT,
                       "%s: holds numbers of an unknown type, 0x%02x; is it an IDX "
                       "file?",
                       path, bytes[2]);
    out->format = (mr_number_format){mr_number_type_find(type), true};
    out->n_dims = bytes[3];
    out->offset = WORD_SIZE * (1 + out->n_dims);
    if (n_bytes < out->offset)
        return fail_short(path);
    for (size_t i = 0; i < out->n_dims && i < MAX_DIMS; i++) {
        const unsigned char *at = bytes + WORD_SIZE * (1 + i);
        out->shape[i] = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    }
    return MR_OK;
}

static mr_status read_npy_header(const char *path, const unsigned char *bytes, size_t n_bytes,
                                 array *out) {
    mr_npy_header h;
    const mr_status status = mr_npy_read_header(path, (const char *)bytes, n_bytes, &h);
    if (status != MR_OK)
        return status;
    if (h.is_by_columns && h.n_dims > 1)
        return mr_fail(MR_ERR_INPUT,
                       "%s: its first index runs fastest (Fortran's order); save "
                       "numpy.ascontiguousarray of it",
                       path);
    *out = (array){.format = h.format, .n_dims = h.n_dims, .offset = h.offset};
    memcpy(out->shape, h.shape, sizeof out->shape);
    return MR_OK;
}

static bool is_idx(const unsigned char *bytes, size_t n_bytes) {
    return n_bytes >= WORD_SIZE && bytes[0] == 0 && bytes[1] == 0 && bytes[2] >= 0x08 &&
           bytes[2] <= 0x0e && bytes[3] >= 1 && bytes[3] <= MAX_DIMS;
}

static bool is_npy(const unsigned char *bytes, size_t n_bytes) {
    return n_bytes >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0;
}

// Opens a file and reads its header; the stream stands at its first number.
static mr_status open_array(const char *path, array *out, mr_byte_stream **stream) {
    mr_status status;
    unsigned char head[MR_NPY_MAX_HEADER];
    size_t n_read;
    mr_byte_stream *opened = NULL;
    MR_TRY(mr_byte_stream_open(path, &opened));
    MR_TRY(mr_byte_stream_read(opened, sizeof head, head, &n_read));
    if (is_npy(head, n_read))
        MR_TRY(read_npy_header(path, head, n_read, out));
    else if (is_idx(head, n_read))
        MR_TRY(read_idx_header(path, head, n_read, out));
    else {
        status = mr_fail(MR_ERR_INPUT, "%s: is neither a .npy nor an IDX file", path);
        goto done;
    }
    mr_byte_stream_close(opened); // and again from its beginning
    opened = NULL;
    MR_TRY(mr_byte_stream_open(path, &opened));
    MR_TRY(mr_byte_stream_read(opened, out->offset, head, &n_read));
    *stream = opened;
    opened = NULL;
done:
    mr_byte_stream_close(opened);
    return status;
}

static bool find_array(const char *path, array *out) {
    mr_byte_stream *stream = NULL;
    *out = (array){0};
    const bool is_found = open_array(path, out, &stream) == MR_OK;
    mr_byte_stream_close(stream);
    return is_found;
}

bool mr_image_array_is(const char *path) {
    array a;
    return find_array(path, &a) && (a.n_dims == 3 || a.n_dims == 4);
}

bool mr_idx_is_labels(const char *path) {
    const char *dot = strrchr(path, '.');
    array a;
    return (dot == NULL || strcasecmp(dot, ".npy") != 0) && find_array(path, &a) && a.n_dims == 1;
}

// ---- Numbers as pixels

static bool is_real(const mr_number_type *type) {
    return type->name[0] == 'f';
}

static bool is_byte(const mr_number_type *type) {
    return type->size == 1 && type->name[0] == 'u';
}

static mr_status fail_pixel(const array_source *s, size_t k, double value) {
    const size_t channels = s->source.channels, pixel = k / channels;
    char name[512];
    s->source.name(&s->source, s->i - 1, sizeof name, name);
    return mr_fail(MR_ERR_INPUT, "%s: row %zu, column %zu is %g; pixels are %s", name,
                   pixel / s->source.width + 1, pixel % s->source.width + 1, value,
                   is_real(s->array.format.type)
                       ? "numbers from 0 to 1, or whole numbers from 0 to 255 of an integer type"
                       : "whole numbers from 0 to 255 (8 bits)");
}

// Number k of the image in the file as 8 bits.
static mr_status take_pixel(const array_source *s, size_t k, unsigned char *out) {
    double value;
    const mr_number_format format = s->array.format;
    if (is_byte(format.type)) {
        *out = s->bytes[k];
        return MR_OK;
    }
    const bool is_truth = format.type->name[0] == 'b', has_fractions = is_real(format.type);
    mr_numbers_decode(format, s->bytes + k * format.type->size, format.type->size, 1, &value, 1);
    if (!(value >= 0 && value <= (has_fractions ? 1 : 255)))
        return fail_pixel(s, k, value);
    const double scale = has_fractions || is_truth ? 255 : 1;
    *out = (unsigned char)lround(scale * value);
    return MR_OK;
}

static mr_status array_next(mr_image_source *source, const mr_picture **image, size_t *label) {
    array_source *s = (array_source *)source;
    const size_t n = source->height * source->width, channels = source->channels;
    const size_t n_bytes = n * channels * s->array.format.type->size;
    size_t n_read;
    mr_status status = mr_byte_stream_read(s->stream, n_bytes, s->bytes, &n_read);
    (void)label; // of a file of their own
    s->i++;
    if (status == MR_ERR_INPUT || (status == MR_OK && n_read < n_bytes))
        return mr_fail(MR_ERR_IO, "%s: ends in image %zu of %zu; copy or save it again", s->path,
                       s->i, source->n);
    for (size_t i = 0; i < n && status == MR_OK; i++)
        for (size_t c = 0; c < channels && status == MR_OK; c++)
            status = take_pixel(s, i * channels + c, &s->picture.pixels[c * n + i]);
    *image = &s->picture;
    return status;
}

static void array_name(const mr_image_source *source, size_t i, size_t size, char *text) {
    snprintf(text, size, "%s: image %zu", ((const array_source *)source)->path, i + 1);
}

static void array_close(mr_image_source *source) {
    array_source *s = (array_source *)source;
    mr_byte_stream_close(s->stream);
    mr_picture_free(&s->picture);
    free(s->bytes);
    free(s->path);
    free(s);
}

static mr_status check_shape(const char *path, const array *a) {
    const size_t channels = a->n_dims == 4 ? a->shape[3] : 1;
    if (a->n_dims != 3 && a->n_dims != 4)
        return mr_fail(MR_ERR_INPUT,
                       "%s: has %zu dimensions; images are [n, height, width] or [n, height, "
                       "width, channels]",
                       path, a->n_dims);
    if (channels != 1 && channels != 3)
        return mr_fail(MR_ERR_INPUT, "%s: its images have %zu channels; they may have 1 or 3", path,
                       channels);
    if (a->shape[0] == 0)
        return mr_fail(MR_ERR_INPUT, "%s: holds no images", path);
    if (a->shape[1] < 1 || a->shape[2] < 1 || a->shape[1] > MAX_NUMBERS / 3 / a->shape[2])
        return mr_fail(MR_ERR_INPUT, "%s: its images have %zux%zu pixels; they may have 1 to %d",
                       path, a->shape[2], a->shape[1], MAX_NUMBERS / 3);
    return MR_OK;
}

// An IDX file, 1 byte a pixel and one channel, is as mr_images has it, unless it is gzipped.
static bool is_as_used(const array *a, const mr_byte_stream *stream) {
    return is_byte(a->format.type) && !mr_byte_stream_is_gzip(stream) &&
           (a->n_dims == 3 || a->shape[3] == 1);
}

mr_status mr_image_array_open(const char *path, mr_image_source **out) {
    mr_status status;
    array_source *s = calloc(1, sizeof *s);
    if (s == NULL)
        return mr_fail_memory(path);
    s->path = strdup(path);
    if (s->path == NULL) {
        status = mr_fail_memory(path);
        goto done;
    }
    MR_TRY(open_array(path, &s->array, &s->stream));
    MR_TRY(check_shape(path, &s->array));
    const array *a = &s->array;
    const size_t channels = a->n_dims == 4 ? a->shape[3] : 1;
    s->source = (mr_image_source){.n = a->shape[0],
                                  .channels = channels,
                                  .height = a->shape[1],
                                  .width = a->shape[2],
                                  .has_fractions = is_real(a->format.type),
                                  .next = array_next,
                                  .name = array_name,
                                  .close = array_close,
                                  .stored_in = is_as_used(a, s->stream) ? s->path : NULL,
                                  .offset = a->offset};
    s->bytes = malloc(a->shape[1] * a->shape[2] * channels * a->format.type->size);
    if (s->bytes == NULL) {
        status = mr_fail_memory(path);
        goto done;
    }
    MR_TRY(mr_picture_reshape(&s->picture, channels, a->shape[1], a->shape[2]));
    *out = &s->source;
    s = NULL;
done:
    if (s != NULL)
        array_close(&s->source);
    return status;
}

// ---- Labels

// The next labels of an array, at most LABELS_AT_ONCE, after n of them.
static mr_status read_some(const char *path, const array *a, mr_byte_stream *stream, size_t n,
                           unsigned char *bytes, double **values, size_t *n_more) {
    const size_t size = a->format.type->size, n_left = a->shape[0] - n;
    const size_t n_wanted = n_left < LABELS_AT_ONCE ? n_left : LABELS_AT_ONCE;
    size_t n_read;
    const mr_status status = mr_byte_stream_read(stream, n_wanted * size, bytes, &n_read);
    if (status != MR_OK)
        return status;
    if (n_read < n_wanted * size)
        return mr_fail(MR_ERR_INPUT, "%s: ends after %zu of %zu labels; copy it again", path,
                       n + n_read / size, a->shape[0]);
    double *grown = realloc(*values, (n + n_wanted + 1) * sizeof *grown);
    if (grown == NULL)
        return mr_fail_memory(path);
    *values = grown;
    mr_numbers_decode(a->format, bytes, size, n_wanted, grown + n, 1);
    *n_more = n_wanted;
    return MR_OK;
}

mr_status mr_idx_labels_read(const char *path, size_t *n, double **values) {
    mr_status status;
    array a = {0};
    mr_byte_stream *stream = NULL;
    unsigned char *bytes = NULL;
    double *numbers = NULL;
    size_t n_done = 0, n_more = 0;
    MR_TRY(open_array(path, &a, &stream));
    bytes = malloc(LABELS_AT_ONCE * a.format.type->size);
    if (bytes == NULL) {
        status = mr_fail_memory(path);
        goto done;
    }
    do {
        MR_TRY(read_some(path, &a, stream, n_done, bytes, &numbers, &n_more));
        n_done += n_more;
    } while (n_more > 0);
    *n = n_done;
    *values = numbers;
    numbers = NULL;
done:
    mr_byte_stream_close(stream);
    free(bytes);
    free(numbers);
    return status;
}
