// Maximum likelihood fits, against densities that are known.

#include "millrace/fit.h"
#include "flows/density.h"

#include <float.h>
#include <math.h>

#include "tests/scratch.h"

TestSuite(fit, .init = scratch_enter, .fini = scratch_leave);

static const double log_2_pi = 1.8378770664093454836;

enum { N = 2000, DIM = 2 };

// x ~ N(3, 2^2), y | x ~ N(bend ((x - 3)/2)^2 + (x - 3)/2, 0.5^2); the mean log-density of the rows
// in `exact`.
static void draw_data(uint64_t stream, double bend, double x[N * DIM], double *exact) {
    mr_random random = mr_random_stream(8, MR_STREAM_TEST, stream);
    *exact = -log_2_pi - log(2 * 0.5);
    for (size_t i = 0; i < N; i++) {
        const double a = mr_random_normal(&random), b = mr_random_normal(&random);
        x[i * DIM] = 3 + 2 * a;
        x[i * DIM + 1] = bend * a * a + a + 0.5 * b;
        *exact -= (a * a + b * b) / 2 / N;
    }
}

static mr_density *density_of(const char *flow) {
    mr_density *density = NULL;
    cr_assert_eq(mr_density_new(flow, MR_FLOW_TO_SCORE, DIM, 1, &density), MR_OK, "%s",
                 mr_error_message());
    return density;
}

static mr_fit_progress fit(mr_density *density, const double *x, const mr_fit_options *options) {
    mr_fit_progress result;
    cr_assert_eq(mr_fit(density, N, x, options, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    return result;
}

static double mean_log_prob(const mr_density *density, const double *x) {
    static double log_prob[N];
    double sum = 0;
    cr_assert_eq(mr_density_log_prob(density, 1, N, x, log_prob), MR_OK, "%s", mr_error_message());
    for (size_t i = 0; i < N; i++)
        sum += log_prob[i];
    return sum / N;
}

// How far a fit stays behind the exact density on fresh rows.
static double gap(const char *flow, double bend) {
    static double x[N * DIM], fresh[N * DIM];
    double exact, exact_of_fresh;
    const mr_fit_options options = mr_fit_defaults();
    draw_data(0, bend, x, &exact);
    draw_data(1, bend, fresh, &exact_of_fresh);
    mr_density *density = density_of(flow);
    fit(density, x, &options);
    const double result = exact_of_fresh - mean_log_prob(density, fresh);
    mr_density_free(density);
    return result;
}

// Five parameters estimated from 1,800 rows cost 5 / (2 * 1800) = 0.0014 nats on average (Akaike);
// ten times that bounds it, and what early stopping leaves.
Test(fit, finds_a_correlated_gaussian) {
    cr_expect_lt(gap("real_nvp:layers=2,hidden=16", 0), 0.014);
}

// The best Gaussian is 0.94 nats behind (its covariance's entropy against the exact one): a flow
// must be nearly all of the way there.
Test(fit, finds_a_curved_density_where_a_gaussian_cannot) {
    cr_expect_gt(gap("gaussian", 1), 0.5);
    cr_expect_lt(gap("real_nvp:layers=4,hidden=32", 1), 0.06);
}

Test(fit, reports_the_likelihood_of_the_parameters_that_it_leaves) {
    static double x[N * DIM];
    double exact;
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 12;
    draw_data(0, 1, x, &exact);
    mr_density *density = density_of("real_nvp:layers=2,hidden=8");
    const mr_fit_progress result = fit(density, x, &options);
    cr_expect_eq(result.epoch, 12);
    cr_expect_leq(result.held_out_log_prob, result.best_log_prob);
    // 1,800 rows trained on and 200 held out; the former's mean is from before each step.
    cr_expect_float_eq(mean_log_prob(density, x), result.best_log_prob, 0.2);
    mr_density_free(density);
}

/// Counts epochs, and asks to stop after one of them.
typedef struct {
    size_t n_epochs;
    size_t stop_after; // 0: never
    double lowest_best;
    volatile sig_atomic_t stop;
} watcher;

static void watch(void *self, const mr_fit_progress *now) {
    watcher *w = self;
    cr_expect_eq(now->epoch, w->n_epochs + 1);
    cr_expect_geq(now->best_log_prob, w->lowest_best);
    w->lowest_best = now->best_log_prob;
    w->n_epochs++;
    w->stop = w->n_epochs == w->stop_after;
}

Test(fit, stops_where_the_held_out_rows_gain_no_more) {
    static double x[N * DIM];
    double exact;
    mr_fit_options options = mr_fit_defaults();
    options.patience = 4;
    options.held_out = 0.5;
    draw_data(0, 1, x, &exact);
    mr_density *density = density_of("real_nvp:layers=2,hidden=64");
    mr_fit_progress result;
    watcher w = {.lowest_best = -INFINITY};
    cr_assert_eq(mr_fit(density, N, x, &options, watch, &w, NULL, &result), MR_OK);
    cr_expect_eq(w.n_epochs, result.epoch);
    cr_expect_eq(result.epoch, result.best_epoch + 4);
    cr_expect_lt(result.epoch, options.max_epochs);
    mr_density_free(density);
}

static void expect_same_params(const mr_density *a, const mr_density *b) {
    const mr_params *p = mr_density_params(a), *q = mr_density_params(b);
    cr_expect_arr_eq(mr_params_read(p), mr_params_read(q), mr_params_size(p) * sizeof(mr_real));
}

Test(fit, the_same_seed_gives_the_same_bits_and_another_one_others) {
    static double x[N * DIM];
    double exact;
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 3;
    options.n_threads = 2;
    draw_data(0, 1, x, &exact);
    mr_density *a = density_of("real_nvp"), *b = density_of("real_nvp"),
               *c = density_of("real_nvp");
    const mr_fit_progress first = fit(a, x, &options), second = fit(b, x, &options);
    expect_same_params(a, b);
    cr_expect_eq(first.train_log_prob, second.train_log_prob);
    options.seed = 2;
    cr_expect_neq(fit(c, x, &options).train_log_prob, first.train_log_prob);
    mr_density_free(a);
    mr_density_free(b);
    mr_density_free(c);
}

// glow has a start that depends on the data, which a checkpoint must not bring about again.
Test(fit, one_that_was_stopped_goes_on_to_the_same_bits) {
    static const char *const flows[] = {"real_nvp:hidden=8", "glow:layers=2,hidden=8"};
    static double x[N * DIM];
    double exact;
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 12;
    options.patience = 3; // so that the learning rate falls on the way
    draw_data(0, 1, x, &exact);
    for (size_t k = 0; k < MR_COUNT(flows); k++) {
        mr_density *whole = density_of(flows[k]), *parts = NULL;
        const mr_fit_progress expected = fit(whole, x, &options);
        mr_fit_progress result = {0};
        mr_fit_options resumable = options;
        resumable.checkpoint = "a.checkpoint";
        for (size_t n_epochs = 2; n_epochs <= 6; n_epochs += 2) {
            watcher w = {
                .n_epochs = result.epoch, .stop_after = n_epochs, .lowest_best = -INFINITY};
            mr_density_free(parts);
            parts = density_of(flows[k]);
            cr_assert_eq(mr_fit(parts, N, x, &resumable, watch, &w, &w.stop, &result), MR_OK, "%s",
                         mr_error_message());
        }
        cr_expect_eq(result.epoch, 6);
        mr_density_free(parts);
        parts = density_of(flows[k]);
        result = fit(parts, x, &resumable);
        expect_same_params(whole, parts);
        cr_expect_eq(memcmp(&result, &expected, sizeof result), 0);
        mr_density_free(whole);
        mr_density_free(parts);
        unlink("a.checkpoint");
    }
}

static mr_real *buffers_of(const mr_density *density, size_t *n) {
    mr_params *params = mr_density_params(density);
    *n = mr_params_size(params) - mr_params_trained_size(params);
    return mr_params_value(params) + mr_params_trained_size(params);
}

// Another shuffle than the one that the part would draw: the moving average, the best state and the
// checkpoint must all carry it.
Test(fit, buffers_go_through_early_stopping_and_checkpoints) {
    static const char flow[] = "[permutation, coupling(affine, hidden=8), lu]";
    static const mr_real order[DIM] = {0, 1}, other[DIM] = {1, 0};
    static double x[N * DIM];
    size_t n;
    double exact;
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 5;
    draw_data(0, 1, x, &exact);
    mr_density *whole = density_of(flow), *parts = density_of(flow);
    const mr_real *set = memcmp(buffers_of(whole, &n), order, sizeof order) == 0 ? other : order;
    memcpy(buffers_of(whole, &n), set, sizeof order);
    memcpy(buffers_of(parts, &n), set, sizeof order);
    fit(whole, x, &options);
    cr_expect_arr_eq(buffers_of(whole, &n), set, sizeof order);
    options.checkpoint = "a.checkpoint";
    watcher w = {.stop_after = 2, .lowest_best = -INFINITY};
    mr_fit_progress result;
    cr_assert_eq(mr_fit(parts, N, x, &options, watch, &w, &w.stop, &result), MR_OK);
    cr_expect_eq(result.epoch, 2);
    mr_density_free(parts);
    parts = density_of(flow);
    cr_expect_arr_neq(buffers_of(parts, &n), set, sizeof order);
    fit(parts, x, &options);
    expect_same_params(whole, parts);
    mr_density_free(whole);
    mr_density_free(parts);
}

Test(fit, refuses_the_checkpoint_of_another_fit) {
    static double x[N * DIM];
    double exact;
    mr_fit_progress result;
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 1;
    options.checkpoint = "a.checkpoint";
    draw_data(0, 1, x, &exact);
    mr_density *density = density_of("real_nvp"), *other = density_of("real_nvp:layers=3");
    fit(density, x, &options);
    cr_expect_eq(mr_fit(other, N, x, &options, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message("a.checkpoint is the checkpoint of another fit");
    x[0] += 1;
    cr_expect_eq(mr_fit(density, N, x, &options, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message("its data differs");
    x[0] -= 1;
    options.lr *= 2;
    cr_expect_eq(mr_fit(density, N, x, &options, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message("lr 0.004");
    scratch_write("a.checkpoint", "hello");
    cr_expect_eq(mr_fit(density, N, x, &options, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message("a.checkpoint");
    options.checkpoint = "none/a.checkpoint";
    cr_expect_eq(mr_fit(density, N, x, &options, NULL, NULL, NULL, &result), MR_ERR_IO);
    mr_density_free(density);
    mr_density_free(other);
}

Test(fit, refuses_data_that_has_no_density) {
    const double constant[] = {1, 7, 2, 7, 3, 7};
    mr_fit_progress result;
    const mr_fit_options options = mr_fit_defaults();
    mr_density *density = density_of("gaussian");
    cr_expect_eq(mr_fit(density, 3, constant, &options, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message(
        "1 of 2 columns are the same in every row, so they have no density: 2 (7)");
    cr_expect_eq(mr_fit(density, 1, constant, &options, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message("a fit needs two");
    mr_density_free(density);
}

Test(fit, names_all_constant_columns_at_once) {
    const double x[] = {7, -2, 7, -2, 7, -2};
    mr_fit_progress result;
    const mr_fit_options options = mr_fit_defaults();
    mr_density *density = density_of("gaussian");
    cr_expect_eq(mr_fit(density, 3, x, &options, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message("1 (7), 2 (-2)");
    mr_density_free(density);
}

// ---- Weights

enum { N_WEIGHED = 20 };

// Rows with weights of 1, 2 and 3, and the same with so many copies instead.
static size_t repeat_rows(const double *x, const double *weights, double *repeated) {
    size_t n = 0;
    for (size_t i = 0; i < N_WEIGHED; i++)
        for (size_t k = 0; k < (size_t)weights[i]; k++, n++)
            memcpy(repeated + n * DIM, x + i * DIM, DIM * sizeof *x);
    return n;
}

/// What is left of a short fit of all but one row in full batches.
typedef struct {
    mr_density *density;
    mr_fit_progress result;
} short_fit;

static short_fit fit_all_but_one(size_t n, const double *x, const double *weights, uint64_t seed) {
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 1;
    options.held_out = 1e-3; // one row
    options.weights = weights;
    options.seed = seed;
    short_fit f = {.density = density_of("nsf:layers=2,hidden=8")};
    cr_assert_eq(mr_fit(f.density, n, x, &options, NULL, NULL, NULL, &f.result), MR_OK, "%s",
                 mr_error_message());
    return f;
}

// Which row is held out is known by the shift: the (weighted) mean of the others. Where both fits
// hold out the same row, of weight 1, they are trained on the same distribution, with the same
// loss.
Test(fit, integer_weights_are_repeated_rows) {
    static double x[N * DIM], repeated[3 * N_WEIGHED * DIM], weights[N_WEIGHED];
    double exact;
    draw_data(0, 1, x, &exact);
    for (size_t i = 0; i < N_WEIGHED; i++)
        weights[i] = (double)(i % 3 + 1);
    const size_t n = repeat_rows(x, weights, repeated);
    cr_assert_eq(n, 7 + 2 * 7 + 3 * 6);
    size_t n_compared = 0;
    for (uint64_t a = 1; a <= 6; a++) {
        short_fit weighed = fit_all_but_one(N_WEIGHED, x, weights, a);
        for (uint64_t b = 1; b <= 40 && n_compared < 2; b++) {
            short_fit copied = fit_all_but_one(n, repeated, NULL, b);
            const double *p = mr_density_shift(weighed.density),
                         *q = mr_density_shift(copied.density);
            if (fabs(p[0] - q[0]) < 1e-12 && fabs(p[1] - q[1]) < 1e-12) {
                n_compared++;
                cr_expect_float_eq(mr_density_scale(weighed.density)[0],
                                   mr_density_scale(copied.density)[0], 1e-12);
                // The loss of the first step: mean log-densities of size 4 in float32, each of some
                // hundred roundings.
                cr_expect_float_eq(weighed.result.train_log_prob, copied.result.train_log_prob,
                                   4 * 100 * FLT_EPSILON);
                // After it: where a gradient is 0, rounding decides which way Adam goes by its
                // rate, 0.004, on a row some two deviations out in each of two features.
                cr_expect_float_eq(weighed.result.held_out_log_prob,
                                   copied.result.held_out_log_prob, 0.004 * 2 * 2 * 2);
            }
            mr_density_free(copied.density);
        }
        mr_density_free(weighed.density);
    }
    cr_expect_eq(n_compared, 2, "no two fits held out the same row");
}

Test(fit, equal_weights_are_none) {
    static double x[N * DIM], weights[N];
    double exact;
    mr_fit_options options = mr_fit_defaults();
    options.max_epochs = 2;
    draw_data(0, 1, x, &exact);
    for (size_t i = 0; i < N; i++)
        weights[i] = 0.25;
    mr_density *plain = density_of("real_nvp"), *weighed = density_of("real_nvp");
    const mr_fit_progress expected = fit(plain, x, &options);
    options.weights = weights;
    const mr_fit_progress found = fit(weighed, x, &options);
    cr_expect_float_eq(found.held_out_log_prob, expected.held_out_log_prob, 1e-4);
    cr_expect_float_eq(found.train_log_prob, expected.train_log_prob, 1e-4);
    mr_density_free(plain);
    mr_density_free(weighed);
}

// The best Gaussian for weighted data has their weighted mean and deviation; rows without weight
// have no say, wherever they are. Here 0 and 1 with weights 3 to 1: mean 1/4, variance 3/16.
Test(fit, rows_without_weight_have_no_say) {
    enum { M = 400 };
    static double x[M], weights[M];
    mr_fit_options options = mr_fit_defaults();
    mr_fit_progress result;
    mr_density *density = NULL;
    for (size_t i = 0; i < M; i++) {
        x[i] = i % 4 == 3 ? 1e3 : (double)(i % 2);
        weights[i] = i % 4 == 3 ? 0 : i % 2 == 0 ? 1.5 : 1;
    }
    options.weights = weights;
    options.max_epochs = 1;
    cr_assert_eq(mr_density_new("gaussian", MR_FLOW_TO_SCORE, 1, 1, &density), MR_OK);
    cr_assert_eq(mr_fit(density, M, x, &options, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    // Of 360 rows 270 are left, with what chance took away: a share's deviation is sqrt(p(1-p)/n).
    cr_expect_float_eq(mr_density_shift(density)[0], 0.25, 4 * sqrt(0.1875 / 270));
    cr_expect_float_eq(mr_density_scale(density)[0], sqrt(0.1875), 0.1);
    mr_density_free(density);
}

Test(fit, refuses_weights_that_are_none) {
    static double x[N * DIM];
    double exact;
    static const double bad[][4] = {{1, -1, 1, 1}, {1, NAN, 1, 1}, {1, INFINITY, 1, 1}};
    static const double zeros[4] = {0};
    mr_fit_progress result;
    mr_fit_options options = mr_fit_defaults();
    draw_data(0, 1, x, &exact);
    mr_density *density = density_of("gaussian");
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        options.weights = bad[i];
        cr_expect_eq(mr_fit(density, 4, x, &options, NULL, NULL, NULL, &result), MR_ERR_INPUT);
        scratch_expect_message("the weight of row 2 is");
    }
    options.weights = zeros;
    cr_expect_eq(mr_fit(density, 4, x, &options, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message("sum is 0");
    mr_density_free(density);
}

Test(fit, a_likelihood_that_explodes_is_reported_and_the_best_kept) {
    static double x[N * DIM];
    double exact;
    mr_fit_progress result;
    mr_fit_options options = mr_fit_defaults();
    options.lr = 1e20;
    draw_data(0, 1, x, &exact);
    mr_density *density = density_of("real_nvp");
    cr_expect_eq(mr_fit(density, N, x, &options, NULL, NULL, NULL, &result), MR_ERR_NUMERIC);
    scratch_expect_message("try a smaller learning rate");
    cr_expect(isfinite(mean_log_prob(density, x)));
    mr_density_free(density);
}

// y given x: a mixture of two normals at +-(1 + x^2)/2 of deviation 0.2, x uniform in [-2, 2].
Test(fit, finds_a_conditional_mixture) {
    enum { ROWS = 6000, FRESH = 2000 };
    static double xy[2 * (ROWS + FRESH)], log_prob[FRESH];
    const double constant = log(0.5) - log(0.2) - log_2_pi / 2;
    double exact = 0, found = 0;
    mr_random random = mr_random_stream(8, MR_STREAM_TEST, 5);
    mr_fit_options options = mr_fit_defaults();
    mr_fit_progress result;
    mr_density *density = NULL;
    for (size_t i = 0; i < ROWS + FRESH; i++) {
        const double x = mr_random_between(&random, -2, 2), side = i % 2 ? 1 : -1;
        xy[2 * i] = side * (1 + x * x) / 2 + 0.2 * mr_random_normal(&random);
        xy[2 * i + 1] = x;
        const double a = (xy[2 * i] - (1 + x * x) / 2) / 0.2;
        const double b = (xy[2 * i] + (1 + x * x) / 2) / 0.2;
        if (i >= ROWS)
            exact += (constant + log(exp(-a * a / 2) + exp(-b * b / 2))) / FRESH;
    }
    cr_assert_eq(
        mr_density_create(
            &(mr_density_spec){.flow = "nsf", .use = MR_FLOW_TO_SCORE, .dim = 1, .given_dim = 1}, 1,
            &density),
        MR_OK, "%s", mr_error_message());
    options.max_epochs = 40;
    cr_assert_eq(mr_fit(density, ROWS, xy, &options, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_density_log_prob(density, 1, FRESH, xy + 2 * ROWS, log_prob), MR_OK);
    for (size_t i = 0; i < FRESH; i++)
        found += log_prob[i] / FRESH;
    cr_expect_float_eq(found, exact, 0.1, "%g nats, the truth has %g", found, exact);
    mr_density_free(density);
}

// Student's t with two degrees of freedom: t = normal / sqrt(exponential).
Test(fit, finds_heavy_tails_with_a_base_that_has_them) {
    enum { ROWS = 5000, FRESH = 5000 };
    static double x[ROWS + FRESH], log_prob[FRESH];
    double exact = 0, found = 0;
    mr_random random = mr_random_stream(8, MR_STREAM_TEST, 6);
    mr_fit_options options = mr_fit_defaults();
    mr_fit_progress result;
    mr_density *density = NULL;
    for (size_t i = 0; i < ROWS + FRESH; i++) {
        x[i] = mr_random_normal(&random) / sqrt(-log(1 - mr_random_uniform(&random)));
        if (i >= ROWS)
            exact += (-1.5 * log1p(x[i] * x[i] / 2) - log(2 * sqrt(2))) / FRESH;
    }
    cr_assert_eq(mr_density_create(&(mr_density_spec){.flow = "nsf:layers=2,hidden=16",
                                                      .use = MR_FLOW_TO_SCORE,
                                                      .base = "student_t",
                                                      .dim = 1},
                                   1, &density),
                 MR_OK, "%s", mr_error_message());
    options.max_epochs = 40;
    cr_assert_eq(mr_fit(density, ROWS, x, &options, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_density_log_prob(density, 1, FRESH, x + ROWS, log_prob), MR_OK);
    for (size_t i = 0; i < FRESH; i++)
        found += log_prob[i] / FRESH;
    cr_expect_float_eq(found, exact, 0.05, "%g nats, the truth has %g", found, exact);
    mr_density_free(density);
}

Test(fit, two_rows_are_enough_to_run) {
    const double x[] = {1, 2, 3, 5};
    mr_fit_options options = mr_fit_defaults();
    mr_fit_progress result;
    options.max_epochs = 2;
    mr_density *density = density_of("real_nvp");
    cr_expect_eq(mr_fit(density, 2, x, &options, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    cr_expect(isfinite(result.best_log_prob));
    mr_density_free(density);
}
