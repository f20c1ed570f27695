// The Gaussian base and the tanh against their closed forms.

#include "flows/base.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { ROWS = 7, DIM = 3, CONTEXT = 4 };

static const double low = -5, high = 2;
static const double tolerance = 1e-12; // double rounding, some ten operations

/// A base in a graph, with the density of a sample and of given points.
typedef struct {
    mr_params *params;
    mr_graph *graph;
    mr_base base;
    mr_node *context; // NULL where there is none
    mr_node *noise, *point;
    mr_gaussian gaussian;
    mr_node *sample, *sample_log_prob, *point_log_prob;
} model;

static model model_new(size_t context_dim) {
    model m = {0};
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, context_dim);
    cr_assert_eq(mr_params_new(&m.params), MR_OK);
    m.base = mr_base_declare(m.params, "base", DIM, context_dim, low, high);
    cr_assert_eq(mr_params_alloc(m.params, &random), MR_OK);
    cr_assert_eq(mr_graph_new(ROWS, 1, &m.graph), MR_OK);
    m.noise = mr_input(m.graph, DIM, false);
    m.point = mr_input(m.graph, DIM, false);
    if (context_dim > 0)
        m.context = mr_input(m.graph, context_dim, false);
    m.gaussian = mr_base_build(&m.base, m.params, m.graph, m.context);
    mr_keep(m.gaussian.mean);
    mr_keep(m.gaussian.log_std);
    m.sample = mr_keep(mr_gaussian_sample(m.gaussian, m.noise, &m.sample_log_prob));
    mr_keep(m.sample_log_prob);
    m.point_log_prob = mr_keep(mr_gaussian_log_prob(m.gaussian, m.point));
    cr_assert_eq(mr_graph_plan(m.graph, NULL, 0, NULL), MR_OK);
    mr_random_fill_normal(&random, ROWS * DIM, mr_node_value(m.noise));
    mr_random_fill_normal(&random, ROWS * DIM, mr_node_value(m.point));
    if (m.context)
        mr_random_fill_normal(&random, ROWS * context_dim, mr_node_value(m.context));
    return m;
}

static void model_free(model *m) {
    mr_graph_free(m->graph);
    mr_params_free(m->params);
}

// The raw output (mean, log-deviation before bounding) of feature j for a row, by hand.
static double raw(const model *m, size_t row, size_t j) {
    const mr_real *value = mr_params_read(m->params);
    double sum = value[m->base.bias.offset + j];
    for (size_t k = 0; m->context && k < CONTEXT; k++)
        sum += value[m->base.weight.offset + j * CONTEXT + k] *
               mr_node_value(m->context)[row * CONTEXT + k];
    return sum;
}

static double bounded(double raw_log_std) {
    return low + (high - low) / 2 * (tanh(raw_log_std) + 1);
}

// log N(z; mean, std) in one dimension.
static double log_normal(double z, double mean, double std) {
    return -(z - mean) * (z - mean) / (2 * std * std) - log(std) - log(2 * M_PI) / 2;
}

static void check_closed_forms(model *m) {
    mr_graph_run(m->graph, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        double sample_log_prob = 0, point_log_prob = 0;
        for (size_t j = 0; j < DIM; j++) {
            const size_t at = i * DIM + j;
            const double mean = raw(m, i, j), std = exp(bounded(raw(m, i, DIM + j)));
            const double z = mean + std * mr_node_value(m->noise)[at];
            cr_expect_float_eq(mr_node_value(m->gaussian.mean)[at], mean, tolerance);
            cr_expect_float_eq(mr_node_value(m->gaussian.log_std)[at], log(std), tolerance);
            cr_expect_float_eq(mr_node_value(m->sample)[at], z, tolerance * (1 + fabs(z)));
            sample_log_prob += log_normal(z, mean, std);
            point_log_prob += log_normal(mr_node_value(m->point)[at], mean, std);
        }
        cr_expect_float_eq(mr_node_value(m->sample_log_prob)[i], sample_log_prob,
                           tolerance * (1 + fabs(sample_log_prob)));
        cr_expect_float_eq(mr_node_value(m->point_log_prob)[i], point_log_prob,
                           tolerance * (1 + fabs(point_log_prob)));
    }
}

Test(base, free_gaussian_is_the_closed_form) {
    model m = model_new(0);
    for (size_t j = 0; j < 2 * DIM; j++)
        mr_params_value(m.params)[m.base.bias.offset + j] = 0.3 * (double)j - 0.8;
    check_closed_forms(&m);
    model_free(&m);
}

Test(base, conditional_gaussian_is_the_closed_form) {
    model m = model_new(CONTEXT);
    check_closed_forms(&m);
    model_free(&m);
}

Test(base, a_free_gaussian_starts_in_the_middle_of_its_bounds) {
    model m = model_new(0);
    mr_graph_run(m.graph, ROWS);
    for (size_t j = 0; j < DIM; j++) {
        cr_expect_eq(mr_node_value(m.gaussian.mean)[j], 0);
        cr_expect_float_eq(mr_node_value(m.gaussian.log_std)[j], (low + high) / 2, tolerance);
    }
    model_free(&m);
}

Test(base, log_deviation_stays_within_its_bounds) {
    model m = model_new(0);
    for (size_t j = 0; j < DIM; j++)
        mr_params_value(m.params)[m.base.bias.offset + DIM + j] = j % 2 ? 1e6 : -1e6;
    mr_graph_run(m.graph, ROWS);
    for (size_t j = 0; j < DIM; j++)
        cr_expect_eq(mr_node_value(m.gaussian.log_std)[j], j % 2 ? high : low);
    model_free(&m);
}

// log(1 - tanh(x)^2) where float arithmetic can take it literally, and its limit 2 log 2 - 2|x|
// where it can't.
Test(base, squash_subtracts_the_log_det_of_tanh) {
    static const double values[] = {0, 1e-8, -0.3, 0.9, -2, 4, -6, 30, -400, 1e6};
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(MR_COUNT(values), 1, &graph), MR_OK);
    mr_node *x = mr_input(graph, 2, false), *log_prob = mr_input(graph, 1, false);
    mr_node *result = log_prob;
    mr_node *action = mr_keep(mr_squash(x, &result));
    mr_keep(result);
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    for (size_t i = 0; i < MR_COUNT(values); i++) {
        mr_node_value(x)[2 * i] = values[i];
        mr_node_value(x)[2 * i + 1] = 0.5;
        mr_node_value(log_prob)[i] = -1.25;
    }
    mr_graph_run(graph, MR_COUNT(values));
    for (size_t i = 0; i < MR_COUNT(values); i++) {
        const double v = values[i];
        const double one = fabs(v) < 5 ? log(1 - tanh(v) * tanh(v)) : 2 * (log(2) - fabs(v));
        const double other = log(1 - tanh(0.5) * tanh(0.5));
        cr_expect_float_eq(mr_node_value(action)[2 * i], tanh(v), tolerance);
        // The neglected term at |x| = 6 is 2 exp(-12) = 1.2e-5.
        cr_expect_float_eq(mr_node_value(result)[i], -1.25 - one - other,
                           fabs(v) > 5 && fabs(v) < 10 ? 1.3e-5 : 1e-11 * (1 + fabs(v)), "x = %g",
                           v);
    }
    mr_graph_free(graph);
}
