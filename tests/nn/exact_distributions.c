// Categorical distributions and quantiles of critics against what is known of them, in double
// precision. Their gradients: exact_ops.c.

#include "nn/graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { ROWS = 7, ATOMS = 11, SAMPLES = 50 };

static const mr_atoms atoms = {-5, 5};

// A sum of ATOMS terms of order 5, each rounded a few times by 2^-53: 11 * 5 * 4 * 1.1e-16.
static const double rounding = 3e-14;

static double atom(size_t j) {
    return atoms.low + (double)j * (atoms.high - atoms.low) / (ATOMS - 1);
}

static double mass(const mr_real *p) {
    double sum = 0;
    for (size_t j = 0; j < ATOMS; j++)
        sum += p[j];
    return sum;
}

static double mean(const mr_real *p) {
    double sum = 0;
    for (size_t j = 0; j < ATOMS; j++)
        sum += p[j] * atom(j);
    return sum;
}

static void fill_probabilities(mr_random *random, mr_real *p) {
    for (size_t i = 0; i < ROWS; i++) {
        mr_random_fill_uniform(random, ATOMS, 0, 1, p + i * ATOMS);
        const double sum = mass(p + i * ATOMS);
        for (size_t j = 0; j < ATOMS; j++)
            p[i * ATOMS + j] /= sum;
    }
}

/// Projections of random distributions, a row for each pair of a scale and a shift.
typedef struct {
    mr_graph *graph;
    const mr_real *p, *out; // [ROWS x ATOMS]
} projections;

static projections project(const mr_real scale[ROWS], const mr_real shift[ROWS], int n_threads) {
    projections found;
    mr_random random = mr_random_stream(21, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_graph_new(ROWS, n_threads, &found.graph), MR_OK);
    mr_node *p = mr_input(found.graph, ATOMS, false);
    mr_node *scale_in = mr_input(found.graph, 1, false),
            *shift_in = mr_input(found.graph, 1, false);
    mr_node *out = mr_keep(mr_categorical_project(p, scale_in, shift_in, atoms));
    cr_assert_eq(mr_graph_plan(found.graph, NULL, 0, NULL), MR_OK);
    fill_probabilities(&random, mr_node_value(p));
    mr_input_fill(scale_in, ROWS, scale);
    mr_input_fill(shift_in, ROWS, shift);
    mr_graph_run(found.graph, ROWS);
    found.p = mr_node_value(p);
    found.out = mr_node_value(out);
    return found;
}

// Algorithm 1 of Bellemare et al. 2017, as it stands there, but for l = u, where it loses the mass.
static void project_by_the_paper(const mr_real *p, double scale, double shift, double *m) {
    const double dz = (atoms.high - atoms.low) / (ATOMS - 1);
    for (size_t j = 0; j < ATOMS; j++)
        m[j] = 0;
    for (size_t j = 0; j < ATOMS; j++) {
        const double z = fmin(fmax(shift + scale * atom(j), atoms.low), atoms.high);
        const double b = (z - atoms.low) / dz, l = floor(b), u = ceil(b);
        m[(size_t)l] += l == u ? p[j] : p[j] * (u - b);
        m[(size_t)u] += l == u ? 0 : p[j] * (b - l);
    }
}

Test(exact_distributions, a_projection_is_that_of_the_paper_and_keeps_the_mass) {
    static const mr_real scale[ROWS] = {0.99, 0, 0.5, 1, 0.3, 2, 0.99};
    static const mr_real shift[ROWS] = {0.3, 1.7, -7, 0, 100, -0.4, -1e9};
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        projections found = project(scale, shift, n_threads);
        for (size_t i = 0; i < ROWS; i++) {
            double expected[ATOMS];
            project_by_the_paper(found.p + i * ATOMS, scale[i], shift[i], expected);
            cr_expect_float_eq(mass(found.out + i * ATOMS), 1, rounding, "row %zu", i);
            for (size_t j = 0; j < ATOMS; j++)
                cr_expect_float_eq(found.out[i * ATOMS + j], expected[j], rounding,
                                   "row %zu, atom %zu: %.17g, not %.17g", i, j,
                                   (double)found.out[i * ATOMS + j], expected[j]);
        }
        mr_graph_free(found.graph);
    }
}

// scale Z + shift lies between the first and the last atom.
Test(exact_distributions, a_projection_keeps_the_mean_within_the_support) {
    static const mr_real scale[ROWS] = {0.99, 0, 0.5, 1, 0.3, 0.7, -0.2};
    static const mr_real shift[ROWS] = {0.05, 1.7, -2.5, 0, 3.1, -1.2, 0.1};
    projections found = project(scale, shift, 1);
    for (size_t i = 0; i < ROWS; i++)
        cr_expect_float_eq(mean(found.out + i * ATOMS),
                           scale[i] * mean(found.p + i * ATOMS) + shift[i], rounding, "row %zu", i);
    mr_graph_free(found.graph);
}

Test(exact_distributions, mass_beyond_the_support_goes_to_its_ends) {
    static const mr_real scale[ROWS] = {1, 1, 0, 0, 0, 0, 0};
    static const mr_real shift[ROWS] = {11, -11, 5, -5, 1e30, -1e30, (mr_real)5.0001};
    projections found = project(scale, shift, 1);
    for (size_t i = 0; i < ROWS; i++)
        cr_expect_float_eq(found.out[i * ATOMS + (shift[i] > 0 ? ATOMS - 1 : 0)], 1, rounding,
                           "row %zu", i);
    mr_graph_free(found.graph);
}

Test(exact_distributions, the_least_is_the_distribution_with_the_least_mean) {
    enum { N = 3 };
    mr_graph *graph;
    mr_node *logits[N], *means[N];
    mr_random random = mr_random_stream(22, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_graph_new(ROWS, 2, &graph), MR_OK);
    for (size_t k = 0; k < N; k++)
        logits[k] = mr_input(graph, ATOMS, false);
    for (size_t k = 0; k < N; k++)
        means[k] = mr_keep(mr_categorical_mean(logits[k], atoms));
    mr_node *least = mr_keep(mr_categorical_least(N, logits, atoms));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    for (size_t k = 0; k < N; k++)
        mr_random_fill_normal(&random, ROWS * ATOMS, mr_node_value(logits[k]));
    mr_graph_run(graph, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        size_t chosen = 0;
        double sum = 0, expected_mean = 0;
        for (size_t k = 1; k < N; k++)
            if (mr_node_value(means[k])[i] < mr_node_value(means[chosen])[i])
                chosen = k;
        const mr_real *x = mr_node_value(logits[chosen]) + i * ATOMS;
        for (size_t j = 0; j < ATOMS; j++)
            sum += exp(x[j]);
        for (size_t j = 0; j < ATOMS; j++) {
            expected_mean += exp(x[j]) / sum * atom(j);
            cr_expect_float_eq(mr_node_value(least)[i * ATOMS + j], exp(x[j]) / sum, rounding);
        }
        cr_expect_float_eq(mr_node_value(means[chosen])[i], expected_mean, rounding);
    }
    mr_graph_free(graph);
}

static int compare(const void *a, const void *b) {
    const mr_real x = *(const mr_real *)a, y = *(const mr_real *)b;
    return (x > y) - (x < y);
}

Test(exact_distributions, rows_are_sorted_as_by_qsort) {
    mr_graph *graph;
    mr_random random = mr_random_stream(23, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_graph_new(ROWS, 2, &graph), MR_OK);
    mr_node *x = mr_input(graph, SAMPLES, false), *sorted = mr_keep(mr_row_sort(x));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    mr_random_fill_normal(&random, ROWS * SAMPLES, mr_node_value(x));
    for (size_t k = 0; k < SAMPLES; k += 3)
        mr_node_value(x)[k] = 0.25; // equal ones
    mr_node_value(x)[SAMPLES] = -INFINITY;
    mr_graph_run(graph, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        mr_real *row = mr_node_value(x) + i * SAMPLES;
        qsort(row, SAMPLES, sizeof *row, compare);
        for (size_t k = 0; k < SAMPLES; k++)
            cr_expect_eq(mr_node_value(sorted)[i * SAMPLES + k], row[k], "row %zu, %zu", i, k);
    }
    mr_graph_free(graph);
}

// The loss of one quantile is least where a fraction tau of the samples lies below, in the limit of
// samples far apart beside the 1 at which Huber's loss becomes linear.
Test(exact_distributions, the_quantile_loss_is_least_at_the_quantiles) {
    enum { N = 5, M = 100 };
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(1, 1, &graph), MR_OK);
    mr_node *q = mr_input(graph, N, true), *y = mr_input(graph, M, false);
    mr_node *loss = mr_keep(mr_quantile_huber(q, y));
    cr_assert_eq(mr_graph_plan(graph, loss, 0, NULL), MR_OK);
    for (size_t k = 0; k < M; k++)
        mr_node_value(y)[k] = 1000 * (mr_real)k;
    for (size_t i = 0; i < N; i++) // between sample tau M - 1 and sample tau M
        mr_node_value(q)[i] = 1000 * ((mr_real)i + 0.5) / N * M - 500;
    mr_graph_run(graph, 1);
    for (size_t i = 0; i < N; i++)
        cr_expect_float_eq(mr_node_grad(q)[i], 0, 1e-13, "quantile %zu: %g", i,
                           (double)mr_node_grad(q)[i]);
    mr_graph_free(graph);
}
