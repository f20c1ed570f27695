// Batch norm beside its gradients (those are in exact_ops.c): threads, memory, running statistics.

#include "nn/graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { ROWS = 37, COLS = 6, DEPTH = 8 };

static const mr_batch_norm_options plain = {.rate = 0.1, .epsilon = 1e-5, .r_max = 1};

/// A column of layers, each a batch norm in training mode and what follows it.
typedef struct {
    mr_params *params;
    mr_graph *graph;
    mr_batch_norm norm;
    mr_node *x, *y, *loss;
} model;

/// How a model is built.
typedef struct {
    int n_threads;
    bool keeps; // every value, so that none share memory
    bool runs;  // by running statistics
    mr_batch_norm_options options;
    size_t depth;
} build;

static mr_node *keep_if(bool keeps, mr_node *node) {
    return keeps ? mr_keep(node) : node;
}

static model model_new(const build *b) {
    model m = {0};
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, 0);
    mr_node *(*const norm)(mr_node *, mr_params *, const mr_batch_norm *,
                           const mr_batch_norm_options *) =
        b->runs ? mr_batch_norm_running : mr_batch_norm_train;
    cr_assert_eq(mr_params_new(&m.params), MR_OK);
    m.norm = (mr_batch_norm){
        .gain = mr_params_add(m.params, "gain", 1, COLS, MR_INIT_ONE, 1, NULL),
        .shift = mr_params_add(m.params, "shift", 1, COLS, MR_INIT_ZERO, 1, NULL),
        .mean = mr_params_add_buffer(m.params, "mean", 1, COLS, 0),
        .variance = mr_params_add_buffer(m.params, "variance", 1, COLS, 1),
        .n_batches = mr_params_add_buffer(m.params, "n_batches", 1, 1, 0),
    };
    cr_assert_eq(mr_params_alloc(m.params, &random), MR_OK);
    cr_assert_eq(mr_graph_new(ROWS, b->n_threads, &m.graph), MR_OK);
    m.x = mr_input(m.graph, COLS, true);
    m.y = m.x;
    for (size_t i = 0; i < b->depth; i++) {
        mr_node *h = keep_if(b->keeps, norm(m.y, m.params, &m.norm, &b->options));
        mr_node *bent = keep_if(b->keeps, mr_sin(h));
        m.y = b->depth == 1 ? mr_keep(h) : keep_if(b->keeps, mr_add(mr_mul(bent, bent), m.y));
    }
    m.loss = mr_row_sum(mr_mul(m.y, mr_square(m.y)));
    cr_assert_eq(mr_graph_plan(m.graph, m.loss, 1, &m.params), MR_OK);
    mr_random_fill_normal(&random, ROWS * COLS, mr_node_value(m.x));
    for (size_t i = 0; i < ROWS * COLS; i++) // a mean and a deviation for each column
        mr_node_value(m.x)[i] = (mr_real)(i % COLS) + mr_node_value(m.x)[i] * (mr_real)(i % 3 + 1);
    return m;
}

static void model_free(model *m) {
    mr_graph_free(m->graph);
    mr_params_free(m->params);
}

static void expect_equal(const model *a, const model *b) {
    cr_expect_arr_eq(mr_node_value(a->loss), mr_node_value(b->loss), ROWS * sizeof(float));
    cr_expect_arr_eq(mr_node_grad(a->x), mr_node_grad(b->x), ROWS * COLS * sizeof(float));
    cr_expect_arr_eq(mr_params_grad(a->params), mr_params_grad(b->params),
                     mr_params_size(a->params) * sizeof(float));
}

Test(batch_norm, the_same_number_of_threads_gives_the_same_bits) {
    for (int n_threads = 1; n_threads <= 4; n_threads++) {
        const build b = {.n_threads = n_threads, .options = plain, .depth = DEPTH};
        model first = model_new(&b), again = model_new(&b);
        mr_graph_run(first.graph, ROWS);
        for (int i = 0; i < 3; i++) // what an earlier run left in memory makes no difference
            mr_graph_run(again.graph, ROWS);
        expect_equal(&first, &again);
        model_free(&first);
        model_free(&again);
    }
}

Test(batch_norm, numbers_of_threads_agree_to_rounding) {
    model one = model_new(&(build){.n_threads = 1, .options = plain, .depth = 2});
    mr_graph_run(one.graph, ROWS);
    for (int n_threads = 2; n_threads <= 5; n_threads++) {
        model many = model_new(&(build){.n_threads = n_threads, .options = plain, .depth = 2});
        mr_graph_run(many.graph, ROWS);
        // Sums of 37 terms below 10 in another order: 37 roundings of 2^-24 times 10, below 3e-5.
        for (size_t i = 0; i < mr_params_size(one.params); i++)
            cr_expect_float_eq(mr_params_grad(many.params)[i], mr_params_grad(one.params)[i], 3e-5);
        model_free(&many);
    }
    model_free(&one);
}

Test(batch_norm, values_share_memory_and_change_nothing) {
    model shared = model_new(&(build){.n_threads = 3, .options = plain, .depth = DEPTH});
    model kept =
        model_new(&(build){.n_threads = 3, .keeps = true, .options = plain, .depth = DEPTH});
    mr_graph_run(shared.graph, ROWS);
    mr_graph_run(kept.graph, ROWS);
    expect_equal(&shared, &kept);
    model_free(&shared);
    model_free(&kept);
}

// A batch for whose rows two threads would otherwise take tiles.
Test(batch_norm, a_large_batch_is_normalised_as_a_whole) {
    enum { N = 2304 };
    model m = model_new(&(build){.n_threads = 1, .options = plain, .depth = 1});
    mr_graph *graph;
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, 1);
    cr_assert_eq(mr_graph_new(N, 2, &graph), MR_OK);
    mr_node *x = mr_input(graph, COLS, false);
    mr_node *y = mr_keep(mr_batch_norm_train(x, m.params, &m.norm, &plain));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    mr_random_fill_uniform(&random, N * COLS, 2, 5, mr_node_value(x));
    mr_graph_run(graph, N);
    for (size_t j = 0; j < COLS; j++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < N; i++) {
            const double value = (double)mr_node_value(y)[i * COLS + j];
            sum += value;
            squares += value * value;
        }
        cr_expect_float_eq(sum / N, 0, 1e-6);
        cr_expect_float_eq(squares / N, 1, 2e-5); // variance / (variance + epsilon)
    }
    mr_graph_free(graph);
    model_free(&m);
}

// As a critic sees the transitions of a batch: (s, a) and (s', a') in a row.
Test(batch_norm, the_points_of_split_rows_share_their_statistics) {
    enum { N = 20 };
    model m = model_new(&(build){.n_threads = 1, .options = plain, .depth = 1});
    mr_node *x[2], *y[2];
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, 2);
    mr_real points[2 * N * COLS];
    mr_random_fill_normal(&random, 2 * N * COLS, points);
    for (size_t k = 0; k < 2; k++) { // N rows of two points, 2 N rows of one
        const size_t n_rows = k == 0 ? N : 2 * N, n_points = 2 * N / n_rows;
        mr_graph *graph;
        cr_assert_eq(mr_graph_new(n_rows, 1, &graph), MR_OK);
        x[k] = mr_input(graph, n_points * COLS, false);
        y[k] = mr_batch_norm_train(mr_split_rows(x[k], n_points), m.params, &m.norm, &plain);
        y[k] = mr_keep(mr_join_rows(y[k], n_points));
        cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
        mr_input_fill(x[k], n_rows, points);
        mr_graph_run(graph, n_rows);
    }
    cr_expect_arr_eq(mr_node_value(y[0]), mr_node_value(y[1]), sizeof points);
    mr_graph_free(mr_node_graph(x[0]));
    mr_graph_free(mr_node_graph(x[1]));
    model_free(&m);
}

// A target's statistics are copies, which its own runs leave as they are.
Test(batch_norm, running_statistics_of_parameters_that_are_not_trained_stay) {
    model m = model_new(&(build){.n_threads = 1, .options = plain, .depth = 1});
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *x = mr_input(graph, COLS, false);
    mr_batch_norm_train(x, m.params, &m.norm, &plain);
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    mr_input_fill(x, ROWS, mr_node_value(m.x));
    mr_graph_run(graph, ROWS);
    mr_graph_update_buffers(graph);
    cr_expect_eq(*mr_params_buffer(m.params, m.norm.n_batches), 0);
    cr_expect_eq(mr_params_buffer(m.params, m.norm.mean)[1], 0);
    mr_graph_free(graph);
    model_free(&m);
}

// ---- Running statistics

typedef struct {
    double mean, variance;
} moments;

static moments moments_of(const model *m, size_t column) {
    moments s = {0};
    const mr_real *x = mr_node_value(m->x);
    for (size_t i = 0; i < ROWS; i++)
        s.mean += (double)x[i * COLS + column] / ROWS;
    for (size_t i = 0; i < ROWS; i++)
        s.variance += pow((double)x[i * COLS + column] - s.mean, 2) / ROWS;
    return s;
}

Test(batch_norm, running_statistics_move_when_the_run_is_accepted) {
    model m = model_new(&(build){.n_threads = 3, .options = plain, .depth = 1});
    const mr_real *mean = mr_params_buffer(m.params, m.norm.mean);
    const mr_real *variance = mr_params_buffer(m.params, m.norm.variance);
    mr_graph_run(m.graph, ROWS);
    cr_expect_eq(mean[1], 0);
    cr_expect_eq(variance[1], 1);
    mr_graph_update_buffers(m.graph);
    for (size_t j = 0; j < COLS; j++) {
        const moments s = moments_of(&m, j);
        cr_expect_float_eq(mean[j], 0.1 * s.mean, 1e-6);
        cr_expect_float_eq(variance[j], 0.9 + 0.1 * s.variance, 1e-6);
    }
    cr_expect_eq(*mr_params_buffer(m.params, m.norm.n_batches), 1);
    model_free(&m);
}

Test(batch_norm, running_mode_uses_the_statistics_and_moves_nothing) {
    model m = model_new(&(build){.n_threads = 2, .runs = true, .options = plain, .depth = 1});
    for (size_t j = 0; j < COLS; j++) {
        mr_params_buffer(m.params, m.norm.mean)[j] = 2;
        mr_params_buffer(m.params, m.norm.variance)[j] = 4;
    }
    mr_graph_run(m.graph, ROWS);
    mr_graph_update_buffers(m.graph);
    for (size_t i = 0; i < ROWS * COLS; i++)
        cr_expect_float_eq(mr_node_value(m.y)[i],
                           ((double)mr_node_value(m.x)[i] - 2) / sqrt(4 + 1e-5), 1e-5);
    cr_expect_eq(*mr_params_buffer(m.params, m.norm.mean), 2);
    cr_expect_eq(*mr_params_buffer(m.params, m.norm.n_batches), 0);
    model_free(&m);
}

static void expect_renorm(const model *m, double r_max, double d_max) {
    for (size_t j = 0; j < COLS; j++) {
        const moments s = moments_of(m, j);
        const double deviation = sqrt(s.variance + 1e-3), running = sqrt(1 + 1e-3);
        const double r = fmin(fmax(deviation / running, 1 / r_max), r_max);
        const double d = fmin(fmax(s.mean / running, -d_max), d_max);
        for (size_t i = j; i < ROWS * COLS; i += COLS)
            cr_expect_float_eq(mr_node_value(m->y)[i],
                               ((double)mr_node_value(m->x)[i] - s.mean) / deviation * r + d, 1e-5);
    }
}

// The columns' means are 0 to 5 and their deviations 1 to 3: some corrections reach their bounds.
Test(batch_norm, batch_renorm_corrects_after_its_warm_up) {
    const mr_batch_norm_options options = {
        .rate = 0, .epsilon = 1e-3, .r_max = 2, .d_max = 2.5, .n_warm_up = 2};
    model m = model_new(&(build){.n_threads = 2, .options = options, .depth = 1});
    for (int i = 0; i < 2; i++) {
        mr_graph_run(m.graph, ROWS);
        expect_renorm(&m, 1, 0);
        mr_graph_update_buffers(m.graph);
    }
    mr_graph_run(m.graph, ROWS);
    expect_renorm(&m, 2, 2.5);
    model_free(&m);
}

Test(batch_norm, a_single_row_has_its_shift_as_the_result) {
    model m = model_new(&(build){.n_threads = 2, .options = plain, .depth = 1});
    mr_params_value(m.params)[m.norm.shift.offset] = 3;
    mr_graph_run(m.graph, 1);
    mr_graph_update_buffers(m.graph);
    cr_expect_eq(mr_node_value(m.y)[0], 3);
    for (size_t j = 0; j < COLS; j++)
        cr_expect(isfinite(mr_params_buffer(m.params, m.norm.variance)[j]));
    model_free(&m);
}
