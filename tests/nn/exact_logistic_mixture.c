// The op of mixtures of logistics in double precision: against the formula written plainly, its own
// inverse and central differences.

#include "nn/graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { DIM = 70, ROWS = 9 }; // more features than are computed at a time

/// The op with inputs, both directions and a loss.
typedef struct {
    mr_graph *graph;
    mr_logistics logistics;
    mr_node *x, *raw, *out, *back, *weights, *loss;
} subject;

static mr_node *apply(bool inverse, mr_node *x, mr_node *raw, mr_logistics logistics) {
    return inverse ? mr_logistic_mixture_inverse(x, raw, logistics)
                   : mr_logistic_mixture_forward(x, raw, logistics);
}

// Raw parameters are normals of deviation `scale`, inputs of deviation 2.
static subject subject_new(bool inverse, size_t n, double scale, int n_threads) {
    subject s = {.logistics = {.n = n, .spread = 0.5}};
    mr_random random = mr_random_stream(9, MR_STREAM_TEST, n);
    cr_assert_eq(mr_graph_new(ROWS, n_threads, &s.graph), MR_OK);
    s.x = mr_input(s.graph, DIM, true);
    s.raw = mr_input(s.graph, 3 * n * DIM, true);
    s.out = mr_keep(apply(inverse, s.x, s.raw, s.logistics));
    s.back = mr_keep(apply(!inverse, mr_slice(s.out, 0, DIM), s.raw, s.logistics));
    s.weights = mr_input(s.graph, DIM + 1, false);
    s.loss = mr_keep(mr_row_sum(mr_mul(s.weights, s.out)));
    cr_assert_eq(mr_graph_plan(s.graph, s.loss, 0, NULL), MR_OK);
    mr_random_fill_normal(&random, ROWS * DIM, mr_node_value(s.x));
    mr_random_fill_normal(&random, ROWS * 3 * n * DIM, mr_node_value(s.raw));
    mr_random_fill_normal(&random, ROWS * (DIM + 1), mr_node_value(s.weights));
    for (size_t i = 0; i < ROWS * DIM; i++)
        mr_node_value(s.x)[i] *= 2;
    for (size_t i = 0; i < ROWS * 3 * n * DIM; i++)
        mr_node_value(s.raw)[i] *= scale;
    mr_graph_run(s.graph, ROWS);
    return s;
}

// logit F(x) as it stands in the paper, and its slope by a difference.
static double logit_plainly(const subject *s, size_t row, size_t j, double x) {
    const size_t n = s->logistics.n;
    const mr_real *raw = mr_node_value(s->raw) + row * 3 * n * DIM + j;
    double below = 0, above = 0;
    for (size_t k = 0; k < n; k++) {
        const double a = (x - raw[(n + k) * DIM] - mr_logistics_place(&s->logistics, k)) /
                         exp(raw[(2 * n + k) * DIM]);
        below += exp(raw[k * DIM]) / (1 + exp(-a));
        above += exp(raw[k * DIM]) / (1 + exp(a));
    }
    return log(below / above);
}

// The difference over 2e-5 misses the slope by 1e-10 of a third derivative of order 1 to 100.
Test(logistic_mixture, equals_the_plain_formula) {
    for (size_t n = 1; n <= MR_MAX_LOGISTICS; n += 3) {
        subject s = subject_new(false, n, 0.7, 1);
        for (size_t i = 0; i < ROWS; i++) {
            double log_det = 0;
            for (size_t j = 0; j < DIM; j++) {
                const double x = mr_node_value(s.x)[i * DIM + j], h = 1e-5;
                const double y = logit_plainly(&s, i, j, x);
                cr_assert_float_eq(mr_node_value(s.out)[i * (DIM + 1) + j], y,
                                   1e-12 * (1 + fabs(y)), "%zu components, x = %g", n, x);
                log_det += log((logit_plainly(&s, i, j, x + h) - logit_plainly(&s, i, j, x - h)) /
                               (2 * h));
            }
            cr_assert_float_eq(mr_node_value(s.out)[i * (DIM + 1) + DIM], log_det, 1e-6);
        }
        mr_graph_free(s.graph);
    }
}

// Logarithms lose what the slope contracts.
Test(logistic_mixture, there_and_back_is_the_identity) {
    for (int inverse = 0; inverse < 2; inverse++)
        for (size_t n = 1; n <= MR_MAX_LOGISTICS; n += 5) {
            subject s = subject_new(inverse, n, 1, 1);
            for (size_t i = 0; i < ROWS; i++) {
                for (size_t j = 0; j < DIM; j++)
                    cr_assert_float_eq(mr_node_value(s.back)[i * (DIM + 1) + j],
                                       mr_node_value(s.x)[i * DIM + j], 1e-10);
                cr_assert_float_eq(mr_node_value(s.back)[i * (DIM + 1) + DIM],
                                   -mr_node_value(s.out)[i * (DIM + 1) + DIM], 1e-8);
            }
            mr_graph_free(s.graph);
        }
}

// Narrow components far apart: next to no slope between them.
Test(logistic_mixture, roots_between_modes_are_found) {
    const mr_logistics logistics = {.n = 2, .spread = 5};
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *y = mr_input(graph, 1, false), *raw = mr_input(graph, 6, false);
    mr_node *x = mr_keep(mr_logistic_mixture_inverse(y, raw, logistics));
    mr_node *back = mr_keep(mr_logistic_mixture_forward(mr_slice(x, 0, 1), raw, logistics));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    memset(mr_node_value(raw), 0, 6 * ROWS * sizeof(mr_real));
    for (size_t i = 0; i < ROWS; i++) {
        mr_node_value(y)[i] = pow(10, -(double)i) * (i % 2 ? -1 : 1) * 100;
        mr_node_value(raw)[6 * i + 4] = mr_node_value(raw)[6 * i + 5] = -3;
    }
    mr_graph_run(graph, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const double wanted = mr_node_value(y)[i];
        // Between the modes the slope is e^-95, so that any x there has y = 0 to rounding.
        cr_expect_float_eq(mr_node_value(back)[2 * i], wanted, 1e-12 * (1 + fabs(wanted)));
    }
    mr_graph_free(graph);
}

// ---- Gradients

static void check_slope(subject *s, mr_node *leaf, size_t first, size_t stride) {
    static const double step = 1e-5;
    const size_t n = ROWS * mr_node_cols(leaf);
    for (size_t i = first; i < n; i += stride) {
        mr_real *x = mr_node_value(leaf) + i;
        const mr_real kept = *x;
        double loss[2];
        mr_graph_run(s->graph, ROWS);
        const double found = (double)mr_node_grad(leaf)[i] * ROWS;
        for (int side = 0; side < 2; side++) {
            *x = kept + (side ? -step : step);
            mr_graph_run(s->graph, ROWS);
            loss[side] = mr_node_mean(s->loss, ROWS) * ROWS;
        }
        *x = kept;
        const double difference = (loss[0] - loss[1]) / (2 * step);
        cr_assert_float_eq(found, difference, 1e-6 * (1 + fabs(difference)), "number %zu", i);
    }
}

Test(logistic_mixture, gradients_equal_central_differences) {
    for (int inverse = 0; inverse < 2; inverse++)
        for (int n_threads = 1; n_threads < 4; n_threads += 2) {
            subject s = subject_new(inverse, 3, 0.7, n_threads);
            check_slope(&s, s.x, 0, 13);
            check_slope(&s, s.raw, 0, 101);
            mr_graph_free(s.graph);
        }
}

// ---- The start

// At the start components differ, and so do their gradients; y is x but for 0.08 or 3% of a slope.
Test(logistic_mixture, starts_near_the_identity_with_components_that_differ) {
    subject s = subject_new(false, 4, 0, 1);
    double distance = 0;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < DIM; j++)
            cr_assert_float_eq(mr_node_value(s.out)[i * (DIM + 1) + j],
                               mr_node_value(s.x)[i * DIM + j], 0.08);
    for (size_t p = 4; p < 12; p += 4)
        for (size_t k = 0; k < 3; k++)
            for (size_t i = 0; i < ROWS; i++) {
                const mr_real *grad = mr_node_grad(s.raw) + i * 12 * DIM;
                distance = fabs(grad[(p + k) * DIM] - grad[(p + k + 1) * DIM]);
                cr_assert_gt(distance, 1e-6, "parameters %zu and %zu", p + k, p + k + 1);
            }
    mr_graph_free(s.graph);
}
