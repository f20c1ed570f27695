// The data of a fit to images, each of which is read when its turn comes.

#include "flows/fit_data.h"
#include "flows/fit_images.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    mr_fit_data data;
    const mr_density *density;
    const mr_fit_options *options;
    const mr_images *images;
    mr_augmentation augmentation;
    size_t width;  // of a row
    size_t *image; // [images->n] owned: those to train on, then those held out
    uint64_t epoch;
    size_t *order; // [trained.n] owned: of this epoch
    size_t batch;  // of this epoch, the next
    size_t next_held_out;
    // Of one image; owned.
    unsigned char *pixels, *moved; // [dim]
    mr_real *noise;                // [dim]
    double *x;                     // [width]
} image_data;

// ---- Augmentation

static size_t moved_index(size_t i, long by, size_t n) {
    const long from = (long)i - by;
    return from < 0 ? 0 : from >= (long)n ? n - 1 : (size_t)from;
}

// Exchanges left and right, and moves each channel down and to the right.
static void move(const image_data *d, bool flips, long down, long right) {
    const size_t h = d->images->height, w = d->images->width;
    for (size_t c = 0; c < d->images->channels; c++)
        for (size_t i = 0; i < h; i++) {
            const unsigned char *from = d->pixels + (c * h + moved_index(i, down, h)) * w;
            unsigned char *to = d->moved + (c * h + i) * w;
            for (size_t j = 0; j < w; j++) {
                const size_t k = moved_index(j, right, w);
                to[j] = from[flips ? w - 1 - k : k];
            }
        }
}

static long draw_shift(mr_random *random, size_t shift) {
    return (long)mr_random_below(random, 2 * shift + 1) - (long)shift;
}

// ---- Rows

// Makes the row u of an image, of which d->x is the same in levels; unless the density draws it
// itself, with noise.
static mr_status take_row(const image_data *d, size_t image, bool is_trained, mr_random *random,
                          mr_real *u) {
    const mr_augmentation *a = &d->augmentation;
    const unsigned char *pixels = d->pixels;
    const mr_status status = mr_images_get(d->images, image, 1, d->pixels);
    if (status != MR_OK)
        return status;
    mr_random_fill_uniform(random, mr_density_dim(d->density), 0, 1, d->noise);
    if (is_trained && (a->flips || a->shift > 0)) {
        const bool flips = a->flips && mr_random_below(random, 2) == 1;
        const long down = draw_shift(random, a->shift), right = draw_shift(random, a->shift);
        move(d, flips, down, right);
        pixels = d->moved;
    }
    mr_pixels_to_row(d->density, pixels, d->density->noise ? NULL : d->noise,
                     d->images->label ? d->images->label[image] : 0, d->x);
    mr_density_standardise(d->density, 1, d->x, u);
    return MR_OK;
}

// The rows of n images; leaves the mean of what log-densities in x are smaller by than those in u.
static mr_status take_rows(image_data *d, size_t n, const size_t *image, bool is_trained,
                           mr_real *u, mr_fit_part *part) {
    const mr_purpose purpose = is_trained ? MR_STREAM_PIXELS : MR_STREAM_HELD_OUT;
    double slope = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t index = (is_trained ? d->epoch * d->images->n : 0) + image[i];
        mr_random random = mr_random_stream(d->options->seed, purpose, index);
        const mr_status status = take_row(d, image[i], is_trained, &random, u + i * d->width);
        if (status != MR_OK)
            return status;
        slope += d->density->noise ? 0 : mr_density_log_slope(d->density, d->x);
    }
    if (n > 0)
        part->log_scale = mr_density_log_scale(d->density) - slope / (double)n;
    return MR_OK;
}

static mr_status images_begin_epoch(mr_fit_data *data, uint64_t epoch) {
    image_data *d = (image_data *)data;
    mr_random random = mr_random_stream(d->options->seed, MR_STREAM_ORDER, epoch);
    mr_fit_shuffle(&random, data->trained.n, d->order);
    for (size_t i = 0; i < data->trained.n; i++)
        d->order[i] = d->image[d->order[i]];
    d->epoch = epoch;
    d->batch = 0;
    return MR_OK;
}

static mr_status images_next(mr_fit_data *data, mr_real *u, mr_real *weight, size_t *n) {
    image_data *d = (image_data *)data;
    size_t first;
    (void)weight; // images have none
    *n = mr_fit_find_batch(data->trained.n, d->options->batch_size, d->batch++, &first);
    return take_rows(d, *n, d->order + first, true, u, &data->trained);
}

static mr_status images_begin_held_out(mr_fit_data *data) {
    ((image_data *)data)->next_held_out = 0;
    return MR_OK;
}

static mr_status images_next_held_out(mr_fit_data *data, mr_real *u, mr_real *weight, size_t *n) {
    image_data *d = (image_data *)data;
    (void)weight;
    const size_t first = d->next_held_out, n_left = data->held_out.n - first;
    *n = n_left < data->held_out_batch ? n_left : data->held_out_batch;
    d->next_held_out += *n;
    return take_rows(d, *n, d->image + data->trained.n + first, false, u, &data->held_out);
}

static void images_free(mr_fit_data *data) {
    image_data *d = (image_data *)data;
    free(d->image);
    free(d->order);
    free(d->pixels);
    free(d->moved);
    free(d->noise);
    free(d->x);
    free(d);
}

static const mr_fit_data_ops ops = {images_begin_epoch, images_next, images_begin_held_out,
                                    images_next_held_out, images_free};

// ---- The start

// Sums of v over the pixels of an image; v is x with noise, or its logit.
static void add_moments(const image_data *d, double *sum, double *sum_of_squares) {
    for (size_t j = 0; j < mr_density_dim(d->density); j++) {
        const double x = d->x[j] + (d->density->noise ? (double)d->noise[j] : 0);
        const double v = mr_density_map(d->density, j, x);
        *sum += v;
        *sum_of_squares += v * v;
    }
}

// All pixels share one shift and one scale; the columns of classes stay 0 and 1.
static mr_status set_scale(mr_density *density, double mean, double deviation) {
    const size_t width = mr_density_width(density), dim = mr_density_dim(density);
    double *numbers = malloc(2 * width * sizeof *numbers);
    if (!numbers)
        return mr_fail_memory("a density's start");
    for (size_t j = 0; j < width; j++) {
        const bool keeps = j >= dim || mr_density_keeps_scale(density, j);
        numbers[j] = keeps ? mr_density_shift(density)[j] : mean;
        numbers[width + j] = keeps ? mr_density_scale(density)[j] : deviation;
    }
    const mr_status status = mr_density_set_scale(density, numbers, numbers + width);
    free(numbers);
    return status;
}

static mr_status start(image_data *d, mr_density *density) {
    mr_status status;
    const size_t n_trained = d->data.trained.n, n_first = mr_density_batch(density);
    const size_t n = n_trained < MR_FIT_IMAGES_MEASURED ? n_trained : MR_FIT_IMAGES_MEASURED;
    const size_t n_start = n_trained < n_first ? n_trained : n_first;
    const double n_pixels = (double)n * (double)mr_density_dim(density);
    double sum = 0, sum_of_squares = 0;
    mr_real *u = malloc(n_start * d->width * sizeof *u);
    if (!u)
        return mr_fail_memory("a density's start");
    for (size_t i = 0; i < n; i++) {
        MR_TRY(take_rows(d, 1, d->image + i, false, u, &d->data.trained));
        add_moments(d, &sum, &sum_of_squares);
    }
    const double mean = sum / n_pixels;
    MR_TRY(set_scale(density, mean, sqrt(sum_of_squares / n_pixels - mean * mean)));
    MR_TRY(take_rows(d, n_start, d->image, false, u, &d->data.trained));
    status = mr_density_start_flow(density, n_start, u);
done:
    free(u);
    return status;
}

// ---- Building

static mr_status allocate(image_data *d) {
    const size_t dim = mr_density_dim(d->density);
    d->image = malloc(d->images->n * sizeof *d->image);
    d->order = malloc(d->images->n * sizeof *d->order);
    d->pixels = malloc(dim);
    d->moved = malloc(dim);
    d->noise = malloc(dim * sizeof *d->noise);
    d->x = malloc(d->width * sizeof *d->x);
    const bool is_whole = d->image && d->order && d->pixels && d->moved && d->noise && d->x;
    return is_whole ? MR_OK : mr_fail_memory("the images");
}

// A hash of the labels and the names of classes; "none" without any.
static void hash_labels(const mr_images *images, char text[MR_FIT_HASH_SIZE]) {
    crypto_generichash_state state;
    if (!images->label) {
        snprintf(text, MR_FIT_HASH_SIZE, "none");
        return;
    }
    mr_fit_hash_begin(&state);
    crypto_generichash_update(&state, (const unsigned char *)images->label,
                              images->n * sizeof *images->label);
    for (size_t k = 0; k < images->n_classes; k++)
        crypto_generichash_update(&state, (const unsigned char *)images->classes[k],
                                  strlen(images->classes[k]) + 1);
    mr_fit_hash_end(&state, text);
}

static void describe(const image_data *d, char text[MR_FIT_DATA_SIZE]) {
    const mr_pixels *pixels = mr_density_pixels(d->density);
    char labels[MR_FIT_HASH_SIZE];
    hash_labels(d->images, labels);
    snprintf(text, MR_FIT_DATA_SIZE,
             ", images %zux%zux%zu of %zu bits, labels %s, logit %.17g%s, shifts %zu%s%s",
             d->images->channels, d->images->height, d->images->width, pixels->bits, labels,
             pixels->logit, d->augmentation.flips ? ", flips" : "", d->augmentation.shift,
             d->density->noise ? ", dequantisation " : "",
             d->density->noise ? mr_density_dequantisation(d->density) : "");
}

mr_status mr_fit_data_of_images(mr_density *density, const mr_fit_options *options,
                                const mr_images *images, const mr_augmentation *augmentation,
                                mr_fit_data **out) {
    mr_status status;
    mr_random random = mr_random_stream(options->seed, MR_STREAM_SPLIT, 0);
    image_data *d = NULL;
    if (images->n < 2)
        return mr_fail(MR_ERR_INPUT, "there is %zu image; a fit needs two at least", images->n);
    d = calloc(1, sizeof *d);
    if (!d)
        return mr_fail_memory("the images");
    d->data.ops = &ops;
    d->density = density;
    d->options = options;
    d->images = images;
    d->augmentation = *augmentation;
    d->width = mr_density_width(density);
    MR_TRY(allocate(d));
    mr_fit_shuffle(&random, images->n, d->image);
    d->data.held_out.n = mr_fit_count_held_out(images->n, options->held_out);
    d->data.trained.n = images->n - d->data.held_out.n;
    d->data.held_out.n_units = (double)d->data.held_out.n;
    d->data.trained.n_units = (double)d->data.trained.n;
    d->data.held_out_batch = mr_density_batch(density);
    describe(d, d->data.text);
    MR_TRY(start(d, density));
    *out = &d->data;
    d = NULL;
done:
    if (d)
        images_free(&d->data);
    return status;
}
