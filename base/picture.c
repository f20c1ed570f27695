// Pictures: memory, sizes, grids, PNG files; base/jpeg.c has the JPEG files.

#include "base/picture.h"

#include <math.h>
#include <png.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/path.h"
#include "base/picture_internal.h"

enum { MAX_NUMBERS = 1 << 28 }; // in a picture

static const unsigned char line_value = 255; // between the pictures of a grid

void mr_picture_free(mr_picture *picture) {
    free(picture->pixels);
    *picture = (mr_picture){0};
}

mr_status mr_picture_reshape(mr_picture *picture, size_t channels, size_t height, size_t width) {
    const size_t n = channels * height * width;
    if (n > picture->n_bytes) {
        unsigned char *pixels = malloc(n);
        if (pixels == NULL)
            return mr_fail_memory("a picture");
        free(picture->pixels);
        picture->pixels = pixels;
        picture->n_bytes = n;
    }
    picture->channels = channels;
    picture->height = height;
    picture->width = width;
    return MR_OK;
}

mr_status mr_picture_check_size(const char *path, size_t height, size_t width) {
    if (height > 0 && width > 0 && height <= MAX_NUMBERS / 3 / width)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT, "%s: is a picture of %zux%zu pixels; at most %d can be read", path,
                   width, height, MAX_NUMBERS / 3);
}

mr_status mr_picture_take_interleaved(const unsigned char *rows, mr_picture *out, size_t channels,
                                      size_t height, size_t width) {
    const size_t n = height * width;
    const mr_status status = mr_picture_reshape(out, channels, height, width);
    for (size_t i = 0; i < n && status == MR_OK; i++)
        for (size_t c = 0; c < channels; c++)
            out->pixels[c * n + i] = rows[i * channels + c];
    return status;
}

// ---- PNG

bool mr_picture_is_name(const char *path) {
    return mr_path_has_suffix(path, ".png") || mr_path_has_suffix(path, ".jpg") ||
           mr_path_has_suffix(path, ".jpeg");
}

// Begins to read a .png of n_bytes; png_image_free releases `image`.
static mr_status png_begin(const char *path, const char *bytes, size_t n_bytes, png_image *image) {
    *image = (png_image){.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(image, bytes, n_bytes))
        return mr_fail(MR_ERR_INPUT, "%s: is no whole .png (%s)", path, image->message);
    if (image->format & PNG_FORMAT_FLAG_LINEAR)
        return mr_fail(MR_ERR_INPUT, "%s: has 16 bits a channel; save it with 8", path);
    return mr_picture_check_size(path, image->height, image->width);
}

static mr_status png_probe(const char *path, const char *bytes, size_t n_bytes, mr_picture *out) {
    png_image image;
    const mr_status status = png_begin(path, bytes, n_bytes, &image);
    out->channels = image.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
    out->height = image.height;
    out->width = image.width;
    png_image_free(&image);
    return status;
}

static mr_status png_read(const char *path, const char *bytes, size_t n_bytes, mr_picture *out) {
    png_image image;
    unsigned char *rows = NULL;
    mr_status status = png_begin(path, bytes, n_bytes, &image);
    if (status != MR_OK)
        goto done;
    const size_t channels = image.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
    image.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    rows = malloc(PNG_IMAGE_SIZE(image));
    if (rows == NULL)
        status = mr_fail_memory(path);
    else if (!png_image_finish_read(&image, &(png_color){0}, rows, 0, NULL) ||
             PNG_IMAGE_FAILED(image))
        status = mr_fail(MR_ERR_INPUT, "%s: is no whole .png (%s)", path, image.message);
    else
        status = mr_picture_take_interleaved(rows, out, channels, image.height, image.width);
done:
    png_image_free(&image);
    free(rows);
    return status;
}

mr_status mr_picture_encode(const mr_picture *picture, unsigned char **bytes, size_t *n_bytes) {
    const size_t n = picture->height * picture->width, channels = picture->channels;
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)picture->width,
                       .height = (png_uint_32)picture->height,
                       .format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
    unsigned char *rows = malloc(n * channels), *out = malloc(PNG_IMAGE_PNG_SIZE_MAX(image));
    png_alloc_size_t n_written = PNG_IMAGE_PNG_SIZE_MAX(image);
    if (rows == NULL || out == NULL) {
        free(rows);
        free(out);
        return mr_fail_memory("a picture");
    }
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < channels; c++)
            rows[i * channels + c] = picture->pixels[c * n + i];
    const bool is_written = png_image_write_to_memory(&image, out, &n_written, 0, rows, 0, NULL);
    free(rows);
    if (!is_written) {
        free(out);
        return mr_fail(MR_ERR_MEMORY, "a picture cannot be encoded: %s", image.message);
    }
    *bytes = out;
    *n_bytes = n_written;
    return MR_OK;
}

mr_status mr_picture_write(const char *path, const mr_picture *picture) {
    unsigned char *bytes;
    size_t n_bytes;
    if (!mr_path_has_suffix(path, ".png"))
        return mr_fail(MR_ERR_USAGE, "%s: the name of a picture must end in .png", path);
    mr_status status = mr_picture_encode(picture, &bytes, &n_bytes);
    if (status != MR_OK)
        return status;
    status = mr_file_replace(path, 1, &(mr_bytes){bytes, n_bytes});
    free(bytes);
    return status;
}

// ---- Files of either format

typedef mr_status decoder(const char *path, const char *bytes, size_t n_bytes, mr_picture *out);

// Whatever the name says, the first bytes say it better.
static mr_status decode(const char *path, decoder *png, decoder *jpeg, mr_picture *out) {
    char *bytes;
    size_t n_bytes;
    mr_status status = mr_file_read(path, &bytes, &n_bytes);
    if (status != MR_OK)
        return status;
    if (n_bytes >= 2 && memcmp(bytes, "\xff\xd8", 2) == 0)
        status = jpeg(path, bytes, n_bytes, out);
    else if (n_bytes >= 4 && memcmp(bytes, "\x89PNG", 4) == 0)
        status = png(path, bytes, n_bytes, out);
    else
        status = mr_fail(MR_ERR_INPUT, "%s: is neither a PNG nor a JPEG file", path);
    free(bytes);
    return status;
}

mr_status mr_picture_probe(const char *path, mr_picture *out) {
    return decode(path, png_probe, mr_jpeg_probe, out);
}

mr_status mr_picture_read(const char *path, mr_picture *out) {
    return decode(path, png_read, mr_jpeg_read, out);
}

// ---- Sizes

mr_status mr_picture_colour(mr_picture *picture) {
    const size_t n = picture->height * picture->width;
    unsigned char *pixels = picture->channels == 1 ? malloc(3 * n) : NULL;
    if (picture->channels != 1)
        return MR_OK;
    if (pixels == NULL)
        return mr_fail_memory("a picture");
    for (size_t c = 0; c < 3; c++)
        memcpy(pixels + c * n, picture->pixels, n);
    free(picture->pixels);
    *picture = (mr_picture){3, picture->height, picture->width, pixels, 3 * n};
    return MR_OK;
}

/// A side of a picture, of which `length` from `start` on is mapped to n pixels.
typedef struct {
    double start, length;
    size_t n, n_from;
} side;

// How much of pixel k of the source pixel i of the result covers.
static double covered(const side *s, size_t i, size_t k) {
    const double low = s->start + s->length * (double)i / (double)s->n;
    const double high = s->start + s->length * (double)(i + 1) / (double)s->n;
    return fmax(fmin(high, (double)k + 1) - fmax(low, (double)k), 0);
}

static size_t first_covered(const side *s, size_t i) {
    const size_t first = (size_t)(s->start + s->length * (double)i / (double)s->n);
    return first < s->n_from ? first : s->n_from - 1;
}

static unsigned char mean_of_area(const unsigned char *plane, const side *rows, const side *columns,
                                  size_t i, size_t j) {
    double sum = 0, area = 0;
    for (size_t k = first_covered(rows, i); k < rows->n_from; k++) {
        const double of_row = covered(rows, i, k);
        if (of_row <= 0 && area > 0)
            break;
        for (size_t l = first_covered(columns, j); l < columns->n_from; l++) {
            const double weight = of_row * covered(columns, j, l);
            if (weight <= 0 && l > first_covered(columns, j) + 1)
                break;
            sum += weight * plane[k * columns->n_from + l];
            area += weight;
        }
    }
    return (unsigned char)lround(sum / area);
}

void mr_picture_resize(const mr_picture *from, size_t height, size_t width, unsigned char *out) {
    const double scale = fmin((double)from->height / (double)height,
                              (double)from->width / (double)width); // pixels of the source a pixel
    const double tall = scale * (double)height, wide = scale * (double)width;
    const side rows = {((double)from->height - tall) / 2, tall, height, from->height};
    const side columns = {((double)from->width - wide) / 2, wide, width, from->width};
    const size_t n_from = from->height * from->width, n = height * width;
    for (size_t c = 0; c < from->channels; c++)
        for (size_t i = 0; i < height; i++)
            for (size_t j = 0; j < width; j++)
                out[c * n + i * width + j] =
                    mean_of_area(from->pixels + c * n_from, &rows, &columns, i, j);
}

// Writes a row of pixels to the row `to`, each `scale` times.
static void copy_scaled(size_t width, size_t scale, const unsigned char *from, unsigned char *to) {
    for (size_t x = 0; x < width; x++)
        memset(to + x * scale, from[x], scale);
}

mr_status mr_picture_grid(size_t n, size_t channels, size_t height, size_t width,
                          const unsigned char *pixels, size_t columns, size_t scale,
                          mr_picture *out) {
    const size_t n_columns = columns > 0 ? columns : (size_t)ceil(sqrt((double)n));
    const size_t n_rows = (n + n_columns - 1) / n_columns;
    const size_t cell_height = height * scale + 1, cell_width = width * scale + 1; // with a line
    const mr_status status =
        mr_picture_reshape(out, channels, n_rows * cell_height - 1, n_columns * cell_width - 1);
    if (status != MR_OK)
        return status;
    memset(out->pixels, line_value, channels * out->height * out->width);
    for (size_t k = 0; k < n * channels; k++) { // one channel of one picture
        const size_t i = k / channels, c = k % channels;
        unsigned char *corner = out->pixels + c * out->height * out->width +
                                i / n_columns * cell_height * out->width +
                                i % n_columns * cell_width;
        for (size_t row = 0; row < height * scale; row++)
            copy_scaled(width, scale, pixels + (k * height + row / scale) * width,
                        corner + row * out->width);
    }
    return MR_OK;
}
