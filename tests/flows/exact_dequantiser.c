// Variational dequantisation in double precision: against the probabilities of all images of one
// and two pixels, and its gradients against differences.

#include "flows/density_internal.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(dequantiser, .timeout = 300);

enum { LEVELS = 8 };

static const double shift = 4, scale = 1.5;

// A density of grey images in one row, over whose pixels the noise is drawn by `noise`; with
// `has_logit` over the logit of pixels between -1/2 and LEVELS + 1/2.
static mr_density *density_with_logit(const char *flow, const char *noise, size_t dim,
                                      size_t n_classes, bool has_logit) {
    mr_density *density = NULL;
    mr_support support[8] = {{0}};
    for (size_t j = 0; j < dim && has_logit; j++)
        support[j] = (mr_support){MR_SUPPORT_BOUNDED, -0.5, LEVELS + 0.5};
    cr_assert_eq(mr_density_create_dequantised(&(mr_density_spec){.flow = flow,
                                                                  .use = MR_FLOW_TO_SCORE,
                                                                  .dim = dim,
                                                                  .given_dim = n_classes,
                                                                  .support = support,
                                                                  .channels = 1,
                                                                  .height = 1,
                                                                  .width = dim},
                                               noise, 5, &density),
                 MR_OK, "%s", mr_error_message());
    double of_shift[8] = {0}, of_scale[8];
    for (size_t j = 0; j < dim + n_classes; j++) {
        of_shift[j] = j < dim && !has_logit ? shift : 0;
        of_scale[j] = j < dim && !has_logit ? scale : 1;
    }
    cr_assert_eq(mr_density_set_scale(density, of_shift, of_scale), MR_OK);
    return density;
}

static mr_density *density_of(const char *flow, const char *noise, size_t dim, size_t n_classes) {
    return density_with_logit(flow, noise, dim, n_classes, false);
}

// Numbers of the parameters but for those of the noise, which come last.
static size_t count_others(const mr_density *density) {
    const mr_density_spec spec = {.flow = mr_density_flow(density),
                                  .use = MR_FLOW_TO_SCORE,
                                  .dim = density->dim,
                                  .given_dim = density->given_dim,
                                  .channels = 1,
                                  .height = 1,
                                  .width = density->dim};
    mr_density *plain = NULL;
    cr_assert_eq(mr_density_create(&spec, 5, &plain), MR_OK);
    const size_t n = mr_params_trained_size(mr_density_params(plain));
    mr_density_free(plain);
    return n;
}

// Moves parameters by normal noise.
static void move(mr_density *density, bool of_noise, double size) {
    mr_params *params = mr_density_params(density);
    mr_random random = mr_random_stream(8, MR_STREAM_TEST, 2);
    const size_t n_others = count_others(density);
    const size_t first = of_noise ? n_others : 0;
    const size_t end = of_noise ? mr_params_trained_size(params) : n_others;
    for (size_t i = first; i < end; i++)
        mr_params_value(params)[i] += size * mr_random_normal(&random);
}

// ---- Noise

typedef struct {
    mr_graph *graph;
    mr_node *pixels, *classes, *u, *log_q;
} noise;

static noise noise_of(const mr_density *density, size_t n_rows) {
    noise s = {0};
    const size_t n_classes = mr_density_given_dim(density);
    cr_assert_eq(mr_graph_new(n_rows, 1, &s.graph), MR_OK);
    s.pixels = mr_input(s.graph, mr_density_dim(density), false);
    s.classes = n_classes > 0 ? mr_input(s.graph, n_classes, false) : NULL;
    s.u = mr_keep(
        mr_dequantiser_build(density->noise, density->params, s.pixels, s.classes, &s.log_q));
    mr_keep(s.log_q);
    cr_assert_eq(mr_graph_plan(s.graph, NULL, 0, NULL), MR_OK);
    return s;
}

static void draw(noise *s, size_t n_rows) {
    mr_random random = mr_random_stream(8, MR_STREAM_TEST, 3);
    mr_graph_draw(s->graph, n_rows, &random);
    mr_graph_run(s->graph, n_rows);
}

Test(dequantiser, starts_as_uniform_noise) {
    enum { ROWS = 4000, DIM = 3 };
    mr_density *density = density_of("[]", "variational", DIM, 0);
    noise s = noise_of(density, ROWS);
    double mean = 0, square = 0;
    for (size_t i = 0; i < ROWS * DIM; i++)
        mr_node_value(s.pixels)[i] = (mr_real)(i % LEVELS) - 4;
    draw(&s, ROWS);
    for (size_t i = 0; i < ROWS * DIM; i++) {
        const double u = mr_node_value(s.u)[i];
        cr_assert(u > 0 && u < 1);
        mean += u / (ROWS * DIM);
        square += u * u / (ROWS * DIM);
    }
    for (size_t i = 0; i < ROWS; i++)
        cr_assert_float_eq(mr_node_value(s.log_q)[i], 0, 1e-12);
    cr_expect_float_eq(mean, 0.5, 5 * sqrt(1. / 12 / (ROWS * DIM)));
    cr_expect_float_eq(square, 1. / 3, 5 * sqrt(4. / 45 / (ROWS * DIM)));
    mr_graph_free(s.graph);
    mr_density_free(density);
}

// E 1 / q(u) over u of density q on (0, 1)^dim is 1, whatever q is. Its deviation for one draw is
// below 3 here.
Test(dequantiser, densities_of_the_noise_integrate_to_one) {
    enum { ROWS = 20000 };
    static const char *const flows[] = {"variational",
                                        "[coupling(spline(bins=4), hidden=8), affine]"};
    for (size_t k = 0; k < MR_COUNT(flows); k++) {
        mr_density *density = density_of("[]", flows[k], 2, 2);
        noise s = noise_of(density, ROWS);
        double sum = 0, largest = 0;
        move(density, true, 0.15);
        for (size_t i = 0; i < ROWS; i++) {
            mr_node_value(s.pixels)[2 * i] = 0.5;
            mr_node_value(s.pixels)[2 * i + 1] = -1;
            mr_node_value(s.classes)[2 * i] = 1;
        }
        draw(&s, ROWS);
        for (size_t i = 0; i < ROWS; i++) {
            sum += exp(-mr_node_value(s.log_q)[i]) / ROWS;
            largest = fmax(largest, fabs(mr_node_value(s.log_q)[i]));
        }
        cr_expect_float_eq(sum, 1, 5 * 3 / sqrt(ROWS), "%s: %g", flows[k], sum);
        cr_expect_gt(largest, 0.2, "%s: the noise is still uniform", flows[k]);
        mr_graph_free(s.graph);
        mr_density_free(density);
    }
}

// The noise of a pixel follows from the pixels around it and the class.
Test(dequantiser, sees_pixels_and_classes) {
    enum { DIM = 3, ROWS = 3, CLASSES = 2 };
    mr_density *density = density_of("[]", "variational", DIM, CLASSES);
    noise s = noise_of(density, ROWS);
    move(density, true, 0.2);
    mr_node_value(s.pixels)[2] = 1;        // in the first row
    mr_node_value(s.classes)[CLASSES] = 1; // in the second row
    draw(&s, ROWS);
    double of_row[ROWS][DIM];
    memcpy(of_row, mr_node_value(s.u), sizeof of_row);
    memset(mr_node_value(s.pixels), 0, ROWS * DIM * sizeof(mr_real));
    memset(mr_node_value(s.classes), 0, ROWS * CLASSES * sizeof(mr_real));
    draw(&s, ROWS);
    for (size_t j = 0; j < DIM; j++) {
        cr_expect_neq(mr_node_value(s.u)[j], of_row[0][j]);
        cr_expect_neq(mr_node_value(s.u)[DIM + j], of_row[1][j]);
        cr_expect_eq(mr_node_value(s.u)[2 * DIM + j], of_row[2][j]);
    }
    mr_graph_free(s.graph);
    mr_density_free(density);
}

// ---- Probabilities of all images

static double normal_cdf(double x) {
    return erfc(-x / sqrt(2)) / 2;
}

// log (mean p / q) of n_draws for images [n x width].
static void bound(const mr_density *density, size_t n_draws, size_t n, const double *x,
                  double *log_prob) {
    size_t n_impossible = 0;
    cr_assert_eq(mr_density_score_samples(density, 1, 3, n_draws, 0, n, x, log_prob, &n_impossible),
                 MR_OK);
    cr_assert_eq(n_impossible, 0);
}

// P(k) is a Gaussian's mass between k and k + 1, or between their logits. The deviation of p / q
// for one draw, as a fraction of its mean, is below 1.5 here. Single draws are a bound from below.
static void check_pixel(bool has_logit) {
    enum { DRAWS = 40000, REPEATS = 2000 };
    static double many[LEVELS * REPEATS], of_one[LEVELS * REPEATS];
    mr_density *density = density_with_logit("[]", "[affine]*2", 1, 0, has_logit);
    double found[LEVELS], one[LEVELS] = {0};
    move(density, true, 0.1);
    for (size_t k = 0; k < LEVELS * REPEATS; k++)
        many[k] = (double)(k % LEVELS);
    bound(density, DRAWS, LEVELS, many, found);
    bound(density, 1, LEVELS * REPEATS, many, of_one);
    for (size_t k = 0; k < LEVELS * REPEATS; k++)
        one[k % LEVELS] += of_one[k] / REPEATS;
    for (size_t k = 0; k < LEVELS; k++) {
        double edge[2];
        for (size_t e = 0; e < 2; e++) {
            const double x = (double)(k + e);
            edge[e] = has_logit ? log((x + 0.5) / (LEVELS + 0.5 - x)) : (x - shift) / scale;
        }
        const double exact = normal_cdf(edge[1]) - normal_cdf(edge[0]);
        cr_expect_float_eq(found[k], log(exact), 5 * 1.5 / sqrt(DRAWS), "%zu: %g, not %g", k,
                           found[k], log(exact));
        cr_expect_lt(one[k], log(exact), "%zu: %g, not below %g", k, one[k], log(exact));
    }
    mr_density_free(density);
}

Test(dequantiser, many_draws_find_the_probability_of_a_pixel_under_a_gaussian) {
    check_pixel(false);
    check_pixel(true);
}

// The integral of p over 0 .. LEVELS in both pixels by midpoints, which is the sum of the
// probabilities of all images; and that sum by many draws of the noise for each image.
Test(dequantiser, probabilities_of_all_images_of_two_pixels_add_up_to_what_the_density_has) {
    enum { DRAWS = 4000, IMAGES = LEVELS * LEVELS, FINE = 40, POINTS = LEVELS * FINE };
    static double x[IMAGES * 2], log_prob[IMAGES], point[POINTS * POINTS * 2],
        at_point[POINTS * POINTS];
    mr_density *density = density_of("nsf:layers=2,hidden=8", "variational", 2, 0);
    mr_density *plain = density_of("nsf:layers=2,hidden=8", "uniform", 2, 0);
    double sum = 0, integral = 0;
    move(density, false, 0.1);
    move(plain, false, 0.1);
    move(density, true, 0.1);
    for (size_t i = 0; i < IMAGES; i++) {
        x[2 * i] = (double)(i % LEVELS);
        x[2 * i + 1] = (double)(i / LEVELS);
    }
    for (size_t i = 0; i < (size_t)POINTS * POINTS; i++) {
        point[2 * i] = ((double)(i % POINTS) + 0.5) / FINE;
        point[2 * i + 1] = ((double)(i / POINTS) + 0.5) / FINE;
    }
    bound(density, DRAWS, IMAGES, x, log_prob);
    cr_assert_eq(mr_density_log_prob(plain, 1, (size_t)POINTS * POINTS, point, at_point), MR_OK);
    for (size_t i = 0; i < IMAGES; i++)
        sum += exp(log_prob[i]);
    for (size_t i = 0; i < (size_t)POINTS * POINTS; i++)
        integral += exp(at_point[i]) / (FINE * FINE);
    // Deviations of p / q below 1 times the mean, of images whose largest has an eighth of the
    // mass.
    cr_expect_float_eq(sum, integral, 5 / sqrt(8 * DRAWS), "%g, not %g", sum, integral);
    // In the tails, where p is steep, the deviation is below twice the mean.
    for (size_t i = 0; i < IMAGES; i++) {
        double of_image = 0;
        for (size_t k = 0; k < FINE * FINE; k++) {
            const size_t row = i / LEVELS * FINE + k / FINE, col = i % LEVELS * FINE + k % FINE;
            of_image += exp(at_point[row * POINTS + col]) / (FINE * FINE);
        }
        cr_expect_float_eq(exp(log_prob[i]), of_image, 5 * 2 * of_image / sqrt(DRAWS),
                           "image %zu: %g, not %g", i, exp(log_prob[i]), of_image);
    }
    mr_density_free(density);
    mr_density_free(plain);
}

// ---- Gradients

// Along random directions of all parameters, the noise's base staying as it was drawn.
static void check_gradients(bool has_logit) {
    enum { ROWS = 5, DIRECTIONS = 6, DIM = 6, CLASSES = 2 };
    static const double step = 1e-6;
    mr_density *density =
        density_with_logit("maf:layers=1,hidden=8", "variational", DIM, CLASSES, has_logit);
    mr_params *params = mr_density_params(density);
    mr_random random = mr_random_stream(8, MR_STREAM_TEST, 4);
    mr_graph *graph;
    double row[ROWS * (DIM + CLASSES)];
    move(density, true, 0.1);
    move(density, false, 0.1);
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *u = mr_input(graph, DIM + CLASSES, false);
    mr_node *log_prob = mr_keep(mr_density_build_log_prob(density, u));
    cr_assert_eq(mr_graph_plan(graph, log_prob, 1, &params), MR_OK);
    for (size_t i = 0; i < ROWS * (DIM + CLASSES); i++)
        row[i] =
            i % (DIM + CLASSES) < DIM ? (double)mr_random_below(&random, LEVELS) : (double)(i % 2);
    mr_density_standardise(density, ROWS, row, mr_node_value(u));
    mr_graph_draw(graph, ROWS, &random);
    const size_t n = mr_params_size(params);
    mr_real *value = mr_params_value(params);
    double *way = calloc(n, sizeof *way);
    for (int k = 0; k < DIRECTIONS; k++) {
        double mean[2], found = 0;
        mr_graph_run(graph, ROWS);
        for (size_t i = 0; i < n; i++) {
            way[i] = mr_params_grad(params)[i] != 0 ? mr_random_normal(&random) : 0;
            found += way[i] * mr_params_grad(params)[i];
        }
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < n; i++)
                value[i] += (side ? -1 : 1) * step * way[i];
            mr_graph_run(graph, ROWS);
            mean[side] = mr_node_mean(log_prob, ROWS);
            for (size_t i = 0; i < n; i++)
                value[i] -= (side ? -1 : 1) * step * way[i];
        }
        const double difference = (mean[0] - mean[1]) / (2 * step);
        cr_expect_float_eq(found, difference, 1e-5 * (1 + fabs(difference)));
    }
    free(way);
    mr_graph_free(graph);
    mr_density_free(density);
}

Test(dequantiser, gradients_equal_central_differences) {
    check_gradients(false);
    check_gradients(true);
}
