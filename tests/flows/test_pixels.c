// Densities of images: dequantisation, bits a dimension, fits, temperature, interpolation.

#include "flows/pixels.h"

#include <math.h>

#include "flows/density_internal.h"
#include "flows/fit_data.h"
#include "flows/fit_images.h"
#include "tests/scratch.h"

TestSuite(pixels, .init = scratch_enter, .fini = scratch_leave);

enum { N = 150, HEIGHT = 3, WIDTH = 4, DIM = HEIGHT * WIDTH };

static mr_density *density_of(const char *flow, mr_pixels pixels, size_t height, size_t width) {
    mr_density *density = NULL;
    mr_support *support = NULL;
    const size_t dim = height * width;
    cr_assert_eq(mr_pixels_supports(&pixels, dim, &support), MR_OK);
    cr_assert_eq(mr_density_create(&(mr_density_spec){.flow = flow,
                                                      .use = MR_FLOW_TO_SCORE,
                                                      .dim = dim,
                                                      .given_dim = pixels.n_classes,
                                                      .support = support,
                                                      .channels = 1,
                                                      .height = height,
                                                      .width = width},
                                   1, &density),
                 MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_set_pixels(density, &pixels), MR_OK);
    free(support);
    return density;
}

// Shift and scale of the pixels; classes keep 0 and 1.
static void set_scale(mr_density *density, double shift, double scale) {
    double of_shift[64] = {0}, of_scale[64];
    for (size_t j = 0; j < mr_density_width(density); j++) {
        of_shift[j] = j < mr_density_dim(density) ? shift : 0;
        of_scale[j] = j < mr_density_dim(density) ? scale : 1;
    }
    cr_assert_eq(mr_density_set_scale(density, of_shift, of_scale), MR_OK);
}

// Smooth images of two classes, the second one turned upside down.
static mr_images images_of(bool has_labels) {
    static char *names[] = {"up", "down"};
    mr_images images = {.n = N, .channels = 1, .height = HEIGHT, .width = WIDTH};
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 17);
    images.pixels = malloc((size_t)N * DIM);
    images.label = has_labels ? calloc(N, sizeof *images.label) : NULL;
    images.classes = has_labels ? calloc(2, sizeof *images.classes) : NULL;
    for (size_t k = 0; k < 2 && has_labels; k++)
        images.classes[images.n_classes++] = strdup(names[k]);
    for (size_t i = 0; i < N; i++) {
        const double slope = (i % 2 == 0 ? 1 : -1) * mr_random_between(&random, 10, 20);
        for (size_t j = 0; j < DIM; j++)
            images.pixels[i * DIM + j] =
                (unsigned char)(120 + slope * (double)(j / WIDTH) + 10 * mr_random_normal(&random));
        if (has_labels)
            images.label[i] = i % 2;
    }
    return images;
}

// ---- Bits a dimension

// -log p(x) of a Gaussian in v, by hand.
static double gaussian_log_prob(double v, double shift, double scale) {
    const double u = (v - shift) / scale;
    return -0.5 * u * u - 0.5 * log(2 * 3.14159265358979323846) - log(scale);
}

static mr_real noise_of(uint64_t seed, size_t image, size_t j) {
    mr_real noise[DIM];
    mr_random random = mr_random_stream(seed, MR_STREAM_SCORE, image);
    mr_random_fill_uniform(&random, DIM, 0, 1, noise);
    return noise[j];
}

// float32: 1e-6 of numbers of some hundred.
static void expect_bits(size_t bits, double logit, double shift, double scale) {
    enum { SEED = 5 };
    double log_prob[N];
    mr_images images = images_of(false);
    mr_density *density =
        density_of("gaussian", (mr_pixels){.bits = bits, .logit = logit}, HEIGHT, WIDTH);
    set_scale(density, shift, scale);
    cr_assert_eq(mr_images_log_prob(density, 1, SEED, 1, &images, 0, N, NULL, log_prob), MR_OK);
    for (size_t i = 0; i < N; i++) {
        double expected = 0;
        for (size_t j = 0; j < DIM; j++) {
            const double levels = ldexp(1, (int)bits);
            const double x = floor(images.pixels[i * DIM + j] / ldexp(1, 8 - (int)bits)) +
                             (double)noise_of(SEED, i, j);
            const double t = logit + (1 - 2 * logit) * x / levels;
            const double v = logit > 0 ? log(t / (1 - t)) : x;
            const double slope = logit > 0 ? (1 - 2 * logit) / levels / (t * (1 - t)) : 1;
            expected += gaussian_log_prob(v, shift, scale) + log(slope);
        }
        cr_expect_float_eq(log_prob[i], expected, 1e-4, "image %zu: %g, not %g", i, log_prob[i],
                           expected);
        cr_expect_float_eq(mr_bits_per_dim(density, log_prob[i]),
                           -expected / (DIM * 0.69314718055994531), 1e-5);
    }
    mr_density_free(density);
    mr_images_free(&images);
}

Test(pixels, bits_a_dimension_of_a_gaussian_are_those_of_its_formula) {
    expect_bits(8, 0, 125, 30);
    expect_bits(5, 0, 15, 4);
    expect_bits(8, 0.05, 0, 0.5);
    expect_bits(3, 1e-3, -0.2, 2);
}

// Moves all parameters from the start, at which the flow is the identity.
static void perturb(mr_density *density) {
    mr_params *params = mr_density_params(density);
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 18);
    for (size_t k = 0; k < mr_params_size(params); k++)
        mr_params_value(params)[k] += (mr_real)(0.1 * mr_random_normal(&random));
}

// The integral of p over 0 .. 8 in every pixel, by the midpoints of n_steps in each level: the sum
// of the discrete probabilities, each the mean of p(pixel + noise) over the noise.
static double sum_of_probabilities(const mr_density *density, size_t n_steps) {
    const size_t n_points = 8 * n_steps, dim = mr_density_dim(density);
    const size_t n = dim == 1 ? n_points : n_points * n_points;
    double *x = malloc(n * dim * sizeof *x), *log_prob = malloc(n * sizeof *log_prob), sum = 0;
    size_t n_impossible;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < dim; j++) {
            const size_t point = j == 0 ? i % n_points : i / n_points;
            x[i * dim + j] = ((double)point + 0.5) / (double)n_steps;
        }
    cr_assert_eq(mr_density_score(density, 1, n, x, log_prob, &n_impossible), MR_OK);
    for (size_t i = 0; i < n; i++)
        sum += exp(log_prob[i]) / pow((double)n_steps, (double)dim);
    free(x);
    free(log_prob);
    return sum;
}

// All mass of these lies in 0 .. 8: a Gaussian of deviation near 0.3 at 4 does not reach the
// bounds.
Test(pixels, probabilities_of_all_images_of_one_and_two_pixels_sum_to_one) {
    for (size_t dim = 1; dim <= 2; dim++) {
        mr_density *density = density_of("nsf:layers=2,hidden=8", (mr_pixels){.bits = 3}, 1, dim);
        set_scale(density, 4, 0.2);
        perturb(density);
        const double sum = sum_of_probabilities(density, dim == 1 ? 1000 : 60);
        cr_expect_float_eq(sum, 1, 1e-3, "%zu pixels: %.6f", dim, sum);
        mr_density_free(density);
    }
}

Test(pixels, are_the_same_after_they_were_made_rows_and_images_again) {
    unsigned char all[256], back[256];
    mr_real noise[256];
    double x[256];
    for (size_t k = 0; k < 256; k++) {
        all[k] = (unsigned char)k;
        noise[k] = (mr_real)0.999;
    }
    for (size_t bits = 1; bits <= 8; bits++) {
        mr_density *density = density_of("gaussian", (mr_pixels){.bits = bits}, 16, 16);
        mr_pixels_to_row(density, all, noise, 0, x);
        mr_pixels_of_rows(density, 1, x, back);
        for (size_t k = 0; k < 256; k++)
            cr_expect_eq(back[k] >> (8 - bits), k >> (8 - bits), "%zu bits, %zu", bits, k);
        cr_expect_eq(back[0], 0);
        cr_expect_eq(back[255], 255);
        mr_density_free(density);
    }
}

// ---- The data of a fit

static void copy_rows(mr_fit_data *data, uint64_t epoch, mr_real *u) {
    size_t n;
    cr_assert_eq(data->ops->begin_epoch(data, epoch), MR_OK);
    cr_assert_eq(data->ops->next(data, u, NULL, &n), MR_OK);
    cr_assert_eq(n, data->trained.n);
}

Test(pixels, have_fresh_noise_in_each_epoch_and_the_same_when_held_out) {
    static mr_real first[N * DIM], again[N * DIM], other[N * DIM];
    mr_fit_options options = mr_fit_defaults();
    options.batch_size = N;
    size_t n;
    mr_images images = images_of(false);
    mr_density *density = density_of("gaussian", (mr_pixels){.bits = 8}, HEIGHT, WIDTH);
    mr_fit_data *data = NULL;
    cr_assert_eq(mr_fit_data_of_images(density, &options, &images,
                                       &(mr_augmentation){.flips = true, .shift = 1}, &data),
                 MR_OK, "%s", mr_error_message());
    const size_t n_bytes = data->trained.n * DIM * sizeof *first;
    copy_rows(data, 3, first);
    copy_rows(data, 4, other);
    copy_rows(data, 3, again);
    cr_expect_arr_eq(first, again, n_bytes);
    cr_expect_arr_neq(first, other, n_bytes);
    for (size_t k = 0; k < 2; k++) {
        cr_assert_eq(data->ops->begin_held_out(data), MR_OK);
        cr_assert_eq(data->ops->next_held_out(data, k == 0 ? first : again, NULL, &n), MR_OK);
        cr_assert_eq(n, data->held_out.n);
    }
    cr_expect_arr_eq(first, again, n * DIM * sizeof *first);
    data->ops->free(data);
    mr_density_free(density);
    mr_images_free(&images);
}

// A single trained image, that is 10 or 20 on the left of its middle: flips and shifts leave pixels
// that it has, and shifts of at most one keep a corner's neighbours.
Test(pixels, are_flipped_and_shifted_with_their_edges_repeated) {
    static unsigned char pixels[] = {1, 2, 3, 1, 2, 3};
    mr_fit_options options = mr_fit_defaults();
    mr_images images = {.n = 2, .channels = 1, .height = 1, .width = 3, .pixels = pixels};
    mr_density *density = density_of("gaussian", (mr_pixels){.bits = 8}, 1, 3);
    mr_fit_data *data = NULL;
    bool is_seen[256] = {false};
    mr_real u[3];
    size_t n;
    cr_assert_eq(mr_fit_data_of_images(density, &options, &images,
                                       &(mr_augmentation){.flips = true, .shift = 1}, &data),
                 MR_OK);
    for (uint64_t epoch = 0; epoch < 200; epoch++) {
        size_t code = 0;
        cr_assert_eq(data->ops->begin_epoch(data, epoch), MR_OK);
        cr_assert_eq(data->ops->next(data, u, NULL, &n), MR_OK);
        for (size_t j = 0; j < 3; j++) {
            const double x =
                (double)u[j] * mr_density_scale(density)[j] + mr_density_shift(density)[j];
            code = 4 * code + (size_t)(x + 1e-5);
        }
        cr_assert_lt(code, 256);
        is_seen[code] = true;
    }
    // 123 as it is, moved to either side, and the same of 321.
    static const size_t expected[] = {0x1b, 0x2f, 0x16, 0x39, 0x25, 0x3e};
    for (size_t k = 0; k < 256; k++) {
        bool is_expected = false;
        for (size_t i = 0; i < MR_COUNT(expected); i++)
            is_expected |= expected[i] == k;
        cr_expect_eq(is_seen[k], is_expected, "%zx", k);
    }
    data->ops->free(data);
    mr_density_free(density);
}

// ---- Fits

typedef struct {
    volatile sig_atomic_t stop;
    size_t stop_after; // steps; 0: never
    size_t n_epochs, n_steps;
    double first_held_out; // what the first step was told of the epochs before
} watched;

static void count_epoch(void *self, const mr_fit_progress *now) {
    watched *w = self;
    w->n_epochs = now->epoch;
}

static void count_step(void *self, const mr_fit_step *now) {
    watched *w = self;
    if (w->n_steps++ == 0)
        w->first_held_out = now->epochs->held_out_log_prob;
    w->stop = now->n_steps == w->stop_after;
    cr_expect(now->n_done <= now->n && isfinite(now->log_prob));
}

static mr_fit_options small_fit(void) {
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 4;
    options.batch_size = 32;
    options.warm_up = 5;
    options.lr_schedule = "cosine";
    return options;
}

static mr_density *density_of_classes(void) {
    static char *names[] = {"up", "down"};
    return density_of("maf:layers=2,hidden=16",
                      (mr_pixels){.bits = 7, .logit = 0.01, .n_classes = 2, .classes = names},
                      HEIGHT, WIDTH);
}

static mr_density *fit(const mr_images *images, const mr_fit_options *options, watched *w,
                       mr_fit_progress *result) {
    mr_density *density = density_of_classes();
    cr_assert_eq(mr_fit_to_images(density, images, &(mr_augmentation){.flips = true, .shift = 1},
                                  options, &(mr_fit_watch){count_epoch, count_step, w}, &w->stop,
                                  result),
                 MR_OK, "%s", mr_error_message());
    return density;
}

Test(pixels, a_fit_that_goes_on_ends_with_the_same_bits) {
    mr_images images = images_of(true);
    mr_fit_options options = small_fit();
    mr_fit_progress whole, parts;
    watched w = {0};
    mr_density *expected = fit(&images, &options, &w, &whole);
    cr_expect_eq(w.n_epochs, 4);
    cr_expect_eq(w.n_steps, 4 * 5); // 135 images in batches of 32
    options.checkpoint = "checkpoint";
    w = (watched){.stop_after = 8};
    mr_density_free(fit(&images, &options, &w, &parts));
    cr_expect_eq(parts.epoch, 1);
    const double held_out = parts.held_out_log_prob;
    w = (watched){0};
    mr_density *found = fit(&images, &options, &w, &parts);
    cr_expect_eq(w.first_held_out, held_out);
    cr_expect_eq(w.n_steps, 4 * 5 - 8, "none of the first 8 steps is made again");
    mr_params *a = mr_density_params(expected), *b = mr_density_params(found);
    cr_expect_arr_eq(mr_params_read(a), mr_params_read(b), mr_params_size(a) * sizeof(mr_real));
    cr_expect_eq(whole.best_log_prob, parts.best_log_prob);
    cr_expect_eq(mr_density_pixels(found)->mean_bits, mr_bits_per_dim(found, parts.best_log_prob));
    mr_density_free(expected);
    mr_density_free(found);
    mr_images_free(&images);
}

// A fit that was stopped after two steps, and has left its checkpoint.
static mr_fit_options stopped_fit(const mr_images *images) {
    mr_fit_options options = small_fit();
    mr_fit_progress result;
    watched w = {.stop_after = 2};
    options.checkpoint = "checkpoint";
    mr_density_free(fit(images, &options, &w, &result));
    return options;
}

Test(pixels, a_checkpoint_of_other_labels_is_refused) {
    mr_images images = images_of(true);
    const mr_fit_options options = stopped_fit(&images);
    mr_fit_progress result;
    watched w = {0};
    images.label[5] = 1 - images.label[5];
    mr_density *density = density_of_classes();
    cr_expect_eq(mr_fit_to_images(density, &images, &(mr_augmentation){.flips = true, .shift = 1},
                                  &options, &(mr_fit_watch){count_epoch, count_step, &w}, NULL,
                                  &result),
                 MR_ERR_INPUT);
    scratch_expect_message("checkpoint of another fit");
    mr_density_free(density);
    mr_images_free(&images);
}

Test(pixels, a_checkpoint_of_other_pixels_is_refused) {
    mr_images images = images_of(true);
    const mr_fit_options options = stopped_fit(&images);
    mr_fit_progress result;
    watched w = {0};
    mr_density *other = density_of("maf:layers=2,hidden=16", (mr_pixels){.bits = 6}, HEIGHT, WIDTH);
    cr_expect_eq(mr_fit_to_images(other, &images, &(mr_augmentation){0}, &options,
                                  &(mr_fit_watch){count_epoch, count_step, &w}, NULL, &result),
                 MR_ERR_INPUT);
    scratch_expect_message("checkpoint of another fit");
    mr_density_free(other);
    mr_images_free(&images);
}

// A class-conditional fit tells the classes apart: their slopes differ.
Test(pixels, a_class_conditional_fit_finds_images_likelier_under_their_own_class) {
    double own[N], other[N];
    size_t turned[N], n_right = 0;
    mr_images images = images_of(true);
    mr_fit_options options = small_fit();
    options.max_epochs = 30;
    options.lr = 0.01;
    mr_fit_progress result;
    watched w = {0};
    mr_density *density = fit(&images, &options, &w, &result);
    for (size_t i = 0; i < N; i++)
        turned[i] = 1 - images.label[i];
    cr_assert_eq(mr_images_log_prob(density, 1, 1, 1, &images, 0, N, images.label, own), MR_OK);
    cr_assert_eq(mr_images_log_prob(density, 1, 1, 1, &images, 0, N, turned, other), MR_OK);
    for (size_t i = 0; i < N; i++)
        n_right += own[i] > other[i];
    cr_expect_gt(n_right, N * 9 / 10, "%zu of %d", n_right, N);
    mr_density_free(density);
    mr_images_free(&images);
}

Test(pixels, are_remembered_by_a_model_file) {
    static char *names[] = {"up", "down"};
    double before[N], after[N];
    mr_images images = images_of(true);
    mr_density *loaded = NULL;
    mr_density *density = density_of(
        "gaussian",
        (mr_pixels){.bits = 6, .logit = 0.05, .n_classes = 2, .classes = names, .mean_bits = 3.25},
        HEIGHT, WIDTH);
    cr_assert_eq(mr_density_save(density, "m"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_load("m", &loaded), MR_OK, "%s", mr_error_message());
    const mr_pixels *pixels = mr_density_pixels(loaded);
    cr_assert_not_null(pixels);
    cr_expect_eq(pixels->bits, 6);
    cr_expect_eq(pixels->logit, 0.05);
    cr_expect_eq(pixels->mean_bits, 3.25);
    cr_assert_eq(pixels->n_classes, 2);
    cr_expect_str_eq(pixels->classes[1], "down");
    cr_assert_eq(mr_images_log_prob(density, 1, 1, 1, &images, 0, N, images.label, before), MR_OK);
    cr_assert_eq(mr_images_log_prob(loaded, 1, 1, 1, &images, 0, N, images.label, after), MR_OK);
    cr_expect_arr_eq(before, after, sizeof before);
    mr_density_free(density);
    mr_density_free(loaded);
    mr_images_free(&images);
}

// ---- Variational dequantisation

static mr_density *dequantised(const char *flow, const char *noise, size_t height, size_t width,
                               size_t bits) {
    mr_density *density = NULL;
    cr_assert_eq(mr_density_create_dequantised(&(mr_density_spec){.flow = flow,
                                                                  .use = MR_FLOW_TO_SCORE,
                                                                  .dim = height * width,
                                                                  .channels = 1,
                                                                  .height = height,
                                                                  .width = width},
                                               noise, 1, &density),
                 MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_set_pixels(density, &(mr_pixels){.bits = bits}), MR_OK);
    return density;
}

// Each pixel is 40 or 41, by a fair coin: one bit each. A flow that is smooth spends mass between
// them and beyond.
static double bits_of_coins(const char *noise) {
    enum { IMAGES = 1500, SIDE = 4, PIXELS = SIDE * SIDE };
    static unsigned char pixels[IMAGES * PIXELS];
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 21);
    const mr_images images = {
        .n = IMAGES, .channels = 1, .height = SIDE, .width = SIDE, .pixels = pixels};
    for (size_t i = 0; i < IMAGES * PIXELS; i++)
        pixels[i] = (unsigned char)(40 + mr_random_below(&random, 2));
    mr_density *density = dequantised("real_nvp:steps=2,channels=8", noise, SIDE, SIDE, 8);
    mr_fit_options options = mr_fit_defaults();
    mr_fit_progress result;
    watched w = {0};
    options.batch_size = 50;
    options.max_epochs = 15;
    options.lr_schedule = "cosine";
    cr_assert_eq(mr_fit_to_images(density, &images, &(mr_augmentation){0}, &options,
                                  &(mr_fit_watch){count_epoch, count_step, &w}, NULL, &result),
                 MR_OK, "%s", mr_error_message());
    const double bits = mr_bits_per_dim(density, result.best_log_prob);
    mr_density_free(density);
    return bits;
}

// A Gaussian of the same variance has 1.21 bits.
Test(pixels, variational_dequantisation_gets_closer_to_the_entropy_than_uniform_noise) {
    const double uniform = bits_of_coins("uniform"), variational = bits_of_coins("variational");
    cr_expect_gt(variational, 1 - 0.01, "%g", variational);
    cr_expect_lt(variational - 1, 0.75 * (uniform - 1), "%g, uniform %g", variational, uniform);
}

// The mean over images of log (mean p / q) rises with the number of draws.
static void expect_tighter(const char *noise) {
    double mean[3] = {0}, log_prob[N];
    static const size_t n_draws[] = {1, 4, 16};
    mr_images images = images_of(false);
    mr_density *density = dequantised("gaussian", noise, HEIGHT, WIDTH, 5);
    set_scale(density, 16, 1); // steep within a level
    for (size_t k = 0; k < 3; k++) {
        cr_assert_eq(mr_images_log_prob(density, 1, 5, n_draws[k], &images, 0, N, NULL, log_prob),
                     MR_OK);
        for (size_t i = 0; i < N; i++)
            mean[k] += log_prob[i] / N;
    }
    cr_expect(mean[0] < mean[1] && mean[1] < mean[2], "%s: %g, %g, %g", noise, mean[0], mean[1],
              mean[2]);
    mr_density_free(density);
    mr_images_free(&images);
}

Test(pixels, importance_samples_tighten_the_bound_of_either_dequantisation) {
    expect_tighter("uniform");
    expect_tighter("variational");
}

Test(pixels, a_draw_that_is_no_number_adds_nothing_to_the_bound) {
    static const double none = -INFINITY;
    for (size_t k = 0; k < 2; k++) {
        const double draws[] = {k == 0 ? NAN : -3, k == 0 ? -3 : NAN};
        const double sum = mr_density_add_draw(1, mr_density_add_draw(0, 0, draws[0]), draws[1]);
        cr_expect_eq(sum, -3, "%g", sum);
    }
    cr_expect_eq(mr_density_add_draw(1, mr_density_add_draw(0, 0, NAN), NAN), none);
    cr_expect_float_eq(mr_density_add_draw(1, -3, -3), -3 + log(2), 1e-15);
}

// log P of a Gaussian, by its distribution function.
Test(pixels, importance_samples_of_uniform_noise_find_the_probability_of_a_gaussian) {
    enum { PIXELS = 2, DRAWS = 20000 };
    static unsigned char pixels[] = {80, 100};
    const mr_images images = {
        .n = 1, .channels = 1, .height = 1, .width = PIXELS, .pixels = pixels};
    mr_density *density = dequantised("gaussian", "uniform", 1, PIXELS, 8);
    double log_prob, exact = 0;
    set_scale(density, 95, 8);
    for (size_t j = 0; j < PIXELS; j++)
        exact += log(
            (erf((pixels[j] + 1 - 95) / (8 * sqrt(2))) - erf((pixels[j] - 95) / (8 * sqrt(2)))) /
            2);
    cr_assert_eq(mr_images_log_prob(density, 1, 5, DRAWS, &images, 0, 1, NULL, &log_prob), MR_OK);
    // The slope of log p is below 0.25 a level: p's deviation over a level is below 0.1 of its
    // mean.
    cr_expect_float_eq(log_prob, exact, 5 * 0.1 / sqrt(DRAWS));
    mr_density_free(density);
}

// One pixel in all images: only their noise tells their scores apart.
Test(pixels, the_noise_of_an_image_depends_on_its_number_and_not_on_the_block) {
    enum { HALF = N / 2 };
    double whole[N], blocks[N];
    mr_images images = images_of(false);
    memset(images.pixels, 100, (size_t)N * DIM);
    mr_density *density = dequantised("gaussian", "variational", HEIGHT, WIDTH, 8);
    set_scale(density, 100, 1);
    cr_assert_eq(mr_images_log_prob(density, 1, 5, 3, &images, 0, N, NULL, whole), MR_OK);
    cr_assert_eq(mr_images_log_prob(density, 1, 5, 3, &images, 0, HALF, NULL, blocks), MR_OK);
    cr_assert_eq(mr_images_log_prob(density, 1, 5, 3, &images, HALF, N - HALF, NULL, blocks + HALF),
                 MR_OK);
    for (size_t i = 0; i < N; i++)
        cr_expect_float_eq(blocks[i], whole[i], 1e-4, "image %zu: %g and %g", i, blocks[i],
                           whole[i]); // float32, by other sizes of products
    for (size_t i = 0; i < HALF; i++)
        cr_expect_neq(blocks[i], blocks[HALF + i], "images %zu and %zu", i, HALF + i);
    mr_density_free(density);
    mr_images_free(&images);
}

Test(pixels, the_dequantisation_is_remembered_by_a_model_file) {
    double before[N], after[N];
    char *bytes = NULL;
    size_t n_bytes = 0;
    mr_images images = images_of(false);
    mr_density *density = dequantised("maf:layers=1,hidden=8", "variational", HEIGHT, WIDTH, 8);
    mr_density *loaded = NULL;
    set_scale(density, 120, 20);
    perturb(density);
    cr_assert_eq(mr_density_save(density, "m"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_load("m", &loaded), MR_OK, "%s", mr_error_message());
    cr_expect_str_eq(mr_density_dequantisation(loaded), mr_density_dequantisation(density));
    cr_assert_eq(mr_images_log_prob(density, 1, 1, 3, &images, 0, N, NULL, before), MR_OK);
    cr_assert_eq(mr_images_log_prob(loaded, 1, 1, 3, &images, 0, N, NULL, after), MR_OK);
    cr_expect_arr_eq(before, after, sizeof before);
    cr_assert_eq(mr_file_read("m", &bytes, &n_bytes), MR_OK);
    cr_expect_not_null(memmem(bytes, n_bytes, "drawn from q (variational", 25));
    free(bytes);
    mr_density_free(density);
    mr_density_free(loaded);
    mr_images_free(&images);
}

// Saves a density, with a text in the file replaced by another one as long, and reads it back.
static mr_status read_edited(const mr_density *density, const char *text, const char *by) {
    char *bytes = NULL;
    size_t n_bytes = 0;
    mr_density *loaded = NULL;
    cr_assert_eq(mr_density_save(density, "m"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_file_read("m", &bytes, &n_bytes), MR_OK);
    char *place = memmem(bytes, n_bytes, text, strlen(text));
    cr_assert(place && strlen(text) == strlen(by), "%s", text);
    memcpy(place, by, strlen(by));
    const mr_status status = mr_density_load_memory(bytes, n_bytes, &loaded);
    mr_density_free(loaded);
    free(bytes);
    return status;
}

Test(pixels, a_file_names_the_dequantisation_that_cannot_be) {
    mr_density *density = dequantised("gaussian", "variational", HEIGHT, WIDTH, 8);
    cr_expect_eq(read_edited(density, "[coupling(affine", "[couplign(affine"), MR_ERR_INPUT);
    scratch_expect_message("its metadata's 'dequantisation' is '[couplign(affine");
    cr_expect_eq(read_edited(density, "gaussian", "gausisan"), MR_ERR_INPUT);
    scratch_expect_message("its metadata's 'flow' is 'gausisan'");
    cr_expect_eq(read_edited(density, "\"format_version\":\"3\"", "\"format_version\":\"2\""),
                 MR_ERR_INPUT);
    scratch_expect_message("its metadata's 'dequantisation' is '[coupling(affine");
    mr_density_free(density);
}

enum { ALL = DIM + 1 };

// A density of pixels whose noise a flow draws, one (or ALL) of which, or the class, has a support
// of its own; all others lie between -1 and 9.
static mr_density *dequantised_with(size_t column, mr_support own, bool has_class) {
    mr_density *density = NULL;
    mr_support support[DIM + 1];
    for (size_t j = 0; j < DIM + 1; j++)
        support[j] = j == column || column == ALL ? own : (mr_support){MR_SUPPORT_BOUNDED, -1, 9};
    cr_assert_eq(mr_density_create_dequantised(&(mr_density_spec){.flow = "gaussian",
                                                                  .use = MR_FLOW_TO_SCORE,
                                                                  .dim = DIM,
                                                                  .given_dim = has_class,
                                                                  .support = support,
                                                                  .channels = 1,
                                                                  .height = HEIGHT,
                                                                  .width = WIDTH},
                                               "variational", 1, &density),
                 MR_OK, "%s", mr_error_message());
    return density;
}

Test(pixels, a_file_whose_pixels_differ_is_refused_with_variational_dequantisation) {
    static char *names[] = {"one"};
    static const struct {
        size_t column;
        mr_support own;
    } cases[] = {
        {3, {MR_SUPPORT_BOUNDED, -1, 10}},
        {3, {MR_SUPPORT_BOUNDED, -2, 9}},
        {3, {MR_SUPPORT_LINE, 0, 0}},
        {0, {MR_SUPPORT_LINE, 0, 0}},
        {3, {MR_SUPPORT_CATEGORY, 0, 3}},
        {DIM, {MR_SUPPORT_CATEGORY, 0, 3}},
        {ALL, {MR_SUPPORT_BOUNDED, -1, INFINITY}},
    };
    for (size_t k = 0; k < MR_COUNT(cases); k++) {
        mr_density *density = dequantised_with(cases[k].column, cases[k].own, true);
        cr_assert_eq(mr_density_set_pixels(
                         density, &(mr_pixels){.bits = 3, .n_classes = 1, .classes = names}),
                     MR_OK);
        cr_expect_eq(read_edited(density, "", ""), MR_ERR_INPUT, "case %zu", k);
        scratch_expect_message("its metadata's 'supports' is '");
        mr_density_free(density);
    }
    mr_density *density = dequantised_with(0, (mr_support){MR_SUPPORT_BOUNDED, -1, 9}, false);
    cr_expect_eq(read_edited(density, "", ""), MR_ERR_INPUT);
    scratch_expect_message("pixels");
    cr_assert_eq(mr_density_set_pixels(density, &(mr_pixels){.bits = 3}), MR_OK);
    cr_expect_eq(read_edited(density, "", ""), MR_OK, "%s", mr_error_message());
    for (size_t k = 0; k < 2; k++) {
        set_scale(density, 0, 1);
        (k == 0 ? density->shift : density->scale)[4] = 0.5;
        cr_expect_eq(read_edited(density, "", ""), MR_ERR_INPUT);
        scratch_expect_message(k == 0 ? "its 'shift' differs between pixels"
                                      : "its 'scale' differs between pixels");
    }
    mr_density_free(density);
}

Test(pixels, a_dequantisation_that_is_none_is_refused) {
    static const struct {
        const char *text, *message;
        size_t height;
    } cases[] = {
        {"varational", "flow 'varational': there is no such preset", HEIGHT},
        {"[squeeze]", "squeeze changes the shape of an image", HEIGHT},
        {"variational", "dequantisation 'variational' is for the pixels of an image", 0},
    };
    for (size_t k = 0; k < MR_COUNT(cases); k++) {
        mr_density *density = NULL;
        const bool is_image = cases[k].height > 0;
        const mr_density_spec spec = {.flow = "gaussian",
                                      .use = MR_FLOW_TO_SCORE,
                                      .dim = DIM,
                                      .channels = is_image,
                                      .height = cases[k].height,
                                      .width = is_image ? WIDTH : 0};
        cr_expect_eq(mr_density_create_dequantised(&spec, cases[k].text, 1, &density), MR_ERR_USAGE,
                     "%s", cases[k].text);
        cr_expect_null(density);
        scratch_expect_message(cases[k].message);
    }
}

// The two flows have parameters of the same shapes.
Test(pixels, a_checkpoint_of_another_dequantisation_is_refused) {
    static const char *const noise[] = {
        "[coupling(spline(bound=6), net=conv, hidden=4, mask=checkerboard)]",
        "[coupling(spline(bound=5), net=conv, hidden=4, mask=checkerboard)]"};
    mr_images images = images_of(false);
    mr_fit_options options = small_fit();
    mr_fit_progress result;
    options.checkpoint = "checkpoint";
    for (size_t k = 0; k < 2; k++) {
        watched w = {.stop_after = k == 0 ? 2 : 0};
        mr_density *density = dequantised("gaussian", noise[k], HEIGHT, WIDTH, 8);
        cr_expect_eq(mr_fit_to_images(density, &images, &(mr_augmentation){0}, &options,
                                      &(mr_fit_watch){count_epoch, count_step, &w}, &w.stop,
                                      &result),
                     k == 0 ? MR_OK : MR_ERR_INPUT, "%s", mr_error_message());
        mr_density_free(density);
    }
    scratch_expect_message("checkpoint of another fit");
    mr_images_free(&images);
}

// ---- Samples

Test(pixels, a_temperature_scales_the_distance_of_samples_from_the_mean) {
    static double cold[N * DIM], plain[N * DIM];
    mr_density *density = density_of("gaussian", (mr_pixels){.bits = 8}, HEIGHT, WIDTH);
    set_scale(density, 100, 20);
    for (size_t k = 0; k < 2; k++) {
        mr_sampler *sampler;
        cr_assert_eq(mr_sampler_new(density, 1, 3, &sampler), MR_OK);
        cr_assert_eq(mr_sampler_set_temperature(sampler, k == 0 ? 0.25 : 1), MR_OK);
        cr_assert_eq(mr_sampler_draw(sampler, N, NULL, k == 0 ? cold : plain, NULL), MR_OK);
        mr_sampler_free(sampler);
    }
    for (size_t i = 0; i < N * DIM; i++)
        cr_expect_float_eq(cold[i] - 100, 0.25 * (plain[i] - 100), 1e-4);
    mr_density_free(density);
}

Test(pixels, a_temperature_must_be_above_zero_and_the_base_normal) {
    mr_density *density = NULL;
    mr_sampler *sampler;
    cr_assert_eq(mr_density_create(&(mr_density_spec){.flow = "gaussian",
                                                      .use = MR_FLOW_TO_SCORE,
                                                      .base = "student_t",
                                                      .dim = 2},
                                   1, &density),
                 MR_OK);
    cr_assert_eq(mr_sampler_new(density, 1, 3, &sampler), MR_OK);
    cr_expect_eq(mr_sampler_set_temperature(sampler, 0), MR_ERR_USAGE);
    cr_expect_eq(mr_sampler_set_temperature(sampler, -1), MR_ERR_USAGE);
    cr_expect_eq(mr_sampler_set_temperature(sampler, 0.5), MR_ERR_USAGE);
    scratch_expect_message("student_t");
    cr_expect_eq(mr_sampler_set_temperature(sampler, 1), MR_OK);
    mr_sampler_free(sampler);
    mr_density_free(density);
}

// Noise (1, 0) and (0, 1) of a Gaussian: the arc between them is the circle's quarter.
Test(pixels, between_two_images_noise_goes_along_an_arc) {
    enum { STEPS = 5 };
    static const double ends[] = {120, 100, 100, 120};
    double x[2 * STEPS];
    mr_density *density = density_of("gaussian", (mr_pixels){.bits = 8}, 1, 2);
    set_scale(density, 100, 20);
    cr_assert_eq(mr_density_interpolate(density, ends, STEPS, x), MR_OK, "%s", mr_error_message());
    for (size_t i = 0; i < STEPS; i++) {
        const double angle = 1.57079632679489662 * (double)i / (STEPS - 1);
        cr_expect_float_eq(x[2 * i], 100 + 20 * cos(angle), 1e-4);
        cr_expect_float_eq(x[2 * i + 1], 100 + 20 * sin(angle), 1e-4);
    }
    cr_expect_eq(mr_density_interpolate(density, ends, 1, x), MR_ERR_USAGE);
    mr_density_free(density);
}

Test(pixels, the_way_between_two_images_begins_and_ends_at_them) {
    double ends[2 * DIM], x[3 * DIM];
    mr_density *density =
        density_of("nsf:layers=2,hidden=8", (mr_pixels){.bits = 8, .logit = 0.01}, HEIGHT, WIDTH);
    set_scale(density, 0, 1);
    perturb(density);
    for (size_t j = 0; j < 2 * DIM; j++)
        ends[j] = 60 + 5 * (double)j;
    cr_assert_eq(mr_density_interpolate(density, ends, 3, x), MR_OK, "%s", mr_error_message());
    for (size_t j = 0; j < DIM; j++) {
        cr_expect_float_eq(x[j], ends[j], 0.01, "%g, not %g", x[j], ends[j]);
        cr_expect_float_eq(x[2 * DIM + j], ends[DIM + j], 0.01);
    }
    mr_density_free(density);
}
