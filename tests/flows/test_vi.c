// Variational inference where the answer is known. Its targets' formulas are held to account in
// exact_targets.c.

#include "flows/targets.h"

#include <math.h>
#include <stdlib.h>

#include "tests/scratch.h"

TestSuite(vi, .init = scratch_enter, .fini = scratch_leave);

static const mr_vi_options short_fit = {
    .lr = 0.01, .clip_norm = 10, .batch_size = 128, .n_steps = 400, .seed = 1, .n_threads = 1};

// ---- A correlated Gaussian, as a graph and as a C function

// Where the flow need not be a good one: the estimate at the end takes 50,000 samples of it.
static const char small_flow[] = "real_nvp:layers=2,hidden=16";

enum { DIM = 2 };

static const double mean[DIM] = {1, -2};
static const double precision[DIM][DIM] = {{1.5, 0.8}, {0.8, 1}};      // determinant 0.86
static const double log_norm_1 = -0.91893853320467274178;              // -1/2 log 2 pi
static const double log_norm = -1.8378770664093454836 - 0.07541144487; // -log 2 pi + 1/2 log 0.86

static mr_node *gaussian_build(const mr_target *target, mr_node *x) {
    (void)target;
    mr_node *a = mr_affine(mr_slice(x, 0, 1), 1, -mean[0]);
    mr_node *b = mr_affine(mr_slice(x, 1, 1), 1, -mean[1]);
    mr_node *aa = mr_affine(mr_square(a), -precision[0][0] / 2, log_norm);
    mr_node *bb = mr_affine(mr_square(b), -precision[1][1] / 2, 0);
    mr_node *ab = mr_affine(mr_mul(a, b), -precision[0][1], 0);
    return mr_add(mr_add(aa, bb), ab);
}

static void gaussian_function(void *self, size_t n, size_t dim, const mr_real *x, mr_real *log_prob,
                              mr_real *gradient) {
    cr_assert_eq(dim, DIM);
    for (size_t i = 0; i < n; i++) {
        const double a = (double)x[2 * i] - mean[0], b = (double)x[2 * i + 1] - mean[1];
        const double da = precision[0][0] * a + precision[0][1] * b;
        const double db = precision[1][0] * a + precision[1][1] * b;
        log_prob[i] = (mr_real)(*(const double *)self - (a * da + b * db) / 2);
        gradient[2 * i] = (mr_real)-da;
        gradient[2 * i + 1] = (mr_real)-db;
    }
}

static mr_node *function_build(const mr_target *target, mr_node *x) {
    return mr_callback(x, gaussian_function, target->self);
}

static const mr_target gaussian = {
    .name = "a Gaussian", .dim = DIM, .log_z = 0, .build = gaussian_build};
static const mr_target gaussian_by_function = {.name = "a Gaussian",
                                               .dim = DIM,
                                               .log_z = 0,
                                               .self = (void *)&log_norm,
                                               .build = function_build};

static mr_vi_result fit(const char *flow, const mr_target *target, const mr_vi_options *options) {
    mr_density *density = NULL;
    mr_vi_result result;
    cr_assert_eq(mr_density_new(flow, MR_FLOW_TO_SAMPLE, target->dim, 1, &density), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_vi(density, target, options, NULL, NULL, NULL, &result), MR_OK, "%s",
                 mr_error_message());
    mr_density_free(density);
    return result;
}

Test(vi, finds_a_gaussian) {
    // q can be p, where the bound is log Z = 0 and its variance 0. What is left after 1,500 steps
    // is the noise of the last ones: 0.005 nats are a mean that is off by a tenth of a deviation.
    mr_vi_options options = short_fit;
    options.n_steps = 1500;
    const mr_vi_result result = fit("real_nvp", &gaussian, &options);
    cr_expect_float_eq(result.elbo, 0, 0.005, "ELBO %g", result.elbo);
    cr_expect_leq(result.elbo, 4 * result.elbo_stderr);
    cr_expect_float_eq(result.log_z, 0, 0.001 + 4 * result.log_z_stderr);
    cr_expect_eq(result.n_steps, 1500);
}

Test(vi, best_diagonal_gaussian_is_the_one_of_theory) {
    // The best diagonal q has the target's mean and the precisions' diagonal, and is then
    // KL(q || p) = 1/2 log(det(diag Lambda) / det Lambda) away.
    mr_vi_options options = short_fit;
    options.n_steps = 1500;
    const mr_vi_result result = fit("gaussian", &gaussian, &options);
    const double kl = log(1.5 * 1 / 0.86) / 2;
    cr_expect_float_eq(result.elbo, -kl, 0.005 + 4 * result.elbo_stderr, "ELBO %g, not %g",
                       result.elbo, -kl);
}

Test(vi, a_function_is_as_good_as_a_graph) {
    // Not bit for bit: one rounds in double, the other does not.
    mr_vi_options options = short_fit;
    options.n_steps = 20;
    options.batch_size = 1024;
    options.n_threads = 2;
    const mr_vi_result graph = fit(small_flow, &gaussian, &options);
    const mr_vi_result function = fit(small_flow, &gaussian_by_function, &options);
    cr_expect_float_eq(graph.elbo, function.elbo, 1e-3, "ELBO %.6f and %.6f", graph.elbo,
                       function.elbo);
}

Test(vi, the_bound_is_below_log_z_and_comes_near) {
    static const struct {
        const char *target;
        double within; // nats, after a short fit
    } cases[] = {
        {"u1", 0.3},         {"u2", 0.3},
        {"u3", 0.5},         {"u4", 0.5},
        {"funnel", 0.3},     {"gaussian_mixture", 2.1}, // one of eight modes would be log 8
        {"funnel:dim=10", 1}};
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_target *target = NULL;
        cr_assert_eq(mr_target_new(cases[i].target, MR_HEADER_AUTO, &target), MR_OK);
        const mr_vi_result result = fit("real_nvp", target, &short_fit);
        cr_expect_leq(result.elbo, target->log_z + 4 * result.elbo_stderr, "%s: ELBO %g ± %g",
                      cases[i].target, result.elbo, result.elbo_stderr);
        cr_expect_geq(result.elbo, target->log_z - cases[i].within, "%s: ELBO %g", cases[i].target,
                      result.elbo);
        mr_target_free(target);
    }
}

Test(vi, logistic_regression_agrees_with_quadrature) {
    // One weight without columns in play: y = 1 three times, 0 once, x = 0. The weight keeps its
    // prior; Z = integral N(b; 0, 1) sigmoid(b)^3 sigmoid(-b) db, here by the rule of the midpoint.
    mr_target *target = NULL;
    double z = 0;
    scratch_write("data.csv", "0,1\n0,1\n0,1\n0,0\n");
    cr_assert_eq(mr_target_new("logistic:data.csv", MR_HEADER_AUTO, &target), MR_OK, "%s",
                 mr_error_message());
    for (double b = -9.995; b < 10; b += 0.01) {
        const double p = 1 / (1 + exp(-b));
        z += 0.01 * exp(-b * b / 2) / 2.5066282746310005 * p * p * p * (1 - p);
    }
    const mr_vi_result result = fit("real_nvp", target, &short_fit);
    cr_expect_float_eq(result.log_z, log(z), 0.001 + 4 * result.log_z_stderr, "%g, not %g",
                       result.log_z, log(z));
    cr_expect_float_eq(result.elbo, log(z), 0.02);
    mr_target_free(target);
}

// A Gaussian of deviation 0.1 around 100.
static mr_node *far_build(const mr_target *target, mr_node *x) {
    (void)target;
    mr_node *halves = mr_affine(mr_square(mr_affine(x, 10, -1000)), -0.5, log(10) + log_norm_1);
    return mr_row_sum(halves);
}

Test(vi, starts_where_the_target_says) {
    // So q is p from the start; float32 rounds x by 4e-6, a deviation's 4e-5.
    static const double shift[DIM] = {100, 100}, scale[DIM] = {0.1, 0.1};
    const mr_target far = {
        .name = "far", .dim = DIM, .build = far_build, .shift = shift, .scale = scale};
    mr_vi_options options = short_fit;
    options.n_steps = 1;
    options.lr = 1e-6;
    const mr_vi_result result = fit(small_flow, &far, &options);
    cr_expect_float_eq(result.elbo, 0, 1e-4, "ELBO %g", result.elbo);
}

// ---- Whether the estimate of log Z can be trusted

// 0.9 N(0, 1) + 0.1 N((6.6, 6.6), 1): none of a standard normal's 50,000 samples falls where the
// second outweighs the first, x + y > 6.6, 4.7 deviations from the middle.
static mr_node *two_hills_build(const mr_target *target, mr_node *x) {
    (void)target;
    mr_node *near = mr_row_sum(mr_affine(mr_square(x), -0.5, log_norm_1));
    mr_node *far = mr_row_sum(mr_affine(mr_square(mr_affine(x, 1, -6.6)), -0.5, log_norm_1));
    mr_node *both = mr_add(mr_affine(mr_exp(near), 0.9, 0), mr_affine(mr_exp(far), 0.1, 0));
    return mr_log(both);
}

// As good as no fit: q stays the standard normal.
static mr_vi_result measure(const mr_target *target) {
    mr_vi_options options = short_fit;
    options.n_steps = 1;
    options.lr = 1e-9;
    return fit("gaussian", target, &options);
}

Test(vi, mass_where_the_flow_has_none_is_noticed) {
    const mr_target two_hills = {.name = "two hills", .dim = DIM, .build = two_hills_build};
    const mr_vi_result result = measure(&two_hills);
    // By q's own samples all is well, and log Z is log 0.9 instead of log 1.
    cr_expect_float_eq(result.log_z, log(0.9), 0.001);
    cr_expect_lt(result.log_z_stderr, 0.001);
    cr_expect_gt(result.n_effective, 49000);
    cr_expect_float_eq(result.wide_log_z, 0, 4 * result.wide_log_z_stderr);
    cr_expect_not_null(mr_vi_doubt(&result));
}

static mr_node *wide_build(const mr_target *target, mr_node *x) {
    (void)target;
    return mr_row_sum(mr_affine(mr_square(x), -1.0 / 32, log_norm_1 - log(4)));
}

// p/q of a normal four times as wide is exp(15/16 |z|^2 / 2) / 16: its tail has k = 15/16, which
// samples of finite number underestimate; the variance is infinite from k = 1/2 on.
Test(vi, a_heavy_tail_of_the_ratios_is_noticed) {
    const mr_target wide = {.name = "wide", .dim = DIM, .build = wide_build};
    const mr_vi_result result = measure(&wide);
    cr_expect_float_eq(result.pareto_k, 15.0 / 16, 4 * (1 + 15.0 / 16) / sqrt(671) + 0.01, "k %g",
                       result.pareto_k);
    cr_assert_not_null(mr_vi_doubt(&result));
    scratch_expect_part(mr_vi_doubt(&result), "Pareto k above 0.7");
}

static mr_node *normal_build(const mr_target *target, mr_node *x) {
    (void)target;
    return mr_row_sum(mr_affine(mr_square(x), -0.5, log_norm_1));
}

Test(vi, a_flow_that_is_its_target_is_trusted) {
    const mr_target normal = {.name = "normal", .dim = DIM, .build = normal_build};
    const mr_vi_result result = measure(&normal);
    cr_expect_null(mr_vi_doubt(&result));
    cr_expect_float_eq(result.n_effective, 50000, 1e-3); // ratios are 1 but for rounding
    cr_expect_float_eq(result.log_z, 0, 1e-6);
    cr_expect_float_eq(result.wide_log_z, 0, 4 * result.wide_log_z_stderr);
}

// ---- What is promised besides

Test(vi, same_seed_gives_the_same_bits) {
    mr_vi_options options = short_fit;
    options.n_steps = 20;
    options.batch_size = 1024;
    options.n_threads = 2;
    const mr_vi_result a = fit(small_flow, &gaussian, &options);
    const mr_vi_result b = fit(small_flow, &gaussian, &options);
    options.seed = 2;
    const mr_vi_result c = fit(small_flow, &gaussian, &options);
    cr_expect_eq(a.elbo, b.elbo);
    cr_expect_eq(a.log_z, b.log_z);
    cr_expect_neq(a.elbo, c.elbo);
}

static void stop_at_200(void *self, const mr_vi_progress *now) {
    if (now->n_steps == 200)
        *(volatile sig_atomic_t *)self = 1;
}

Test(vi, stops_when_told_to) {
    volatile sig_atomic_t stop = 0;
    mr_density *density = NULL;
    mr_vi_result result;
    cr_assert_eq(mr_density_new("gaussian", MR_FLOW_TO_SAMPLE, DIM, 1, &density), MR_OK);
    cr_assert_eq(mr_vi(density, &gaussian, &short_fit, stop_at_200, (void *)&stop, &stop, &result),
                 MR_OK);
    cr_expect_eq(result.n_steps, 200);
    cr_expect(isfinite(result.elbo));
    mr_density_free(density);
}

static mr_node *broken_build(const mr_target *target, mr_node *x) {
    (void)target;
    return mr_log(mr_slice(x, 0, 1)); // not a number where x < 0
}

Test(vi, a_target_without_a_density_somewhere_is_an_error) {
    const mr_target broken = {.name = "half a line", .dim = DIM, .build = broken_build};
    mr_density *density = NULL;
    mr_vi_result result = {.n_steps = 77};
    cr_assert_eq(mr_density_new("gaussian", MR_FLOW_TO_SAMPLE, DIM, 1, &density), MR_OK);
    cr_expect_eq(mr_vi(density, &broken, &short_fit, NULL, NULL, NULL, &result), MR_ERR_NUMERIC);
    scratch_expect_message("target half a line");
    cr_expect_eq(result.n_steps, 77);
    mr_density_free(density);
}

// ---- Texts

Test(vi, targets_that_make_no_sense_are_refused) {
    static const struct {
        const char *text;
        mr_status status;
        const char *message;
    } cases[] = {
        {"u5", MR_ERR_USAGE, "choose from u1, u2, u3, u4, gaussian_mixture, funnel[:dim=N], logis"},
        {"", MR_ERR_USAGE, "there is no such target"},
        {"u1:dim=2", MR_ERR_USAGE, "nothing may follow the name"},
        {"funnel:dim=1", MR_ERR_USAGE, "dim must be a whole number from 2 to 1000"},
        {"funnel:dim=ten", MR_ERR_USAGE, "dim must be"},
        {"funnel:dim=-3", MR_ERR_USAGE, "dim must be"},
        {"funnel:dim=3x", MR_ERR_USAGE, "dim must be"},
        {"logistic", MR_ERR_USAGE, "name a file, as in logistic:data.csv"},
        {"logistic:none.csv", MR_ERR_IO, "none.csv"},
        {"logistic:three.csv", MR_ERR_INPUT, "row 2, column 2: the label is 3, not 0 or 1"},
        {"logistic:one.csv", MR_ERR_INPUT, "at least one feature"},
        {"logistic:years.csv", MR_ERR_INPUT,
         "is 1991, not 0 or 1; if row 1 is the columns' names, give --header yes"},
    };
    scratch_write("three.csv", "x,y\n1,0\n2,3\n");
    scratch_write("one.csv", "1\n0\n");
    scratch_write("years.csv", "1990,1991\n1,0\n2,1\n");
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_target *target = NULL;
        cr_expect_eq(mr_target_new(cases[i].text, MR_HEADER_AUTO, &target), cases[i].status, "%s",
                     cases[i].text);
        scratch_expect_message(cases[i].message);
        cr_expect_null(target);
    }
}

Test(vi, targets_are_listed) {
    cr_assert_eq(mr_target_count(), 7);
    for (size_t i = 0; i < mr_target_count(); i++)
        cr_expect(mr_target_at(i).usage[0] != '\0' && mr_target_at(i).summary[0] != '\0');
}
