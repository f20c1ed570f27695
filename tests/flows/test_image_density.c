// Densities of images: shape, standardising, files.

#include "flows/density.h"

#include <math.h>

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
