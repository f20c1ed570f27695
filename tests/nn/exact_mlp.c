// Nets of every kind of normalisation and activation: what they compute and its gradients, in
// double precision. The error of a central difference is that of exact_ops.c.

#include "nn/mlp.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { ROWS = 7, IN = 3, OUT = 2 };

static const double step = 1e-5;
static const double tolerance = 1e-7;

typedef struct {
    mr_params *params;
    mr_graph *graph;
    mr_mlp net;
    mr_node *x, *y, *loss;
} model;

static model model_new(const mr_mlp_spec *spec, mr_mode mode, int n_threads) {
    model m = {0};
    mr_random random = mr_random_stream(6, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_params_new(&m.params), MR_OK);
    m.net = mr_mlp_declare_spec(m.params, "net", IN, spec, OUT, MR_INIT_FAN_IN);
    cr_assert_eq(mr_params_alloc(m.params, &random), MR_OK);
    for (size_t i = 0; i < mr_params_trained_size(m.params); i++) // gains of 1 and shifts of 0 too
        mr_params_value(m.params)[i] += 0.3 * mr_random_normal(&random);
    cr_assert_eq(mr_graph_new(ROWS, n_threads, &m.graph), MR_OK);
    m.x = mr_input(m.graph, IN, true);
    m.y = mr_keep(mr_mlp_build_mode(&m.net, m.params, m.x, mode));
    m.loss = mr_row_sum(mr_square(mr_affine(m.y, 1, 0.3)));
    cr_assert_eq(mr_graph_plan(m.graph, m.loss, 1, &m.params), MR_OK);
    mr_random_fill_normal(&random, ROWS * IN, mr_node_value(m.x));
    return m;
}

static void model_free(model *m) {
    mr_graph_free(m->graph);
    mr_params_free(m->params);
}

static double loss_at(const model *m, mr_real *at, double value) {
    const mr_real kept = *at;
    *at = value;
    mr_graph_run(m->graph, ROWS);
    *at = kept;
    return mr_node_mean(m->loss, ROWS);
}

static void check_gradients(const model *m, const char *what, size_t n, mr_real *at,
                            const mr_real *grad) {
    enum { MAX = 512 };
    mr_real analytic[MAX];
    cr_assert(n <= MAX);
    mr_graph_run(m->graph, ROWS);
    memcpy(analytic, grad, n * sizeof *analytic);
    for (size_t i = 0; i < n; i++) {
        const double slope =
            (loss_at(m, at + i, at[i] + step) - loss_at(m, at + i, at[i] - step)) / (2 * step);
        cr_expect_float_eq(analytic[i], slope, tolerance * (1 + fabs(slope)),
                           "%s %s, last %d, residual %d: %s[%zu] %g, not %g",
                           mr_norm_name(m->net.spec.norm),
                           mr_activation_name(m->net.spec.activation), m->net.spec.norm_last,
                           m->net.spec.residual, what, i, analytic[i], slope);
    }
}

// Smooth activations: no kink lies within a step.
Test(exact_mlp, gradients_equal_central_differences) {
    static const mr_activation activations[] = {MR_TANH, MR_SILU, MR_GELU};
    for (mr_norm_kind norm = MR_NORM_NONE; norm <= MR_NORM_BATCH_RENORM; norm++)
        for (size_t k = 0; k < 4 * MR_COUNT(activations); k++) {
            const mr_mlp_spec spec = {.hidden = {.n = 3, .width = {4, 5, 6}},
                                      .activation = activations[k / 4],
                                      .norm = norm,
                                      .norm_last = k / 2 % 2 == 1,
                                      .residual = k % 2 == 1};
            model m = model_new(&spec, MR_TRAINING, 2);
            check_gradients(&m, "x", ROWS * IN, mr_node_value(m.x), mr_node_grad(m.x));
            check_gradients(&m, "params", mr_params_trained_size(m.params),
                            mr_params_value(m.params), mr_params_grad(m.params));
            model_free(&m);
        }
}

// ---- What the nets are, written out

static mr_node *linear(const model *m, size_t i, mr_node *x) {
    const mr_layer *layer = &m->net.layer[i];
    return mr_linear(x, m->params, layer->weight, layer->bias, MR_IDENTITY);
}

static mr_node *layer_norm(const model *m, size_t i, mr_node *x) {
    const mr_batch_norm *of = &m->net.layer[i].norm.handles;
    return mr_layer_norm(x, m->params, of->gain, of->shift, MR_IDENTITY);
}

// BRO's critic with one block.
Test(exact_mlp, a_residual_net_adds_blocks_to_their_input) {
    const mr_mlp_spec spec = {.hidden = {.n = 2, .width = {4, 6}},
                              .activation = MR_RELU,
                              .norm = MR_NORM_LAYER,
                              .residual = true};
    model m = model_new(&spec, MR_ACTING, 1);
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *x = mr_input(graph, IN, false);
    mr_node *h = mr_relu(layer_norm(&m, 0, linear(&m, 0, x)));
    mr_node *inside = mr_relu(layer_norm(&m, 1, linear(&m, 1, h)));
    h = mr_add(h, layer_norm(&m, 2, linear(&m, 2, inside)));
    mr_node *y = mr_keep(linear(&m, 3, h));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    mr_input_fill(x, ROWS, mr_node_value(m.x));
    mr_graph_run(graph, ROWS);
    mr_graph_run(m.graph, ROWS);
    for (size_t i = 0; i < ROWS * OUT; i++)
        cr_expect_float_eq(mr_node_value(y)[i], mr_node_value(m.y)[i], 1e-14);
    mr_graph_free(graph);
    model_free(&m);
}

// CrossQ's layer: linear with its bias, activation, batch norm.
Test(exact_mlp, a_norm_may_come_after_the_activation) {
    const mr_mlp_spec spec = {.hidden = {.n = 1, .width = {4}},
                              .activation = MR_RELU,
                              .norm = MR_NORM_BATCH,
                              .norm_last = true};
    model m = model_new(&spec, MR_TRAINING, 1);
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *x = mr_input(graph, IN, false);
    mr_node *h = mr_norm_build(&m.net.input_norm, m.params, x, MR_IDENTITY, MR_TRAINING);
    h = mr_norm_build(&m.net.layer[0].norm, m.params, mr_relu(linear(&m, 0, h)), MR_IDENTITY,
                      MR_TRAINING);
    mr_node *y = mr_keep(linear(&m, 1, h));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    mr_input_fill(x, ROWS, mr_node_value(m.x));
    mr_graph_run(graph, ROWS);
    mr_graph_run(m.graph, ROWS);
    for (size_t i = 0; i < ROWS * OUT; i++)
        cr_expect_float_eq(mr_node_value(y)[i], mr_node_value(m.y)[i], 1e-14);
    mr_graph_free(graph);
    model_free(&m);
}

Test(exact_mlp, batch_norms_normalise_the_input_and_leave_no_bias_but_the_outputs) {
    const mr_mlp_spec spec = {
        .hidden = {.n = 2, .width = {4, 5}}, .activation = MR_RELU, .norm = MR_NORM_BATCH};
    model m = model_new(&spec, MR_TRAINING, 1);
    // Weights, gains and shifts of three norms (input, two layers), and the output's weights and
    // bias.
    cr_expect_eq(mr_params_count(m.params), 2 * (IN + 4 + 5) + IN * 4 + 4 * 5 + 5 * OUT + OUT);
    model_free(&m);
}

// Row `i` of a layer's weights and, if there is one, its bias.
static double squares_of(const model *m, mr_param weight, const mr_param *bias, size_t i) {
    const mr_real *value = mr_params_read(m->params);
    double sum = bias ? pow(value[bias->offset + i], 2) : 0;
    for (size_t j = 0; j < weight.cols; j++)
        sum += pow(value[weight.offset + i * weight.cols + j], 2);
    return sum;
}

// A bias is part of what a hidden layer's scale multiplies, of the last layer it is not.
Test(exact_mlp, rows_of_weights_are_kept_at_norm_one) {
    for (int last = 0; last < 2; last++) {
        const mr_mlp_spec spec = {.hidden = {.n = 2, .width = {4, 5}},
                                  .activation = MR_RELU,
                                  .norm = MR_NORM_BATCH,
                                  .norm_last = last == 1};
        model m = model_new(&spec, MR_TRAINING, 1);
        const mr_layer *hidden = &m.net.layer[1], *output = &m.net.layer[2];
        const mr_param *bias = spec.norm_last ? &hidden->bias : NULL;
        const mr_real *weight = mr_params_read(m.params) + hidden->weight.offset;
        const double ratio = weight[0] / weight[1];
        const double output_bias = mr_params_read(m.params)[output->bias.offset];
        cr_assert_eq(mr_mlp_keep_unit_rows(&m.net, m.params), MR_OK);
        cr_expect_float_eq(weight[0] / weight[1], ratio, 1e-14 * fabs(ratio));
        cr_expect_eq(mr_params_read(m.params)[output->bias.offset], output_bias);
        for (size_t i = 0; i < mr_params_trained_size(m.params); i++)
            mr_params_value(m.params)[i] *= 3;
        mr_params_scale_rows(m.params);
        for (size_t i = 0; i < hidden->weight.rows; i++)
            cr_expect_float_eq(squares_of(&m, hidden->weight, bias, i), 1, 1e-14);
        for (size_t i = 0; i < OUT; i++)
            cr_expect_float_eq(squares_of(&m, output->weight, NULL, i), 1, 1e-14);
        model_free(&m);
    }
}

// In the mode for acting, the batch that a row is in makes no difference to it.
Test(exact_mlp, acting_computes_each_row_by_itself) {
    for (mr_norm_kind norm = MR_NORM_NONE; norm <= MR_NORM_BATCH_RENORM; norm++) {
        const mr_mlp_spec spec = {
            .hidden = {.n = 1, .width = {4}}, .activation = MR_SILU, .norm = norm};
        model m = model_new(&spec, MR_ACTING, 1);
        mr_real before[OUT];
        mr_graph_run(m.graph, ROWS);
        memcpy(before, mr_node_value(m.y), sizeof before);
        for (size_t i = IN; i < ROWS * IN; i++)
            mr_node_value(m.x)[i] += 5;
        mr_graph_run(m.graph, ROWS);
        cr_expect_arr_eq(mr_node_value(m.y), before, sizeof before, "%s", mr_norm_name(norm));
        model_free(&m);
    }
}
