// Images as rows of a density.

#include "flows/pixels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flows/density_internal.h"

enum { FULL_BITS = 8 }; // of what is read and written

void mr_pixels_release(mr_pixels *pixels) {
    for (size_t k = 0; k < pixels->n_classes && pixels->classes; k++)
        free(pixels->classes[k]);
    free(pixels->classes);
    *pixels = (mr_pixels){0};
}

mr_status mr_density_set_pixels(mr_density *density, const mr_pixels *pixels) {
    mr_pixels copy = *pixels;
    copy.classes = calloc(pixels->n_classes + 1, sizeof *copy.classes);
    bool is_whole = copy.classes != NULL;
    for (size_t k = 0; k < pixels->n_classes && is_whole; k++) {
        copy.classes[k] = strdup(pixels->classes[k]);
        is_whole = copy.classes[k] != NULL;
    }
    if (!is_whole) {
        mr_pixels_release(&copy);
        return mr_fail_memory("a density");
    }
    mr_pixels_release(&density->pixels);
    density->pixels = copy;
    return MR_OK;
}

const mr_pixels *mr_density_pixels(const mr_density *density) {
    return density->pixels.bits > 0 ? &density->pixels : NULL;
}

static double levels(const mr_pixels *pixels) {
    return ldexp(1, (int)pixels->bits);
}

// t = (x - low) / (high - low) is alpha + (1 - 2 alpha) x / 2^bits, whose logit the bounded
// column's map is.
mr_status mr_pixels_supports(const mr_pixels *pixels, size_t dim, mr_support **out) {
    const double margin = levels(pixels) * pixels->logit / (1 - 2 * pixels->logit);
    mr_support *support = calloc(dim + pixels->n_classes, sizeof *support);
    if (!support)
        return mr_fail_memory("a density");
    for (size_t j = 0; j < dim && pixels->logit > 0; j++)
        support[j] = (mr_support){MR_SUPPORT_BOUNDED, -margin, levels(pixels) + margin};
    *out = support;
    return MR_OK;
}

void mr_pixels_to_row(const mr_density *density, const unsigned char *image, const mr_real *noise,
                      size_t label, double *x) {
    const mr_pixels *pixels = &density->pixels;
    const unsigned n_dropped = (unsigned)(FULL_BITS - pixels->bits);
    for (size_t j = 0; j < density->dim; j++)
        x[j] = (double)(image[j] >> n_dropped) + (noise ? (double)noise[j] : 0);
    for (size_t k = 0; k < pixels->n_classes; k++)
        x[density->dim + k] = k == label;
}

// The darkest level is 0, the brightest 255.
void mr_pixels_of_rows(const mr_density *density, size_t n, const double *x,
                       unsigned char *images) {
    const double last = levels(&density->pixels) - 1;
    for (size_t i = 0; i < n * density->dim; i++)
        images[i] = (unsigned char)lround(fmin(fmax(floor(x[i]), 0), last) / last * 255);
}

double mr_bits_per_dim(const mr_density *density, double log_prob) {
    return -log_prob / ((double)density->dim * log(2));
}

// Rows x [n x width] of images, with the draw `draw` of their uniform noise.
static mr_status make_rows(const mr_density *density, uint64_t seed, size_t draw,
                           const mr_images *images, size_t first, size_t n, const size_t *label,
                           double *x) {
    mr_status status = MR_OK;
    const size_t dim = density->dim, width = mr_density_width(density);
    unsigned char *image = malloc(dim);
    mr_real *noise = malloc(dim * sizeof *noise);
    if (!image || !noise) {
        status = mr_fail_memory("the images");
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        const uint64_t index = draw * images->n + first + i;
        mr_random random = mr_random_stream(seed, MR_STREAM_SCORE, index);
        if (!density->noise)
            mr_random_fill_uniform(&random, dim, 0, 1, noise);
        MR_TRY(mr_images_get(images, first + i, 1, image));
        mr_pixels_to_row(density, image, density->noise ? NULL : noise, label ? label[i] : 0,
                         x + i * width);
    }
done:
    free(image);
    free(noise);
    return status;
}

mr_status mr_images_log_prob(const mr_density *density, int n_threads, uint64_t seed,
                             size_t n_samples, const mr_images *images, size_t first, size_t n,
                             const size_t *label, double *log_prob) {
    mr_status status = MR_OK;
    const size_t n_draws = density->noise ? 1 : n_samples; // of uniform noise
    size_t n_impossible;
    double *x = malloc(n * mr_density_width(density) * sizeof *x);
    double *of_draw = malloc(n * sizeof *of_draw);
    if (!x || !of_draw) {
        status = mr_fail_memory("the images");
        goto done;
    }
    for (size_t k = 0; k < n_draws; k++) {
        MR_TRY(make_rows(density, seed, k, images, first, n, label, x));
        MR_TRY(mr_density_score_samples(density, n_threads, seed, n_samples, first, n, x, of_draw,
                                        &n_impossible));
        for (size_t i = 0; i < n; i++)
            log_prob[i] = mr_density_add_draw(k, log_prob[i], of_draw[i]);
    }
    for (size_t i = 0; i < n && n_draws > 1; i++)
        log_prob[i] -= log((double)n_draws);
done:
    free(x);
    free(of_draw);
    return status;
}
