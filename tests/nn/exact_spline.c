// The spline op in double precision: against the paper's formulas written plainly, its own inverse,
// and central differences.

#include "nn/graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 5 };

static const double bound = 3, logit_factor = 0.5;

/// A spline op with inputs and a loss.
typedef struct {
    size_t dim, n_bins, n_raw;
    bool inverse;
    mr_graph *graph;
    mr_node *x, *raw; // [ROWS x dim], [ROWS x n_raw]
    mr_node *out;     // [ROWS x (dim + 1)]
    mr_node *back;    // what the other direction makes of it, likewise
    mr_node *weights, *loss;
} subject;

static mr_node *spline(bool inverse, mr_node *x, mr_node *raw, mr_spline spline) {
    return inverse ? mr_spline_inverse(x, raw, spline) : mr_spline_forward(x, raw, spline);
}

// Points reach beyond the box on both sides; parameters are normals.
static subject subject_new(size_t dim, size_t n_bins, bool inverse, int n_threads) {
    subject s = {.dim = dim, .n_bins = n_bins, .inverse = inverse};
    const mr_spline shape = {.n_bins = n_bins, .bound = bound, .logit_factor = logit_factor};
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, dim);
    s.n_raw = dim * mr_spline_n_params(n_bins);
    cr_assert_eq(mr_graph_new(ROWS, n_threads, &s.graph), MR_OK);
    s.x = mr_input(s.graph, dim, true);
    s.raw = mr_input(s.graph, s.n_raw, true);
    s.out = mr_keep(spline(inverse, s.x, s.raw, shape));
    s.back = mr_keep(spline(!inverse, mr_slice(s.out, 0, dim), s.raw, shape));
    s.weights = mr_input(s.graph, dim + 1, false);
    s.loss = mr_row_sum(mr_mul(s.weights, mr_square(mr_affine(s.out, 1, 0.3))));
    cr_assert_eq(mr_graph_plan(s.graph, s.loss, 0, NULL), MR_OK);
    mr_random_fill_uniform(&random, ROWS * dim, -1.2 * bound, 1.2 * bound, mr_node_value(s.x));
    mr_random_fill_normal(&random, ROWS * s.n_raw, mr_node_value(s.raw));
    mr_random_fill_normal(&random, ROWS * (dim + 1), mr_node_value(s.weights));
    return s;
}

static void subject_free(subject *s) {
    mr_graph_free(s->graph);
}

// 64 and more are where the op begins to take a row in parts.
static void for_each_shape(void (*check)(subject *s), int n_threads) {
    static const size_t dims[] = {1, 3, 63, 64, 70, 130}, bins[] = {1, 2, 8};
    for (size_t d = 0; d < MR_COUNT(dims); d++)
        for (size_t k = 0; k < MR_COUNT(bins); k++)
            for (int inverse = 0; inverse < 2; inverse++) {
                subject s = subject_new(dims[d], bins[k], inverse, n_threads);
                check(&s);
                subject_free(&s);
            }
}

// ---- The plain version

/// The knots of one spline.
typedef struct {
    double x[MR_MAX_BINS + 1], y[MR_MAX_BINS + 1], slope[MR_MAX_BINS + 1];
} knots;

// min_size + (1 - min_size K) softmax, summed up over the box. `logits` lie `stride` apart.
static void make_axis(size_t n, const mr_real *logits, size_t stride, double *at) {
    double sum = 0;
    at[0] = -bound;
    for (size_t k = 0; k < n; k++)
        sum += exp(logit_factor * logits[k * stride]);
    for (size_t k = 0; k < n; k++) {
        const double share = exp(logit_factor * logits[k * stride]) / sum;
        at[k + 1] = at[k] + 2 * bound * (1e-3 + (1 - 1e-3 * (double)n) * share);
    }
}

static knots knots_of(const subject *s, size_t row, size_t j) {
    const mr_real *raw = mr_node_value(s->raw) + row * s->n_raw + j;
    const size_t n = s->n_bins, stride = s->dim;
    knots k;
    make_axis(n, raw, stride, k.x);
    make_axis(n, raw + n * stride, stride, k.y);
    k.slope[0] = k.slope[n] = 1;
    for (size_t i = 1; i < n; i++)
        k.slope[i] = 1e-3 + log1p(exp(raw[(2 * n + i - 1) * stride] + log(exp(1 - 1e-3) - 1)));
    return k;
}

static double plain_forward(const knots *at, double x, double *log_slope) {
    size_t k = 0;
    *log_slope = 0;
    if (fabs(x) > bound)
        return x;
    while (x > at->x[k + 1])
        k++;
    const double w = at->x[k + 1] - at->x[k], h = at->y[k + 1] - at->y[k], s = h / w;
    const double d0 = at->slope[k], d1 = at->slope[k + 1];
    const double xi = (x - at->x[k]) / w, q = xi * (1 - xi);
    const double denominator = s + (d1 + d0 - 2 * s) * q;
    *log_slope = log(s * s * (d1 * xi * xi + 2 * s * q + d0 * (1 - xi) * (1 - xi)) /
                     (denominator * denominator));
    return at->y[k] + h * (s * xi * xi + d0 * q) / denominator;
}

// Plain: by bisection.
static double plain_inverse(const knots *at, double y, double *log_slope) {
    double low = -bound, high = bound;
    *log_slope = 0;
    if (fabs(y) > bound)
        return y;
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;
        if (plain_forward(at, middle, log_slope) > y)
            high = middle;
        else
            low = middle;
    }
    *log_slope = -*log_slope;
    return low;
}

// Slopes are between 1e-2 and 1e2 here: 50 roundings of 1e-16 times 3, times 1e2, squared in the
// log-slope of a curved bin.
static void check_plain(subject *s) {
    mr_graph_run(s->graph, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const mr_real *out = mr_node_value(s->out) + i * (s->dim + 1);
        double sum = 0;
        for (size_t j = 0; j < s->dim; j++) {
            const knots at = knots_of(s, i, j);
            const double x = mr_node_value(s->x)[i * s->dim + j];
            double log_slope;
            const double expected =
                s->inverse ? plain_inverse(&at, x, &log_slope) : plain_forward(&at, x, &log_slope);
            cr_assert_float_eq(out[j], expected, 1e-11, "dim %zu, %zu bins: %.15g, not %.15g",
                               s->dim, s->n_bins, (double)out[j], expected);
            sum += log_slope;
        }
        cr_assert_float_eq(out[s->dim], sum, 1e-9, "dim %zu, %zu bins: log-det %.15g, not %.15g",
                           s->dim, s->n_bins, (double)out[s->dim], sum);
    }
}

Test(spline, equals_the_plain_formulas) {
    for_each_shape(check_plain, 1);
}

// ---- There and back

static void check_back(subject *s) {
    mr_graph_run(s->graph, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const mr_real *out = mr_node_value(s->out) + i * (s->dim + 1);
        const mr_real *back = mr_node_value(s->back) + i * (s->dim + 1);
        for (size_t j = 0; j < s->dim; j++)
            cr_assert_float_eq(back[j], mr_node_value(s->x)[i * s->dim + j], 1e-11);
        cr_assert_float_eq(back[s->dim], -out[s->dim], 1e-9);
    }
}

Test(spline, there_and_back_is_the_identity) {
    for_each_shape(check_back, 1);
}

static void check_identity(subject *s) {
    memset(mr_node_value(s->raw), 0, ROWS * s->n_raw * sizeof(mr_real));
    mr_graph_run(s->graph, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const mr_real *out = mr_node_value(s->out) + i * (s->dim + 1);
        for (size_t j = 0; j < s->dim; j++)
            cr_assert_float_eq(out[j], mr_node_value(s->x)[i * s->dim + j], 1e-14);
        cr_assert_float_eq(out[s->dim], 0, 1e-13);
    }
}

Test(spline, zero_parameters_are_the_identity) {
    for_each_shape(check_identity, 1);
}

static void check_tails(subject *s) {
    static const double outside[] = {3.0000001, 4, 1e6, 1e30};
    mr_real *x = mr_node_value(s->x);
    for (size_t i = 0; i < ROWS * s->dim; i++)
        x[i] = (i % 2 ? -1 : 1) * outside[i / 2 % MR_COUNT(outside)];
    mr_graph_run(s->graph, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const mr_real *out = mr_node_value(s->out) + i * (s->dim + 1);
        for (size_t j = 0; j < s->dim; j++)
            cr_assert_eq(out[j], x[i * s->dim + j]);
        cr_assert_eq(out[s->dim], 0);
    }
    for (size_t i = 0; i < ROWS * s->n_raw; i++)
        cr_assert_eq(mr_node_grad(s->raw)[i], 0);
}

Test(spline, is_the_identity_outside_the_box) {
    for_each_shape(check_tails, 1);
}

// ---- Gradients

static double loss_of(subject *s) {
    mr_graph_run(s->graph, ROWS);
    return mr_node_mean(s->loss, ROWS);
}

// The step's error is h^2/6 = 2e-13 times the third derivative, of order (1/width)^3 = 1e4;
// rounding adds 1e-16/h times the loss, below 1e3: 1e-7 in all.
static void check_gradient(subject *s, const char *what, mr_real *at, const mr_real *grad,
                           size_t n) {
    static const double step = 1e-6, tolerance = 1e-6;
    mr_real *analytic = malloc(n * sizeof *analytic);
    cr_assert_not_null(analytic);
    loss_of(s);
    memcpy(analytic, grad, n * sizeof *analytic);
    for (size_t i = 0; i < n; i += 1 + n / 500) { // of many some, at every place within a spline
        const mr_real kept = at[i];
        at[i] = kept + step;
        const double above = loss_of(s);
        at[i] = kept - step;
        const double difference = (above - loss_of(s)) / (2 * step);
        at[i] = kept;
        cr_assert_float_eq(analytic[i], difference, tolerance * (1 + fabs(difference)),
                           "%s, dim %zu, %zu bins: d/d%s[%zu] is %.10g, the difference says %.10g",
                           s->inverse ? "inverse" : "forward", s->dim, s->n_bins, what, i,
                           (double)analytic[i], difference);
    }
    free(analytic);
}

static void check_gradients(subject *s) {
    check_gradient(s, "x", mr_node_value(s->x), mr_node_grad(s->x), ROWS * s->dim);
    check_gradient(s, "raw", mr_node_value(s->raw), mr_node_grad(s->raw), ROWS * s->n_raw);
}

Test(spline, gradients_equal_central_differences) {
    for_each_shape(check_gradients, 1);
}

Test(spline, gradients_equal_central_differences_with_rows_shared_out_over_threads) {
    subject s = subject_new(3, 8, false, 3);
    check_gradients(&s);
    subject_free(&s);
}

// Two splines share their inputs: the second op's gradient is added to the first's.
Test(spline, gradients_add_up_where_inputs_are_shared) {
    const mr_spline shape = {.n_bins = 4, .bound = bound, .logit_factor = 1};
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, 1);
    subject s = {.dim = 2, .n_bins = 4, .n_raw = 22};
    cr_assert_eq(mr_graph_new(ROWS, 1, &s.graph), MR_OK);
    s.x = mr_input(s.graph, s.dim, true);
    s.raw = mr_input(s.graph, s.n_raw, true);
    mr_node *sum =
        mr_add(mr_spline_forward(s.x, s.raw, shape), mr_spline_inverse(s.x, s.raw, shape));
    s.loss = mr_row_sum(mr_square(sum));
    cr_assert_eq(mr_graph_plan(s.graph, s.loss, 0, NULL), MR_OK);
    mr_random_fill_uniform(&random, ROWS * s.dim, -bound, bound, mr_node_value(s.x));
    mr_random_fill_normal(&random, ROWS * s.n_raw, mr_node_value(s.raw));
    check_gradients(&s);
    subject_free(&s);
}
