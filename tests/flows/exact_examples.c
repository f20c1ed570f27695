// The part, the conditioner and the base that docs/extending.md goes through, in double precision.

#include "flows/conditioner.h"
#include "flows/distribution.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

extern const mr_part_ops mr_part_householder;
extern const mr_conditioner_ops mr_conditioner_linear;
extern const mr_distribution_ops mr_distribution_logistic;

enum { ROWS = 5, DIM = 4, N_OUT = 3 };

// A reflection twice is the identity, and keeps lengths: some 20 roundings of 2^-53.
Test(examples, a_reflection_is_its_own_inverse_and_keeps_lengths) {
    const mr_part_ops *ops = &mr_part_householder;
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    void *options = calloc(1, ops->options.size), *state = calloc(1, ops->state_size);
    mr_part part = {.ops = ops, .options = options, .dim = DIM, .state = state};
    mr_params *params;
    mr_graph *graph;
    mr_node *log_det = NULL;
    mr_flow_options_init(&ops->options, options);
    cr_assert_eq(mr_params_new(&params), MR_OK);
    cr_assert_eq(ops->declare(&part, params, "part"), MR_OK);
    cr_assert_eq(mr_params_alloc(params, &random), MR_OK);
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *x = mr_input(graph, DIM, false);
    mr_node *y = mr_keep(ops->forward(&part, params, x, NULL, &log_det));
    mr_node *back = mr_keep(ops->inverse(&part, params, y, NULL, &log_det));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    mr_random_fill_normal(&random, ROWS * DIM, mr_node_value(x));
    mr_graph_run(graph, ROWS);
    cr_expect_null(log_det);
    for (size_t i = 0; i < ROWS; i++) {
        double before = 0, after = 0, moved = 0;
        for (size_t j = i * DIM; j < (i + 1) * DIM; j++) {
            before += pow(mr_node_value(x)[j], 2);
            after += pow(mr_node_value(y)[j], 2);
            moved += fabs(mr_node_value(y)[j] - mr_node_value(x)[j]);
            cr_expect_float_eq(mr_node_value(back)[j], mr_node_value(x)[j], 1e-14);
        }
        cr_expect_float_eq(before, after, 1e-13);
        cr_expect_gt(moved, 1e-3);
    }
    mr_graph_free(graph);
    mr_params_free(params);
    free(options);
    free(state);
}

Test(examples, a_linear_conditioner_starts_at_zero_and_learns) {
    const mr_conditioner_ops *ops = &mr_conditioner_linear;
    const mr_conditioner_spec spec = {.in = {DIM, 1, 1}, .n_out = N_OUT};
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 1);
    void *state = calloc(1, ops->state_size);
    mr_params *params;
    mr_graph *graph;
    size_t n_moved = 0;
    cr_assert_eq(mr_params_new(&params), MR_OK);
    cr_assert_eq(ops->declare(state, params, "net", &spec), MR_OK);
    cr_assert_eq(mr_params_alloc(params, &random), MR_OK);
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *x = mr_input(graph, DIM, false);
    mr_node *y = mr_keep(ops->build(state, params, x, NULL));
    cr_assert_eq(mr_graph_plan(graph, mr_row_sum(y), 1, &params), MR_OK);
    mr_random_fill_normal(&random, ROWS * DIM, mr_node_value(x));
    mr_graph_run(graph, ROWS);
    cr_assert_eq(mr_node_cols(y), N_OUT);
    for (size_t i = 0; i < ROWS * N_OUT; i++)
        cr_expect_eq(mr_node_value(y)[i], 0);
    for (size_t i = 0; i < mr_params_size(params); i++)
        n_moved += mr_params_grad(params)[i] != 0;
    cr_expect_eq(n_moved, N_OUT * DIM + N_OUT);
    mr_graph_free(graph);
    mr_params_free(params);
    free(state);
}

// The logistic density is s (1 - s), s = 1 / (1 + e^-z), and its deviation pi / sqrt(3).
Test(examples, the_logistic_base_has_its_density_and_its_samples_lie_so) {
    enum { N = 20000 };
    static mr_real z[N];
    const mr_distribution d = {.ops = &mr_distribution_logistic, .dim = 1};
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 2);
    mr_graph *graph;
    double square = 0;
    d.ops->draw(&d, NULL, &random, N, z);
    cr_assert_eq(mr_graph_new(N, 1, &graph), MR_OK);
    mr_node *in = mr_input(graph, 1, false);
    mr_node *log_prob = mr_keep(d.ops->log_prob(&d, NULL, in, NULL));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    mr_input_fill(in, N, z);
    mr_graph_run(graph, N);
    for (size_t i = 0; i < N; i++) {
        const double s = 1 / (1 + exp(-z[i]));
        square += z[i] * z[i] / N;
        cr_expect_float_eq(exp(mr_node_value(log_prob)[i]), s * (1 - s), 1e-12);
    }
    // The fourth moment is 21/5 of the square of the second: an error of 0.042 here, five times it.
    cr_expect_float_eq(square, pow(M_PI, 2) / 3, 0.21);
    mr_graph_free(graph);
}
