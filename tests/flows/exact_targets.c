// The targets in double precision: their integrals by quadrature, their gradients, and the
// logistic regression against its formula.

#include "flows/targets.h"

#include <math.h>

#include "tests/scratch.h"

TestSuite(targets, .init = scratch_enter, .fini = scratch_leave);

static const double log_2_pi = 1.8378770664093454836;

static mr_target *open_target(const char *text) {
    mr_target *target = NULL;
    cr_assert_eq(mr_target_new(text, MR_HEADER_AUTO, &target), MR_OK, "%s", mr_error_message());
    return target;
}

static void write_data(void) {
    scratch_write("data.csv", "dose,age,ill\n0.5,-1,0\n1.5,0.25,1\n-2,1,0\n0.75,2,1\n-1,-1.5,1\n");
}

// ---- Integrals

enum { GRID = 400 };

// log of the integral over [-reach, reach]^2, by the rule of the midpoint. For functions that are
// smooth over many cells and vanish at the ends its error is far below any tolerance here.
static double log_integral(const mr_target *target, double reach) {
    static double x[2 * GRID * GRID], log_p[GRID * GRID];
    const double step = 2 * reach / GRID;
    double sum = 0;
    for (size_t i = 0; i < GRID * GRID; i++) {
        x[2 * i] = -reach + step * ((double)(i % GRID) + 0.5);
        x[2 * i + 1] = -reach + step * ((double)(i / GRID) + 0.5);
    }
    cr_assert_eq(mr_target_log_prob(target, 1, GRID * GRID, x, log_p), MR_OK);
    for (size_t i = 0; i < GRID * GRID; i++)
        sum += exp(log_p[i]) * step * step;
    return log(sum);
}

Test(targets, integrals_are_what_is_stated) {
    // The cells are 0.03 wide, the narrowest feature (the window's edge, a logistic function) has a
    // scale of 0.05: the error goes as exp(-2 pi^2 0.05/0.03).
    static const char *const names[] = {"u1", "u2", "u3", "u4", "gaussian_mixture"};
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        mr_target *target = open_target(names[i]);
        cr_expect_float_eq(log_integral(target, 6), target->log_z, 2e-6, "%s: %.7f, not %.7f",
                           names[i], log_integral(target, 6), target->log_z);
        mr_target_free(target);
    }
}

Test(targets, energies_have_the_log_z_of_the_box) {
    // On the box [-4, 4]^2, from the flow library's specification; the window moves U4's by 0.0005.
    static const struct {
        const char *name;
        double log_z;
    } cases[] = {{"u1", 1.8775}, {"u2", 2.0821}, {"u3", 2.6417}, {"u4", 2.6846}};
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_target *target = open_target(cases[i].name);
        cr_expect_float_eq(target->log_z, cases[i].log_z, 6e-4, "%s", cases[i].name);
        mr_target_free(target);
    }
}

static double log_normal(double x, double mean, double sigma) {
    const double t = (x - mean) / sigma;
    return -t * t / 2 - log(sigma) - log_2_pi / 2;
}

Test(targets, funnel_is_its_normalised_formula) {
    static const char *const texts[] = {"funnel", "funnel:dim=10"};
    static const size_t dims[] = {2, 10};
    for (size_t k = 0; k < MR_COUNT(texts); k++) {
        mr_target *target = open_target(texts[k]);
        mr_random random = mr_random_stream(1, MR_STREAM_TEST, k);
        cr_assert_eq(target->dim, dims[k]);
        cr_expect_eq(target->log_z, 0);
        for (int i = 0; i < 50; i++) {
            double x[10], log_p, expected;
            x[0] = 3 * mr_random_normal(&random);
            expected = log_normal(x[0], 0, 3);
            for (size_t j = 1; j < target->dim; j++) {
                x[j] = exp(x[0] / 2) * mr_random_normal(&random);
                expected += log_normal(x[j], 0, exp(x[0] / 2));
            }
            cr_assert_eq(mr_target_log_prob(target, 1, 1, x, &log_p), MR_OK);
            cr_expect_float_eq(log_p, expected, 1e-11 * (1 + fabs(expected)));
        }
        mr_target_free(target);
    }
}

Test(targets, logistic_is_prior_times_likelihood) {
    static const double rows[5][3] = {
        {0.5, -1, 0}, {1.5, 0.25, 1}, {-2, 1, 0}, {0.75, 2, 1}, {-1, -1.5, 1}};
    const double w[3] = {0.7, -1.2, 0.4}; // of dose, age; intercept
    double log_p, expected = 0;
    write_data();
    mr_target *target = open_target("logistic:data.csv");
    cr_assert_eq(target->dim, 3);
    cr_expect(isnan(target->log_z));
    for (size_t j = 0; j < 3; j++)
        expected += log_normal(w[j], 0, 1);
    for (size_t i = 0; i < 5; i++) {
        const double p = 1 / (1 + exp(-(rows[i][0] * w[0] + rows[i][1] * w[1] + w[2])));
        expected += log(rows[i][2] == 1 ? p : 1 - p);
    }
    cr_assert_eq(mr_target_log_prob(target, 1, 1, w, &log_p), MR_OK);
    cr_expect_float_eq(log_p, expected, 1e-12);
    mr_target_free(target);
}

// ---- Gradients

enum { ROWS = 20 };

static void check_gradient(const char *text) {
    // A step of 1e-5 errs by h^2/6 times the third derivative, 1e3 at the window's edge, plus
    // 2^-53/h times the value, which is below 1e3.
    static const double step = 1e-5, tolerance = 1e-6;
    mr_target *target = open_target(text);
    mr_graph *graph = NULL;
    mr_real x[ROWS * 10], grad[ROWS * 10], above[ROWS], below[ROWS];
    const size_t dim = target->dim;
    mr_random random = mr_random_stream(2, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *input = mr_input(graph, dim, true);
    mr_node *log_p = target->build(target, input);
    cr_assert_eq(mr_graph_plan(graph, log_p, 0, NULL), MR_OK);
    mr_random_fill_normal(&random, ROWS * dim, x);
    for (size_t i = 0; i < ROWS * dim; i++)
        x[i] *= 2;
    memcpy(mr_node_value(input), x, ROWS * dim * sizeof *x);
    mr_graph_run(graph, ROWS);
    memcpy(grad, mr_node_grad(input), ROWS * dim * sizeof *grad);
    for (size_t j = 0; j < dim; j++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            memcpy(mr_node_value(input), x, ROWS * dim * sizeof *x);
            for (size_t i = 0; i < ROWS; i++)
                mr_node_value(input)[i * dim + j] += sign * step;
            mr_graph_run(graph, ROWS);
            memcpy(sign > 0 ? above : below, mr_node_value(log_p), ROWS * sizeof *above);
        }
        for (size_t i = 0; i < ROWS; i++) {
            const double analytic = ROWS * grad[i * dim + j]; // the loss is the mean over rows
            const double numeric = (above[i] - below[i]) / (2 * step);
            cr_expect_float_eq(analytic, numeric, tolerance * (1 + fabs(numeric)),
                               "%s: row %zu, feature %zu: %.10g, the difference says %.10g", text,
                               i, j, analytic, numeric);
        }
    }
    mr_graph_free(graph);
    mr_target_free(target);
}

Test(targets, gradients_equal_central_differences) {
    static const char *const texts[] = {
        "u1", "u2", "u3", "u4", "gaussian_mixture", "funnel", "funnel:dim=10", "logistic:data.csv"};
    write_data();
    for (size_t i = 0; i < MR_COUNT(texts); i++)
        check_gradient(texts[i]);
}

Test(targets, gradient_is_finite_at_the_centre) {
    mr_target *target = open_target("u1");
    mr_graph *graph = NULL;
    cr_assert_eq(mr_graph_new(1, 1, &graph), MR_OK);
    mr_node *input = mr_input(graph, 2, true);
    cr_assert_eq(mr_graph_plan(graph, target->build(target, input), 0, NULL), MR_OK);
    mr_graph_run(graph, 1);
    cr_expect(isfinite(mr_node_grad(input)[0]) && isfinite(mr_node_grad(input)[1]));
    mr_graph_free(graph);
    mr_target_free(target);
}
