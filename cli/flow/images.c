// Images on the command line: reading, drawing and writing them.

#include "cli/flow/images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/nearest.h"
#include "base/path.h"

// ---- Reading

mr_status mr_image_size_read(const char *text, size_t *height, size_t *width) {
    enum { MAX_SIDE = 4096 };
    char *end = NULL;
    *height = *width = 0;
    if (text[0] == '\0')
        return MR_OK;
    const unsigned long w = strtoul(text, &end, 10);
    const unsigned long h = *end == 'x' ? strtoul(end + 1, &end, 10) : 0;
    if (strspn(text, "0123456789x") < strlen(text) || *end != '\0' || w < 1 || h < 1 ||
        w > MAX_SIDE || h > MAX_SIDE)
        return mr_fail(MR_ERR_USAGE,
                       "--size is '%s'; give WIDTHxHEIGHT in pixels, as in 32x32, up to %d each",
                       text, MAX_SIDE);
    *height = h;
    *width = w;
    return MR_OK;
}

static void print_notes(const char *path, const mr_images *images) {
    if (images->has_fractions)
        fprintf(stderr,
                "note: %s: pixels are floating-point numbers from 0 to 1; they were rounded to 8 "
                "bits\n",
                path);
    if (images->n_skipped > 0)
        fprintf(stderr, "note: %zu images were skipped; the first: %s\n", images->n_skipped,
                images->skipped);
}

mr_status mr_images_read(const char *path, const char *size, const char *labels, bool skips_bad,
                         mr_images *out) {
    mr_images_options options = {.labels = labels[0] != '\0' ? labels : NULL,
                                 .skips_bad = skips_bad};
    mr_status status = mr_image_size_read(size, &options.height, &options.width);
    if (status == MR_OK)
        status = mr_images_open(path, &options, out);
    if (status == MR_OK)
        print_notes(path, out);
    return status;
}

mr_status mr_model_images_read(const char *path, const char *size, const char *labels,
                               bool skips_bad, const mr_density *density, mr_images *out) {
    size_t channels, height, width;
    mr_images images = {0};
    mr_density_shape(density, &channels, &height, &width);
    mr_status status = mr_images_read(path, size, labels, skips_bad, &images);
    if (status != MR_OK)
        return status;
    if (images.channels != channels) {
        status = mr_fail(MR_ERR_INPUT, "%s: its images are %s, the model's %s", path,
                         images.channels == 1 ? "grey" : "coloured",
                         channels == 1 ? "grey" : "coloured");
    } else if (images.height != height || images.width != width) {
        status = mr_fail(MR_ERR_INPUT,
                         "%s: its images have %zux%zu pixels, the model's %zux%zu; give --size "
                         "%zux%zu to scale them",
                         path, images.width, images.height, width, height, width, height);
    } else {
        *out = images;
        images = (mr_images){0};
    }
    mr_images_free(&images);
    return status;
}

mr_status mr_fail_not_images(const char *model, const char *data) {
    return mr_fail(MR_ERR_INPUT,
                   "%s is a model of the rows of a table, and %s holds images; fit a model to "
                   "images by `millrace flow fit`",
                   model, data);
}

// ---- Classes

static const char *class_at(const void *table, size_t k) {
    return ((char *const *)table)[k];
}

bool mr_class_is_known(const mr_pixels *pixels, const char *text, size_t *out) {
    static int (*const compare[])(const char *, const char *) = {strcmp, strcasecmp};
    char *end;
    const unsigned long number = strtoul(text, &end, 10);
    for (size_t c = 0; c < MR_COUNT(compare); c++)
        for (size_t k = 0; k < pixels->n_classes; k++)
            if (compare[c](pixels->classes[k], text) == 0) {
                *out = k;
                return true;
            }
    *out = number;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number < pixels->n_classes;
}

mr_status mr_class_find(const mr_density *density, const char *text, size_t *out) {
    const mr_pixels *pixels = mr_density_pixels(density);
    char names[256];
    if (pixels->n_classes == 0)
        return mr_fail(MR_ERR_USAGE, "--given %s: the model was fitted without classes", text);
    if (mr_class_is_known(pixels, text, out))
        return MR_OK;
    mr_list_names(pixels->n_classes, class_at, pixels->classes, sizeof names, names);
    return mr_fail(MR_ERR_USAGE,
                   "--given %s: the model has no such class; choose from %s, or by number from 0 "
                   "to %zu",
                   text, names, pixels->n_classes - 1);
}

// ---- Drawing

mr_status mr_images_draw(const mr_density *density, int n_threads, uint64_t seed,
                         double temperature, size_t n, const size_t *label, unsigned char *out) {
    mr_status status;
    const size_t dim = mr_density_dim(density), n_given = mr_density_given_dim(density);
    const size_t n_max = mr_density_batch(density);
    mr_sampler *sampler = NULL;
    double *x = malloc(n_max * dim * sizeof *x), *given = calloc(n_max, (n_given + 1) * sizeof *x);
    if (x == NULL || given == NULL) {
        status = mr_fail_memory("the samples");
        goto done;
    }
    MR_TRY(mr_sampler_new(density, n_threads, seed, &sampler));
    MR_TRY(mr_sampler_set_temperature(sampler, temperature));
    for (size_t first = 0; first < n; first += n_max) {
        const size_t n_now = n - first < n_max ? n - first : n_max;
        for (size_t i = 0; i < n_now; i++)
            for (size_t k = 0; k < n_given; k++)
                given[i * n_given + k] = k == label[first + i];
        MR_TRY(mr_sampler_draw(sampler, n_now, n_given > 0 ? given : NULL, x, NULL));
        mr_pixels_of_rows(density, n_now, x, out + first * dim);
    }
done:
    mr_sampler_free(sampler);
    free(x);
    free(given);
    return status;
}

// ---- Writing

mr_status mr_images_check_name(const char *path) {
    if (mr_path_has_suffix(path, ".png") || mr_path_has_suffix(path, ".npy"))
        return MR_OK;
    return mr_fail(MR_ERR_USAGE, "%s: the name of images must end in .png (a grid) or .npy", path);
}

// Tiny images are magnified by a whole number, so that one sees them.
static size_t scale_of(size_t height, size_t width) {
    const size_t visible = 48, larger = height > width ? height : width;
    return visible > larger ? visible / larger : 1;
}

mr_status mr_images_grid(const mr_density *density, size_t n, const unsigned char *pixels,
                         size_t columns, mr_picture *out) {
    size_t channels, height, width;
    mr_density_shape(density, &channels, &height, &width);
    return mr_picture_grid(n, channels, height, width, pixels, columns, scale_of(height, width),
                           out);
}

mr_status mr_images_save(const char *path, const mr_density *density, size_t n,
                         const unsigned char *pixels, size_t columns) {
    size_t channels, height, width;
    mr_picture grid = {0};
    mr_density_shape(density, &channels, &height, &width);
    if (mr_path_has_suffix(path, ".npy"))
        return mr_images_write(path, n, channels, height, width, pixels);
    mr_status status = mr_images_grid(density, n, pixels, columns, &grid);
    if (status == MR_OK)
        status = mr_picture_write(path, &grid);
    mr_picture_free(&grid);
    return status;
}
