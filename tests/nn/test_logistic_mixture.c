// The op of mixtures of logistics in float32, where it is stiff: modes far apart, points far out.

#include "nn/graph.h"

#include <criterion/criterion.h>
#include <math.h>

enum { ROWS = 512, N = 4 };

static const double rounding = 0x1p-24;

// Normals of deviation `scale` as parameters, points of deviation `distance`. What comes back
// misses x by the rounding of y, some ten of its terms, over the slope, and by its own rounding.
static void check_round_trip(double scale, double distance) {
    const mr_logistics logistics = {.n = N, .spread = 0.5};
    mr_random random = mr_random_stream(9, MR_STREAM_TEST, 1);
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *x = mr_input(graph, 1, true), *raw = mr_input(graph, 3 * N, true);
    mr_node *out = mr_keep(mr_logistic_mixture_forward(x, raw, logistics));
    mr_node *back = mr_keep(mr_logistic_mixture_inverse(mr_slice(out, 0, 1), raw, logistics));
    cr_assert_eq(mr_graph_plan(graph, mr_row_sum(mr_add(out, back)), 0, NULL), MR_OK);
    mr_random_fill_normal(&random, ROWS, mr_node_value(x));
    mr_random_fill_normal(&random, ROWS * 3 * N, mr_node_value(raw));
    for (size_t i = 0; i < ROWS; i++)
        mr_node_value(x)[i] *= (mr_real)distance;
    for (size_t i = 0; i < ROWS * 3 * N; i++)
        mr_node_value(raw)[i] *= (mr_real)(i % (3 * N) < 2 * N ? 4 * scale : scale);
    mr_graph_run(graph, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        const double y = (double)mr_node_value(out)[2 * i],
                     log_slope = (double)mr_node_value(out)[2 * i + 1];
        const double from = (double)mr_node_value(x)[i], to = (double)mr_node_value(back)[2 * i];
        const double of_y = 10 * rounding * (1 + fabs(y) + fabs(from)) / exp(log_slope);
        cr_assert(isfinite(y) && isfinite(log_slope) && isfinite(to));
        cr_assert(fabs(to - from) <= of_y + 2 * rounding * fabs(from),
                  "%.9g comes back as %.9g, slope %g", from, to, exp(log_slope));
        cr_assert(isfinite(mr_node_grad(x)[i]));
        for (size_t j = 0; j < 3 * N; j++)
            cr_assert(isfinite(mr_node_grad(raw)[i * 3 * N + j]));
    }
    mr_graph_free(graph);
}

Test(logistic_mixture_float32, comes_back_to_rounding) {
    static const double scales[] = {0, 0.3, 1}, distances[] = {1e-6, 1, 30, 1e6};
    for (size_t i = 0; i < MR_COUNT(scales); i++)
        for (size_t k = 0; k < MR_COUNT(distances); k++)
            check_round_trip(scales[i], distances[k]);
}
