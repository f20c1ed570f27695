// The graph as a whole: what it promises beside the right gradients (those are in exact_ops.c).

#include "nn/mlp.h"

#include <criterion/criterion.h>
#include <string.h>

enum { ROWS = 37, IN = 5, OUT = 3 };

/// A net with a loss, and its inputs.
typedef struct {
    mr_params *params;
    mr_graph *graph;
    mr_node *x, *target, *y, *loss;
} model;

static model model_new(int n_threads) {
    const mr_widths hidden = {.n = 2, .width = {16, 8}};
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 0);
    model m = {0};
    cr_assert_eq(mr_params_new(&m.params), MR_OK);
    const mr_mlp net = mr_mlp_declare(m.params, "net", IN, &hidden, OUT, MR_INIT_FAN_IN);
    cr_assert_eq(mr_params_alloc(m.params, &random), MR_OK);
    cr_assert_eq(mr_graph_new(ROWS, n_threads, &m.graph), MR_OK);
    m.x = mr_input(m.graph, IN, false);
    m.target = mr_input(m.graph, OUT, false);
    m.y = mr_keep(mr_mlp_build(&net, m.params, m.x));
    m.loss = mr_row_sum(mr_square(mr_sub(m.y, m.target)));
    cr_assert_eq(mr_graph_plan(m.graph, m.loss, 1, &m.params), MR_OK);
    mr_random_fill_normal(&random, ROWS * IN, mr_node_value(m.x));
    mr_random_fill_normal(&random, ROWS * OUT, mr_node_value(m.target));
    return m;
}

static void model_free(model *m) {
    mr_graph_free(m->graph);
    mr_params_free(m->params);
}

static void gradients(int n_threads, size_t n_rows, float *out) {
    model m = model_new(n_threads);
    mr_graph_run(m.graph, n_rows);
    memcpy(out, mr_params_grad(m.params), mr_params_size(m.params) * sizeof *out);
    model_free(&m);
}

Test(graph, same_thread_count_gives_the_same_bits) {
    float first[1024], again[1024];
    model m = model_new(1);
    const size_t size = mr_params_size(m.params);
    model_free(&m);
    cr_assert(size <= 1024);
    for (int n_threads = 1; n_threads <= 4; n_threads++) {
        gradients(n_threads, ROWS, first);
        gradients(n_threads, ROWS, again);
        cr_assert_arr_eq(first, again, size * sizeof *first);
    }
}

Test(graph, thread_counts_agree_to_rounding) {
    float one[1024], many[1024];
    model m = model_new(1);
    const size_t size = mr_params_size(m.params);
    model_free(&m);
    gradients(1, ROWS, one);
    for (int n_threads = 2; n_threads <= 5; n_threads++) {
        gradients(n_threads, ROWS, many);
        // Sums of 37 terms below 10 in another order: 37 roundings of 2^-24 times 10, below 3e-5.
        for (size_t i = 0; i < size; i++)
            cr_assert_float_eq(one[i], many[i], 3e-5);
    }
}

Test(graph, fewer_rows_than_planned_give_the_gradient_of_their_mean) {
    float all[1024], sum[1024] = {0};
    model m = model_new(1);
    const size_t size = mr_params_size(m.params);
    float rows[ROWS * IN], targets[ROWS * OUT];
    memcpy(rows, mr_node_value(m.x), sizeof rows);
    memcpy(targets, mr_node_value(m.target), sizeof targets);
    mr_graph_run(m.graph, 2);
    memcpy(all, mr_params_grad(m.params), size * sizeof *all);
    for (size_t i = 0; i < 2; i++) {
        memcpy(mr_node_value(m.x), rows + i * IN, IN * sizeof *rows);
        memcpy(mr_node_value(m.target), targets + i * OUT, OUT * sizeof *targets);
        mr_graph_run(m.graph, 1);
        for (size_t k = 0; k < size; k++)
            sum[k] += mr_params_grad(m.params)[k] / 2;
    }
    // One product of two rows against two of one: a few roundings of values below 10.
    for (size_t k = 0; k < size; k++)
        cr_assert_float_eq(all[k], sum[k], 1e-5);
    model_free(&m);
}

Test(graph, more_threads_than_rows_is_fine) {
    float one[1024], many[1024];
    gradients(1, 2, one);
    gradients(5, 2, many);
    model m = model_new(1);
    for (size_t i = 0; i < mr_params_size(m.params); i++)
        cr_assert_float_eq(one[i], many[i], 1e-5);
    model_free(&m);
}

Test(graph, parameters_that_are_not_trained_keep_their_gradient) {
    mr_params *trained, *fixed;
    mr_graph *graph;
    const mr_widths hidden = {.n = 1, .width = {4}};
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 1);
    cr_assert_eq(mr_params_new(&trained), MR_OK);
    cr_assert_eq(mr_params_new(&fixed), MR_OK);
    const mr_mlp first = mr_mlp_declare(trained, "first", IN, &hidden, OUT, MR_INIT_FAN_IN);
    const mr_mlp second = mr_mlp_declare(fixed, "second", OUT, &hidden, 1, MR_INIT_FAN_IN);
    const mr_param spare = mr_params_add(trained, "spare", 1, 3, MR_INIT_ONE, 1, NULL);
    cr_assert_eq(mr_params_alloc(trained, &random), MR_OK);
    cr_assert_eq(mr_params_alloc(fixed, &random), MR_OK);
    cr_assert_eq(mr_graph_new(ROWS, 2, &graph), MR_OK);
    mr_node *x = mr_input(graph, IN, false);
    mr_node *y = mr_mlp_build(&second, fixed, mr_mlp_build(&first, trained, x));
    cr_assert_eq(mr_graph_plan(graph, y, 1, &trained), MR_OK);
    mr_random_fill_normal(&random, ROWS * IN, mr_node_value(x));
    mr_params_grad(fixed)[0] = 42;
    for (size_t i = 0; i < mr_params_size(trained); i++)
        mr_params_grad(trained)[i] = 42; // of another graph, to be overwritten
    mr_graph_run(graph, ROWS);
    cr_expect_eq(mr_params_grad(fixed)[0], 42);
    cr_expect_neq(mr_params_grad(trained)[first.layer[0].weight.offset], 42);
    for (size_t j = 0; j < spare.cols; j++) // which the loss does not depend on
        cr_expect_eq(mr_params_grad(trained)[spare.offset + j], 0);
    mr_graph_free(graph);
    mr_params_free(trained);
    mr_params_free(fixed);
}

/// A net over a batch so large that threads take it in tiles, or over a part of it.
typedef struct {
    size_t n_rows;
    const float *x;  // [n_rows x IN]
    float *y;        // [n_rows x OUT] out
    float *dx;       // [n_rows x IN] out, of the mean loss
    float *gradient; // [1024] out
} large_run;

static void run_large(const large_run *r, int n_threads) {
    const mr_widths hidden = {.n = 1, .width = {8}};
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 3);
    mr_params *params;
    mr_graph *graph;
    cr_assert_eq(mr_params_new(&params), MR_OK);
    const mr_mlp net = mr_mlp_declare(params, "net", IN, &hidden, OUT, MR_INIT_FAN_IN);
    const mr_param gain = mr_params_add(params, "gain", 1, OUT, MR_INIT_ONE, 1, NULL);
    const mr_param shift = mr_params_add(params, "shift", 1, OUT, MR_INIT_ZERO, 1, NULL);
    cr_assert_eq(mr_params_alloc(params, &random), MR_OK);
    cr_assert_eq(mr_graph_new(r->n_rows, n_threads, &graph), MR_OK);
    mr_node *x = mr_input(graph, IN, true);
    mr_node *y =
        mr_keep(mr_layer_norm(mr_mlp_build(&net, params, x), params, gain, shift, MR_RELU));
    mr_node *loss = mr_row_sum(mr_square(mr_mul(y, mr_param_rows(graph, params, gain))));
    cr_assert_eq(mr_graph_plan(graph, loss, 1, &params), MR_OK);
    memcpy(mr_node_value(x), r->x, r->n_rows * IN * sizeof(float));
    mr_graph_run(graph, r->n_rows);
    memcpy(r->y, mr_node_value(y), r->n_rows * OUT * sizeof(float));
    memcpy(r->dx, mr_node_grad(x), r->n_rows * IN * sizeof(float));
    cr_assert(mr_params_size(params) <= 1024);
    memcpy(r->gradient, mr_params_grad(params), mr_params_size(params) * sizeof(float));
    mr_graph_free(graph);
    mr_params_free(params);
}

Test(graph, a_batch_in_tiles_equals_its_parts_one_by_one) {
    enum { N = 2304, PART = 256 }; // nine parts; with 2 threads 1,152 rows each: 4 tiles and a half
    static float x[N * IN], y[N * OUT], dx[N * IN], y_part[N * OUT], dx_part[N * IN];
    float gradient[1024] = {0}, part[1024] = {0};
    double sum[1024] = {0};
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 4);
    mr_random_fill_normal(&random, N * IN, x);
    run_large(&(large_run){N, x, y, dx, gradient}, 2);
    for (size_t i = 0; i < N; i += PART) {
        run_large(&(large_run){PART, x + i * IN, y_part + i * OUT, dx_part + i * IN, part}, 1);
        for (size_t k = 0; k < 1024; k++)
            sum[k] += (double)part[k] * PART / N;
    }
    // Products of other sizes round otherwise in the last bits of values below 10.
    for (size_t i = 0; i < N * OUT; i++)
        cr_assert_float_eq(y[i], y_part[i], 1e-5);
    for (size_t i = 0; i < N * IN; i++)
        cr_assert_float_eq(dx[i] * N, dx_part[i] * PART, 1e-4);
    for (size_t k = 0; k < 1024; k++)
        cr_assert_float_eq(gradient[k], sum[k], 1e-5);
}

/// A net on `n_points` points a row, over `n_rows` rows.
static void run_points(size_t n_rows, size_t n_points, const large_run *r) {
    const mr_widths hidden = {.n = 1, .width = {8}};
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 5);
    mr_params *params;
    mr_graph *graph;
    cr_assert_eq(mr_params_new(&params), MR_OK);
    const mr_mlp net = mr_mlp_declare(params, "net", IN, &hidden, OUT, MR_INIT_FAN_IN);
    cr_assert_eq(mr_params_alloc(params, &random), MR_OK);
    cr_assert_eq(mr_graph_new(n_rows, 1, &graph), MR_OK);
    mr_node *x = mr_input(graph, n_points * IN, true);
    mr_node *of_points = mr_mlp_build(&net, params, mr_split_rows(x, n_points));
    mr_node *y = mr_keep(mr_join_rows(of_points, n_points));
    cr_assert_eq(mr_graph_plan(graph, mr_row_sum(mr_square(y)), 1, &params), MR_OK);
    mr_input_fill(x, n_rows, r->x);
    mr_graph_run(graph, n_rows);
    memcpy(r->y, mr_node_value(y), n_rows * n_points * OUT * sizeof(float));
    memcpy(r->dx, mr_node_grad(x), n_rows * n_points * IN * sizeof(float));
    memcpy(r->gradient, mr_params_grad(params), mr_params_size(params) * sizeof(float));
    mr_graph_free(graph);
    mr_params_free(params);
}

// 1,200 rows of two points and 2,400 rows of one, both in tiles. The loss is a mean over rows.
Test(graph, points_of_a_split_row_are_computed_as_rows_of_their_own) {
    enum { N = 1200 };
    static float x[2 * N * IN], y[2][2 * N * OUT], dx[2][2 * N * IN];
    float gradient[2][1024] = {0};
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 6);
    mr_random_fill_normal(&random, 2 * N * IN, x);
    run_points(N, 2, &(large_run){.x = x, .y = y[0], .dx = dx[0], .gradient = gradient[0]});
    run_points(2 * N, 1, &(large_run){.x = x, .y = y[1], .dx = dx[1], .gradient = gradient[1]});
    // As above.
    for (size_t i = 0; i < 2 * N * OUT; i++)
        cr_assert_float_eq(y[0][i], y[1][i], 1e-5);
    for (size_t i = 0; i < 2 * N * IN; i++)
        cr_assert_float_eq(dx[0][i] * N, dx[1][i] * 2 * N, 1e-4);
    for (size_t k = 0; k < 1024; k++)
        cr_assert_float_eq(gradient[0][k], 2 * gradient[1][k], 2e-5);
}

static mr_node *let_go(mr_node *node) {
    return node;
}

// A chain long enough that slots are reused many times; with `keeps` every value has a slot of
// its own.
static mr_node *chain(mr_node *y, bool keeps) {
    mr_node *(*const hold)(mr_node *) = keeps ? mr_keep : let_go;
    for (int i = 0; i < 20; i++) {
        mr_node *scaled = hold(mr_affine(y, 1.3, 0.1));
        mr_node *bent = hold(mr_tanh(scaled));
        mr_node *mean = hold(mr_row_mean(y));
        mr_node *product = hold(mr_mul(y, mean));
        y = hold(mr_add(bent, product));
    }
    return mr_row_sum(y);
}

Test(graph, values_that_are_not_kept_share_memory_and_change_nothing) {
    mr_graph *graph[2];
    mr_node *x[2], *loss[2];
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 2);
    for (int k = 0; k < 2; k++) {
        cr_assert_eq(mr_graph_new(ROWS, 3, &graph[k]), MR_OK);
        x[k] = mr_input(graph[k], IN, true);
        loss[k] = chain(x[k], k == 1);
        cr_assert_eq(mr_graph_plan(graph[k], loss[k], 0, NULL), MR_OK);
    }
    mr_random_fill_normal(&random, ROWS * IN, mr_node_value(x[0]));
    memcpy(mr_node_value(x[1]), mr_node_value(x[0]), ROWS * IN * sizeof(float));
    for (int k = 0; k < 2; k++)
        mr_graph_run(graph[k], ROWS);
    cr_expect_arr_eq(mr_node_value(loss[0]), mr_node_value(loss[1]), ROWS * sizeof(float));
    cr_expect_arr_eq(mr_node_grad(x[0]), mr_node_grad(x[1]), ROWS * IN * sizeof(float));
    mr_graph_free(graph[0]);
    mr_graph_free(graph[1]);
}
