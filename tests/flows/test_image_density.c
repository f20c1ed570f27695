// Densities of images: shape, standardising, files.

#include "flows/density.h"
#include "millrace/fit.h"

#include <math.h>
#include <string.h>

#include "tests/scratch.h"

TestSuite(image_density, .init = scratch_enter, .fini = scratch_leave);

enum { N = 200, CHANNELS = 2, HEIGHT = 3, WIDTH = 4, DIM = CHANNELS * HEIGHT * WIDTH };

static mr_density_spec spec_of(const char *flow) {
    return (mr_density_spec){.flow = flow,
                             .use = MR_FLOW_TO_SCORE,
                             .dim = DIM,
                             .channels = CHANNELS,
                             .height = HEIGHT,
                             .width = WIDTH};
}

static mr_density *density_of(const mr_density_spec *spec) {
    mr_density *density = NULL;
    cr_assert_eq(mr_density_create(spec, 3, &density), MR_OK, "%s", mr_error_message());
    return density;
}

// Pixels of different means and deviations, the first of which is constant.
static void draw_images(size_t width, double *x) {
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 1);
    for (size_t i = 0; i < N * width; i++) {
        const double j = (double)(i % width);
        x[i] = 100 + 10 * j + j * mr_random_normal(&random);
    }
}

static void expect_shape(const mr_density *density) {
    size_t channels, height, width;
    mr_density_shape(density, &channels, &height, &width);
    cr_expect_eq(channels, CHANNELS);
    cr_expect_eq(height, HEIGHT);
    cr_expect_eq(width, WIDTH);
}

Test(image_density, pixels_share_one_shift_and_one_scale) {
    static double x[N * DIM];
    double mean = 0, variance = 0;
    const mr_density_spec spec = spec_of("gaussian");
    mr_density *density = density_of(&spec);
    draw_images(DIM, x);
    cr_assert_eq(mr_density_start(density, N, x, NULL), MR_OK, "%s", mr_error_message());
    for (size_t i = 0; i < N * DIM; i++)
        mean += x[i] / (N * DIM);
    for (size_t i = 0; i < N * DIM; i++)
        variance += (x[i] - mean) * (x[i] - mean) / (N * DIM);
    for (size_t j = 0; j < DIM; j++) {
        cr_expect_float_eq(mr_density_shift(density)[j], mean, 1e-10);
        cr_expect_float_eq(mr_density_scale(density)[j], sqrt(variance), 1e-10);
    }
    mr_density_free(density);
}

// A given column, of a class for instance, is standardised by itself.
Test(image_density, given_columns_have_a_scale_of_their_own) {
    static double x[N * (DIM + 1)];
    mr_density_spec spec = spec_of("gaussian");
    spec.given_dim = 1;
    mr_density *density = density_of(&spec);
    draw_images(DIM + 1, x);
    for (size_t i = 0; i < N; i++)
        x[i * (DIM + 1) + DIM] = i % 2 == 0 ? 1 : 0;
    cr_assert_eq(mr_density_start(density, N, x, NULL), MR_OK, "%s", mr_error_message());
    cr_expect_float_eq(mr_density_shift(density)[DIM], 0.5, 1e-12);
    cr_expect_float_eq(mr_density_scale(density)[DIM], 0.5, 1e-12);
    mr_density_free(density);
}

Test(image_density, a_file_brings_back_the_shape) {
    static double x[N * DIM], before[N], after[N];
    const mr_density_spec spec = spec_of("maf:layers=1,hidden=8");
    mr_density *density = density_of(&spec), *loaded = NULL;
    draw_images(DIM, x);
    cr_assert_eq(mr_density_start(density, N, x, NULL), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_save(density, "image"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_load("image", &loaded), MR_OK, "%s", mr_error_message());
    expect_shape(loaded);
    cr_assert_eq(mr_density_log_prob(density, 1, N, x, before), MR_OK);
    cr_assert_eq(mr_density_log_prob(loaded, 1, N, x, after), MR_OK);
    cr_expect_arr_eq(before, after, sizeof before);
    mr_density_free(density);
    mr_density_free(loaded);
}

Test(image_density, a_file_with_another_shape_is_refused) {
    static const char *const shapes[] = {"2x3x5", "2x3x0", "2x34x", "24x3x"};
    char *bytes = NULL;
    size_t n_bytes = 0;
    const mr_density_spec spec = spec_of("gaussian");
    mr_density *density = density_of(&spec), *loaded = NULL;
    cr_assert_eq(mr_density_save(density, "image"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_file_read("image", &bytes, &n_bytes), MR_OK);
    char *shape = memmem(bytes, n_bytes, "2x3x4", 5);
    cr_assert_not_null(shape);
    for (size_t i = 0; i < MR_COUNT(shapes); i++) {
        memcpy(shape, shapes[i], 5);
        cr_expect_eq(mr_density_load_memory(bytes, n_bytes, &loaded), MR_ERR_INPUT);
        scratch_expect_message("'shape' is '");
        scratch_expect_message(shapes[i]);
    }
    cr_expect_null(loaded);
    free(bytes);
    mr_density_free(density);
}

Test(image_density, a_vector_has_no_shape) {
    size_t channels = 7, height = 7, width = 7;
    const mr_density_spec spec = {.flow = "gaussian", .use = MR_FLOW_TO_SCORE, .dim = 2};
    mr_density *density = density_of(&spec);
    mr_density_shape(density, &channels, &height, &width);
    cr_expect(channels == 0 && height == 0 && width == 0);
    mr_density_shape(NULL, &channels, &height, &width);
    cr_expect(channels == 0 && height == 0 && width == 0);
    mr_density_free(density);
}

Test(image_density, a_shape_of_other_features_is_refused) {
    mr_density *density = NULL;
    mr_density_spec spec = spec_of("gaussian");
    spec.height = HEIGHT + 1;
    cr_expect_eq(mr_density_create(&spec, 1, &density), MR_ERR_USAGE);
    scratch_expect_message(
        "an image of 2 channels, 4 rows and 4 columns does not have 24 features");
    spec.height = 0;
    cr_expect_eq(mr_density_create(&spec, 1, &density), MR_ERR_USAGE);
    cr_expect_null(density);
}

// ---- Flows of images

static const double log_2_pi = 1.8378770664093454836;

// One step of actnorm standardises each channel, so the density is a Gaussian with the mean and
// deviation of each.
Test(image_density, actnorm_starts_by_standardising_channels) {
    static double x[N * DIM], log_prob[N];
    const size_t n_places = HEIGHT * WIDTH;
    double mean[CHANNELS] = {0}, variance[CHANNELS] = {0};
    const mr_density_spec spec = spec_of("[actnorm]");
    mr_density *density = density_of(&spec);
    draw_images(DIM, x);
    cr_assert_eq(mr_density_start(density, N, x, NULL), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_log_prob(density, 1, N, x, log_prob), MR_OK);
    for (size_t i = 0; i < N * DIM; i++)
        mean[i / n_places % CHANNELS] += x[i] / (double)(N * n_places);
    for (size_t i = 0; i < N * DIM; i++)
        variance[i / n_places % CHANNELS] +=
            pow(x[i] - mean[i / n_places % CHANNELS], 2) / (double)(N * n_places);
    for (size_t i = 0; i < N; i++) {
        double expected = 0;
        for (size_t j = 0; j < DIM; j++) {
            const double v = variance[j / n_places];
            expected -=
                pow(x[i * DIM + j] - mean[j / n_places], 2) / (2 * v) + (log_2_pi + log(v)) / 2;
        }
        cr_expect_float_eq(log_prob[i], expected, 1e-4); // 24 numbers of order 5 in float32
    }
    mr_density_free(density);
}

static void expect_flow(const char *text, size_t channels, size_t height, size_t width,
                        const char *full) {
    const mr_density_spec spec = {.flow = text,
                                  .use = MR_FLOW_TO_SCORE,
                                  .dim = channels * height * width,
                                  .channels = channels,
                                  .height = height,
                                  .width = width};
    mr_density *density = density_of(&spec);
    cr_expect_str_eq(mr_density_flow(density), full);
    mr_density_free(density);
}

Test(image_density, glow_halves_an_image_as_often_as_it_can) {
    expect_flow("glow:steps=1,channels=4", 1, 28, 28, "image_glow:levels=2,steps=1,channels=4");
    expect_flow("glow:steps=1,channels=4", 3, 16, 32, "image_glow:levels=3,steps=1,channels=4");
    expect_flow("image_glow:levels=1,steps=1,channels=4", 1, 8, 8,
                "image_glow:levels=1,steps=1,channels=4");
}

Test(image_density, samples_carry_the_log_density_that_scoring_finds) {
    enum { N_IMAGES = 40, SIZE = 8, N_PIXELS = SIZE * SIZE, N_CLASSES = 2 };
    static double x[N_IMAGES * N_PIXELS], rows[N_IMAGES * (N_PIXELS + N_CLASSES)];
    static double given[N_IMAGES * N_CLASSES], sampled[N_IMAGES], scored[N_IMAGES];
    const mr_density_spec spec = {.flow = "glow:steps=2,channels=4",
                                  .use = MR_FLOW_TO_SCORE,
                                  .dim = N_PIXELS,
                                  .given_dim = N_CLASSES,
                                  .channels = 1,
                                  .height = SIZE,
                                  .width = SIZE};
    mr_density *density = density_of(&spec), *loaded = NULL;
    mr_params *params = mr_density_params(density);
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < mr_params_trained_size(params); i++)
        mr_params_value(params)[i] += (mr_real)(0.05 * mr_random_normal(&random));
    for (size_t i = 0; i < N_IMAGES; i++)
        given[i * N_CLASSES + i % N_CLASSES] = 1;
    cr_assert_eq(mr_density_save(density, "glow"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_load("glow", &loaded), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_sample_given(loaded, 2, 9, N_IMAGES, given, x, sampled), MR_OK, "%s",
                 mr_error_message());
    for (size_t i = 0; i < N_IMAGES; i++) {
        double *row = rows + i * (N_PIXELS + N_CLASSES);
        memcpy(row, x + i * N_PIXELS, N_PIXELS * sizeof *row);
        memcpy(row + N_PIXELS, given + i * N_CLASSES, N_CLASSES * sizeof *row);
    }
    cr_assert_eq(mr_density_log_prob(density, 1, N_IMAGES, rows, scored), MR_OK);
    for (size_t i = 0; i < N_IMAGES; i++)
        cr_expect_float_eq(sampled[i], scored[i], 1e-3); // sums of size 100 in float32
    mr_density_free(density);
    mr_density_free(loaded);
}

Test(image_density, fewer_samples_are_the_first_of_more) {
    enum { SIZE = 4, N_PIXELS = SIZE * SIZE, FEW = 5, MANY = 70 };
    static double given[MANY], few[FEW * N_PIXELS], many[MANY * N_PIXELS];
    const mr_density_spec spec = {.flow = "glow:steps=2,channels=4",
                                  .use = MR_FLOW_TO_SCORE,
                                  .dim = N_PIXELS,
                                  .given_dim = 1,
                                  .channels = 1,
                                  .height = SIZE,
                                  .width = SIZE};
    mr_density *density = density_of(&spec);
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 0);
    mr_params *params = mr_density_params(density);
    for (size_t i = 0; i < mr_params_trained_size(params); i++)
        mr_params_value(params)[i] += (mr_real)(0.05 * mr_random_normal(&random));
    for (size_t i = 0; i < MANY; i++)
        given[i] = (double)i / 10;
    cr_assert_eq(mr_density_sample_given(density, 1, 9, FEW, given, few, NULL), MR_OK);
    cr_assert_eq(mr_density_sample_given(density, 1, 9, MANY, given, many, NULL), MR_OK);
    cr_expect_arr_eq(few, many, sizeof few);
    mr_density_free(density);
}

// Images of two kinds, the left half bright or the right one, with noise of deviation 0.3 on each
// pixel: a Gaussian of each pixel misses the truth by 16 log(sqrt(1.09) / 0.3) - log 2 = 19.3 nats.
// Seven eighths of them are asked for.
Test(image_density, fits_find_what_pixels_have_in_common) {
    enum { SIZE = 4, N_PIXELS = SIZE * SIZE, N_IMAGES = 1000 };
    static const char *const flows[] = {"glow:steps=2,channels=16", "real_nvp:steps=2,channels=8"};
    static double x[N_IMAGES * N_PIXELS];
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 3);
    for (size_t i = 0; i < N_IMAGES; i++) {
        const double sign = mr_random_uniform(&random) < 0.5 ? -1 : 1;
        for (size_t j = 0; j < N_PIXELS; j++)
            x[i * N_PIXELS + j] =
                (j % SIZE < SIZE / 2 ? sign : -sign) + 0.3 * mr_random_normal(&random);
    }
    const double of_gaussian = -N_PIXELS * (log_2_pi + 1 + log(1.09)) / 2;
    for (size_t k = 0; k < MR_COUNT(flows); k++) {
        const mr_density_spec spec = {.flow = flows[k],
                                      .use = MR_FLOW_TO_SCORE,
                                      .dim = N_PIXELS,
                                      .channels = 1,
                                      .height = SIZE,
                                      .width = SIZE};
        mr_density *density = density_of(&spec);
        mr_fit_options options = mr_fit_defaults();
        mr_fit_progress progress;
        options.lr = 3e-3;
        options.batch_size = 50;
        options.max_epochs = 15;
        cr_assert_eq(mr_fit(density, N_IMAGES, x, &options, NULL, NULL, NULL, &progress), MR_OK,
                     "%s", mr_error_message());
        cr_expect_gt(progress.best_log_prob, of_gaussian + 0.875 * 19.3, "%s: %g nats above",
                     flows[k], progress.best_log_prob - of_gaussian);
        mr_density_free(density);
    }
}

static void expect_refused(const char *flow, mr_flow_use use, size_t channels, size_t height,
                           size_t width, const char *message) {
    mr_density *density = NULL;
    const bool is_vector = height * width == 1;
    const mr_density_spec spec = {.flow = flow,
                                  .use = use,
                                  .dim = channels * height * width,
                                  .channels = is_vector ? 0 : channels,
                                  .height = is_vector ? 0 : height,
                                  .width = is_vector ? 0 : width};
    cr_expect_eq(mr_density_create(&spec, 1, &density), MR_ERR_USAGE, "%s", flow);
    cr_expect_null(density);
    scratch_expect_message(message);
}

Test(image_density, a_flow_without_a_form_for_the_shape_is_refused) {
    expect_refused("image_glow:levels=3", MR_FLOW_TO_SCORE, 1, 28, 28,
                   "squeeze needs an image of even height and width, and one of 4 channels and "
                   "7 x 7 pixels reaches it; give other parts or fewer levels, or scale the");
    expect_refused("image_glow", MR_FLOW_TO_SCORE, 4, 1, 1,
                   "squeeze needs an image of even height and width, and a vector reaches it");
    expect_refused("[factor_out]", MR_FLOW_TO_SCORE, 1, 4, 4,
                   "factor_out needs an image of two or more channels, and one of 1 channels");
    expect_refused("[squeeze]", MR_FLOW_TO_SAMPLE, 1, 4, 4,
                   "squeeze goes from the data to the base, and this is its inverse; write it in "
                   "inverse(...)");
    expect_refused("[factor_out, logit]", MR_FLOW_TO_SCORE, 2, 4, 4,
                   "logit stands behind factor_out");
    expect_refused(
        "[coupling(affine, mask=channels)]", MR_FLOW_TO_SCORE, 1, 4, 4,
        "coupling has mask=channels, and an image of one channel reaches it; put squeeze "
        "in front, or take mask=checkerboard");
    expect_refused("[coupling(affine, mask=checkerboard)]", MR_FLOW_TO_SCORE, 4, 1, 1,
                   "coupling has mask=checkerboard, which is for images, and a vector reaches it");
    expect_refused("[coupling(affine, net=conv)]", MR_FLOW_TO_SCORE, 2, 4, 4,
                   "coupling has net=conv, for which pixels must keep their places; take "
                   "mask=channels or checkerboard");
}
