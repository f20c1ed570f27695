// The spline op in float32, where it is stiff: knots, the box's edges, steep and flat bins.

#include "nn/graph.h"

#include <criterion/criterion.h>

enum { ROWS = 4096, BINS = 8, N_RAW = 3 * BINS - 1 };

static const double bound = 3;
static const double rounding = 5.9604644775390625e-08; // 2^-24

/// A spline of one feature, and back again.
typedef struct {
    mr_graph *graph;
    mr_node *x, *raw;
    mr_node *out, *back; // [ROWS x 2]
} subject;

static mr_node *spline(bool inverse, mr_node *x, mr_node *raw) {
    const mr_spline shape = {.n_bins = BINS, .bound = bound, .logit_factor = 1};
    return inverse ? mr_spline_inverse(x, raw, shape) : mr_spline_forward(x, raw, shape);
}

// Parameters are normals of deviation `scale`.
static subject subject_new(bool inverse, double scale) {
    subject s = {0};
    mr_random random = mr_random_stream(9, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_graph_new(ROWS, 1, &s.graph), MR_OK);
    s.x = mr_input(s.graph, 1, true);
    s.raw = mr_input(s.graph, N_RAW, true);
    s.out = mr_keep(spline(inverse, s.x, s.raw));
    s.back = mr_keep(spline(!inverse, mr_slice(s.out, 0, 1), s.raw));
    mr_node *loss = mr_row_sum(s.out);
    cr_assert_eq(mr_graph_plan(s.graph, loss, 0, NULL), MR_OK);
    mr_random_fill_normal(&random, ROWS * N_RAW, mr_node_value(s.raw));
    for (size_t i = 0; i < ROWS * N_RAW; i++)
        mr_node_value(s.raw)[i] *= (float)scale;
    mr_random_fill_uniform(&random, ROWS, -1.1 * bound, 1.1 * bound, mr_node_value(s.x));
    return s;
}

static void subject_free(subject *s) {
    mr_graph_free(s->graph);
}

static bool is_finite(const subject *s) {
    for (size_t i = 0; i < 2 * ROWS; i++)
        if (!isfinite(mr_node_value(s->out)[i]) || !isfinite(mr_node_value(s->back)[i]))
            return false;
    for (size_t i = 0; i < ROWS * N_RAW; i++)
        if (!isfinite(mr_node_grad(s->raw)[i]))
            return false;
    for (size_t i = 0; i < ROWS; i++)
        if (!isfinite(mr_node_grad(s->x)[i]))
            return false;
    return true;
}

// ---- There and back

static double input_of(const subject *s, size_t i) {
    return (double)mr_node_value(s->x)[i];
}

static double output_of(const subject *s, size_t i) {
    return (double)mr_node_value(s->out)[2 * i];
}

static double log_slope_of(const subject *s, size_t i) {
    return (double)mr_node_value(s->out)[2 * i + 1];
}

// Eight roundings of a number up to `bound`, on either side: those of y come back divided by the
// slope. Where it is 0.02 or more that is below 1e-4.
static void check_round_trip(const subject *s, const char *what) {
    for (size_t i = 0; i < ROWS; i++) {
        const double x = input_of(s, i), back = (double)mr_node_value(s->back)[2 * i];
        const double tolerance = 8 * rounding * bound * (1 + exp(-log_slope_of(s, i)));
        cr_assert_float_eq(back, x, tolerance, "%s: %.9g comes back as %.9g, at log-slope %g", what,
                           x, back, log_slope_of(s, i));
    }
}

Test(spline_float32, there_and_back_is_the_identity) {
    for (int inverse = 0; inverse < 2; inverse++) {
        subject s = subject_new(inverse, 1);
        mr_graph_run(s.graph, ROWS);
        check_round_trip(&s, inverse ? "inverse" : "forward");
        subject_free(&s);
    }
}

// Bins of equal widths (going back: heights) have their knots where float32 can name them.
static void even_out(const subject *s, bool inverse) {
    mr_real *raw = mr_node_value(s->raw);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < BINS; k++)
            raw[i * N_RAW + (inverse ? BINS + k : k)] = 0;
}

// Each knot, and the numbers next to it.
static void fill_knots(const subject *s) {
    for (size_t i = 0; i < ROWS; i++) {
        const float knot = (float)(-bound + 2 * bound / BINS * (double)(i / 3 % (BINS + 1)));
        const float neighbour[] = {nextafterf(knot, -INFINITY), knot, nextafterf(knot, INFINITY)};
        mr_node_value(s->x)[i] = neighbour[i % 3];
    }
}

Test(spline_float32, there_and_back_is_the_identity_at_knots_and_edges) {
    for (int inverse = 0; inverse < 2; inverse++) {
        subject s = subject_new(inverse, 1);
        even_out(&s, inverse);
        fill_knots(&s);
        mr_graph_run(s.graph, ROWS);
        cr_assert(is_finite(&s));
        check_round_trip(&s, inverse ? "inverse" : "forward");
        subject_free(&s);
    }
}

// Across an edge of the box neither value nor slope may jump. Eight roundings of the bound are 2e-6
// of a bin's width 0.75; along a bin the log-slope changes by some 2 (d0 + d1 + s) / s a width,
// below 70 for parameters as mild as these (logits within 1.2).
Test(spline_float32, meets_its_tails_at_the_edges) {
    for (int inverse = 0; inverse < 2; inverse++) {
        subject s = subject_new(inverse, 0.3);
        even_out(&s, inverse);
        for (size_t i = 0; i < ROWS; i++)
            mr_node_value(s.x)[i] = nextafterf(i % 2 ? 3 : -3, i / 2 % 2 ? 0 : INFINITY);
        mr_graph_run(s.graph, ROWS);
        for (size_t i = 0; i < ROWS; i++) {
            cr_assert_float_eq(output_of(&s, i), input_of(&s, i), 8 * rounding * bound);
            cr_assert_float_eq(log_slope_of(&s, i), 0, 2e-4);
        }
        subject_free(&s);
    }
}

// ---- Extremes

Test(spline_float32, extreme_parameters_give_finite_results_within_the_box) {
    static const double scales[] = {10, 100, 1e4, 1e8};
    for (size_t k = 0; k < 2 * MR_COUNT(scales); k++) {
        subject s = subject_new(k % 2, scales[k / 2]);
        mr_graph_run(s.graph, ROWS);
        cr_assert(is_finite(&s), "parameters of size %g", scales[k / 2]);
        for (size_t i = 0; i < ROWS; i++)
            cr_assert(fabs(input_of(&s, i)) > bound ||
                      fabs(output_of(&s, i)) <= bound * (1 + 8 * rounding));
        subject_free(&s);
    }
}

Test(spline_float32, extreme_inputs_give_finite_results) {
    static const float sizes[] = {0, 1e-38f, 1e-30f, 1e-6f, 1, 1e3f, 1e6f, 1e38f};
    for (int inverse = 0; inverse < 2; inverse++) {
        subject s = subject_new(inverse, 1);
        for (size_t i = 0; i < ROWS; i++)
            mr_node_value(s.x)[i] = (i % 2 ? -1.0f : 1.0f) * sizes[i / 2 % MR_COUNT(sizes)];
        mr_graph_run(s.graph, ROWS);
        cr_assert(is_finite(&s));
        subject_free(&s);
    }
}

// A NaN is not made into a number.
Test(spline_float32, nan_stays_nan) {
    for (int inverse = 0; inverse < 2; inverse++) {
        subject s = subject_new(inverse, 1);
        mr_node_value(s.x)[7] = NAN;
        mr_graph_run(s.graph, ROWS);
        cr_assert(isnan(output_of(&s, 7)));
        cr_assert(isfinite(output_of(&s, 6)) && isfinite(output_of(&s, 8)));
        subject_free(&s);
    }
}
