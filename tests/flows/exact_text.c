// Flows over text, in double precision: the causal net, the bound and its gradient.

#include "flows/text_internal.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

// ---- The causal net

enum { N_IN = 3, HIDDEN = 5, BLOCKS = 2, N_OUT = 4, STEPS = 9, ROWS = 2 };

typedef struct {
    mr_params *params;
    mr_causal_net net;
    mr_graph *graph;
    mr_node *x, *out;
} net_case;

static void fill_params(mr_params *params, double size) {
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 1);
    mr_real *value = mr_params_value(params);
    for (size_t i = 0; i < mr_params_size(params); i++)
        value[i] = size * mr_random_normal(&random);
}

static net_case net_of_all_steps(void) {
    net_case c = {0};
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_params_new(&c.params), MR_OK);
    c.net = mr_causal_net_declare(c.params, "net", N_IN, HIDDEN, BLOCKS, N_OUT);
    cr_assert_eq(mr_params_alloc(c.params, &random), MR_OK);
    fill_params(c.params, 0.7);
    cr_assert_eq(mr_graph_new(ROWS, 1, &c.graph), MR_OK);
    c.x = mr_input(c.graph, STEPS * N_IN, false);
    c.out = mr_keep(mr_join_rows(
        mr_causal_net_build(&c.net, c.params, mr_split_rows(c.x, STEPS), NULL, STEPS, 0), STEPS));
    cr_assert_eq(mr_graph_plan(c.graph, NULL, 0, NULL), MR_OK);
    mr_random_fill_normal(&random, ROWS * STEPS * N_IN, mr_node_value(c.x));
    return c;
}

static void net_free(net_case *c) {
    mr_graph_free(c->graph);
    mr_params_free(c->params);
}

Test(text, an_output_sees_its_step_and_those_before_it_as_far_as_the_net_reaches) {
    net_case c = net_of_all_steps();
    mr_real before[ROWS * STEPS * N_OUT];
    const size_t reach = mr_causal_net_reach(&c.net);
    size_t n_seen = 0;
    bool sees_farthest = false;
    cr_assert_eq(reach, 4);
    mr_graph_run(c.graph, ROWS);
    memcpy(before, mr_node_value(c.out), sizeof before);
    for (size_t t = 0; t < STEPS; t++) {
        mr_real *changed = mr_node_value(c.x) + (STEPS + t) * N_IN; // of the second row
        const mr_real kept = changed[1];
        changed[1] += 1;
        mr_graph_run(c.graph, ROWS);
        changed[1] = kept;
        for (size_t k = 0; k < ROWS * STEPS; k++) {
            const bool is_same = memcmp(before + k * N_OUT, mr_node_value(c.out) + k * N_OUT,
                                        N_OUT * sizeof *before) == 0;
            const bool sees = k >= STEPS + t && k < STEPS + t + reach;
            cr_expect(is_same || sees, "step %zu of %zu after a change at %zu", k % STEPS,
                      (size_t)STEPS, t);
            n_seen += !is_same;
            sees_farthest |= !is_same && k == STEPS + t + reach - 1;
        }
    }
    cr_expect_gt(n_seen, 2 * STEPS); // a ReLU may hide a change from some
    cr_expect(sees_farthest);
    net_free(&c);
}

// Products of one row and of many differ in the order of their sums: some units in the last place
// of numbers of order 10.
Test(text, a_net_that_is_run_step_by_step_gives_what_it_gives_for_the_whole_sequence) {
    net_case c = net_of_all_steps();
    mr_graph *graph;
    mr_node *earlier[BLOCKS], *latest[BLOCKS];
    mr_real ring[BLOCKS][STEPS + 4][ROWS * HIDDEN] = {0};
    mr_graph_run(c.graph, ROWS);
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *x = mr_input(graph, N_IN, false);
    for (size_t i = 0; i < BLOCKS; i++)
        earlier[i] = mr_input(graph, HIDDEN, false);
    mr_node *out = mr_keep(mr_causal_net_build_step(&c.net, c.params, x, earlier, latest));
    for (size_t i = 0; i < BLOCKS; i++)
        mr_keep(latest[i]);
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    for (size_t t = 0; t < STEPS; t++) {
        for (size_t r = 0; r < ROWS; r++)
            memcpy(mr_node_value(x) + r * N_IN, mr_node_value(c.x) + (r * STEPS + t) * N_IN,
                   N_IN * sizeof(mr_real));
        for (size_t i = 0; i < BLOCKS; i++)
            memcpy(mr_node_value(earlier[i]), ring[i][4 + t - mr_causal_net_distance(i)],
                   sizeof ring[i][0]);
        mr_graph_run(graph, ROWS);
        for (size_t i = 0; i < BLOCKS; i++)
            memcpy(ring[i][4 + t], mr_node_value(latest[i]), sizeof ring[i][0]);
        for (size_t r = 0; r < ROWS; r++)
            for (size_t k = 0; k < N_OUT; k++)
                cr_expect_float_eq(mr_node_value(out)[r * N_OUT + k],
                                   mr_node_value(c.out)[(r * STEPS + t) * N_OUT + k], 1e-13);
    }
    mr_graph_free(graph);
    net_free(&c);
}

// ---- The bound

static mr_characters text_of(const char *bytes) {
    mr_characters text;
    cr_assert_eq(mr_characters_parse("text", bytes, strlen(bytes), &text), MR_OK);
    return text;
}

static mr_text_flow *flow_of(const char *flow, const char *bytes) {
    mr_text_flow *result;
    mr_characters text = text_of(bytes);
    cr_assert_eq(mr_text_flow_new(flow, "text", &text, 1, &result), MR_OK, "%s",
                 mr_error_message());
    fill_params(result->params, 0.8);
    mr_characters_free(&text);
    return result;
}

static mr_sequences sequences_of(const mr_text_flow *flow, const char *bytes) {
    mr_sequences s;
    mr_characters text = text_of(bytes);
    cr_assert_eq(mr_text_flow_cut(flow, "text", &text, &s), MR_OK, "%s", mr_error_message());
    mr_characters_free(&text);
    return s;
}

enum { CODES = 4, GRID = 200 }; // the mark and a, b, c; points of a quadrature

// The middles of GRID pieces of equal probability of each encoder.
static void fill_points(const mr_text_flow *flow, double z[CODES][GRID]) {
    const mr_real *mean = mr_params_read(flow->params) + flow->categories.mean.offset;
    const mr_real *log_scale = mr_params_read(flow->params) + flow->categories.log_scale.offset;
    for (size_t c = 0; c < CODES; c++)
        for (size_t g = 0; g < GRID; g++) {
            const double u = ((double)g + 0.5) / GRID;
            z[c][g] = mean[c] + exp(log_scale[c]) * log(u / (1 - u));
        }
}

// p(k | z), by Bayes' rule over the logistic densities.
static double posterior(const mr_text_flow *flow, size_t k, double z) {
    const mr_real *mean = mr_params_read(flow->params) + flow->categories.mean.offset;
    const mr_real *log_scale = mr_params_read(flow->params) + flow->categories.log_scale.offset;
    double q[CODES], sum = 0;
    for (size_t c = 0; c < CODES; c++) {
        const double s = exp(log_scale[c]), e = exp(-fabs(z - mean[c]) / s);
        q[c] = e / (s * (1 + e) * (1 + e));
        sum += q[c];
    }
    return q[k] / sum;
}

/// The net's weights for what follows a point, or two.
typedef struct {
    const mr_text_flow *flow;
    mr_graph *graph;
    mr_node *seen, *logit;
    size_t n_steps;
} weights_case;

static weights_case weights_of(const mr_text_flow *flow, size_t n_steps) {
    weights_case w = {.flow = flow, .n_steps = n_steps};
    cr_assert_eq(mr_graph_new(1, 1, &w.graph), MR_OK);
    w.seen = mr_input(w.graph, n_steps * CODES, false);
    w.logit = mr_keep(mr_causal_net_build(&flow->net, flow->params, mr_split_rows(w.seen, n_steps),
                                          NULL, n_steps, n_steps - 1));
    cr_assert_eq(mr_graph_plan(w.graph, NULL, 0, NULL), MR_OK);
    return w;
}

static void find_weights(weights_case *w, const double *z, double weight[CODES]) {
    double sum = 0;
    for (size_t t = 0; t < w->n_steps; t++)
        for (size_t c = 0; c < CODES; c++)
            mr_node_value(w->seen)[t * CODES + c] = posterior(w->flow, c, z[t]);
    mr_graph_run(w->graph, 1);
    for (size_t c = 0; c < CODES; c++)
        sum += weight[c] = exp(mr_node_value(w->logit)[c]);
    for (size_t c = 0; c < CODES; c++)
        weight[c] /= sum;
}

// P(code, end of line): the integral over the points of the mark before the line, of the code and
// of its end, of the mixtures' densities and the decoders' probabilities.
static double probability_of_line(const mr_text_flow *flow, size_t code) {
    static double z[CODES][GRID], end_of[CODES]; // end_of: P(the mark is decoded | component c)
    weights_case one = weights_of(flow, 1), two = weights_of(flow, 2);
    double total = 0;
    fill_points(flow, z);
    memset(end_of, 0, sizeof end_of);
    for (size_t c = 0; c < CODES; c++)
        for (size_t g = 0; g < GRID; g++)
            end_of[c] += posterior(flow, 0, z[c][g]) / GRID;
    for (size_t g0 = 0; g0 < GRID; g0++) {
        double first[CODES], last[CODES];
        find_weights(&one, &z[0][g0], first);
        for (size_t c = 0; c < CODES; c++)
            for (size_t g1 = 0; g1 < GRID; g1++) {
                const double points[] = {z[0][g0], z[c][g1]};
                find_weights(&two, points, last);
                double ends = 0;
                for (size_t k = 0; k < CODES; k++)
                    ends += last[k] * end_of[k];
                total += first[c] * posterior(flow, code, z[c][g1]) * ends / GRID / GRID;
            }
    }
    mr_graph_free(one.graph);
    mr_graph_free(two.graph);
    return total;
}

enum { COPIES = 1024 };

// The bounds of COPIES copies of the line "a".
static void score_copies(const mr_text_flow *flow, size_t n_samples, double *log_prob) {
    char bytes[2 * COPIES + 1] = "";
    for (size_t i = 0; i < COPIES; i++)
        memcpy(bytes + 2 * i, "a\n", 3);
    mr_sequences s = sequences_of(flow, bytes);
    cr_assert_eq(s.n, COPIES);
    cr_assert_eq(mr_text_flow_score(flow, &s, 1, 1, n_samples, log_prob), MR_OK);
    mr_sequences_free(&s);
}

static double mean_of(const double *x) {
    double sum = 0;
    for (size_t i = 0; i < COPIES; i++)
        sum += x[i];
    return sum / COPIES;
}

// The quadrature is right to about 1 / GRID^2; the draws, to five standard errors of their own.
Test(text, many_samples_find_the_probability_that_a_quadrature_gives) {
    mr_text_flow *flow = flow_of("text:hidden=4,blocks=1,latent=1", "a\nb\nc\n");
    double log_prob[COPIES], p[COPIES], square = 0;
    score_copies(flow, 200, log_prob);
    for (size_t i = 0; i < COPIES; i++)
        p[i] = exp(log_prob[i]);
    const double mean = mean_of(p), exact = probability_of_line(flow, 1);
    for (size_t i = 0; i < COPIES; i++)
        square += (p[i] - mean) * (p[i] - mean);
    const double error = sqrt(square / (COPIES - 1) / COPIES);
    cr_expect_float_eq(mean, exact, 5 * error + exact / GRID / GRID);
    cr_expect_lt(error, 0.01 * exact);
    mr_text_flow_free(flow);
}

Test(text, the_bound_is_below_the_likelihood_and_tightened_by_importance_samples) {
    mr_text_flow *flow = flow_of("text:hidden=4,blocks=1,latent=1", "a\nb\nc\n");
    double one[COPIES], four[COPIES];
    score_copies(flow, 1, one);
    score_copies(flow, 4, four);
    const double exact = log(probability_of_line(flow, 1));
    cr_expect_lt(mean_of(one), mean_of(four));
    cr_expect_lt(mean_of(four), exact);
    cr_expect_gt(mean_of(four), exact - 0.3);
    mr_text_flow_free(flow);
}

// With the same draws, a longer text takes nothing from the bound of its beginning.
Test(text, the_bound_counts_the_characters_of_a_sequence_and_not_what_is_after_its_end) {
    mr_text_flow *flow = flow_of("text:hidden=4,blocks=1,latent=1", "a\nb\nc\n");
    mr_graph *graph;
    const mr_real rows[3][5] = {{0, 1, -1, -1, -1}, {0, 1, 2, -1, -1}, {0, 1, 2, 3, 0}};
    double bound_of[3];
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 2);
    cr_assert_eq(mr_graph_new(1, 1, &graph), MR_OK);
    mr_node *u = mr_input(graph, 5, false);
    mr_node *bound = mr_keep(mr_text_flow_build_log_prob(flow, u));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    mr_graph_draw(graph, 1, &random);
    for (size_t i = 0; i < 3; i++) {
        mr_input_fill(u, 1, rows[i]);
        mr_graph_run(graph, 1);
        bound_of[i] = mr_node_value(bound)[0];
    }
    // A step's bound is the logarithm of a probability.
    cr_expect_lt(bound_of[0], 0);
    cr_expect_lt(bound_of[1], bound_of[0]);
    cr_expect_lt(bound_of[2], bound_of[1]);
    mr_graph_free(graph);
    mr_text_flow_free(flow);
}

// Scales of e^-12 leave next to nothing to chance: the means are some tenths apart.
Test(text, several_lines_in_a_row_have_the_bounds_of_each) {
    mr_text_flow *flow = flow_of("text:hidden=4,blocks=3,latent=2", "abc\nb\n");
    mr_real *log_scale = mr_params_value(flow->params) + flow->categories.log_scale.offset;
    for (size_t i = 0; i < CODES * 2; i++)
        log_scale[i] = -12;
    enum { WIDTH = 9 };
    const mr_real rows[4][WIDTH] = {{0, 1, 2, 3, 0, 2, 0, 1, 0},
                                    {0, 1, 2, 3, 0, -1, -1, -1, -1},
                                    {0, 2, 0, -1, -1, -1, -1, -1, -1},
                                    {0, 1, 0, -1, -1, -1, -1, -1, -1}};
    mr_graph *graph;
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 2);
    cr_assert_eq(mr_graph_new(4, 1, &graph), MR_OK);
    mr_node *u = mr_input(graph, WIDTH, false);
    mr_node *bound = mr_keep(mr_text_flow_build_log_prob(flow, u));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    mr_input_fill(u, 4, rows[0]);
    mr_graph_draw(graph, 4, &random);
    mr_graph_run(graph, 4);
    const mr_real *b = mr_node_value(bound);
    cr_expect_float_eq(b[0], b[1] + b[2] + b[3], 1e-3);
    cr_expect_lt(b[0], b[1] - 0.1);
    mr_graph_free(graph);
    mr_text_flow_free(flow);
}

// A central difference with step 1e-5 errs by some 1e-9 here.
Test(text, gradients_of_the_bound_equal_central_differences) {
    mr_text_flow *flow = flow_of("text:length=3,hidden=3,blocks=1,latent=2", "abcabc");
    mr_sequences s = sequences_of(flow, "abcabcab");
    const double step = 1e-5;
    const size_t width = s.context + s.longest, n = s.n;
    mr_params *trained = flow->params;
    mr_graph *graph;
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 3);
    cr_assert_eq(n, 3);
    cr_assert_eq(mr_graph_new(n, 1, &graph), MR_OK);
    mr_node *u = mr_input(graph, width, false);
    mr_node *bound = mr_keep(mr_text_flow_build_log_prob(flow, u));
    cr_assert_eq(mr_graph_plan(graph, bound, 1, &trained), MR_OK);
    for (size_t i = 0; i < n; i++)
        mr_sequences_fill(&s, i, width, mr_node_value(u) + i * width);
    mr_graph_draw(graph, n, &random);
    mr_graph_run(graph, n);
    const size_t n_params = mr_params_trained_size(trained);
    mr_real *value = mr_params_value(trained), gradient[1000];
    cr_assert_leq(n_params, 1000);
    memcpy(gradient, mr_params_grad(trained), n_params * sizeof *gradient);
    for (size_t i = 0; i < n_params; i++) {
        const mr_real kept = value[i];
        value[i] = kept + step;
        mr_graph_run(graph, n);
        const double above = mr_node_mean(bound, n);
        value[i] = kept - step;
        mr_graph_run(graph, n);
        const double below = mr_node_mean(bound, n);
        value[i] = kept;
        cr_expect_float_eq(gradient[i], (above - below) / (2 * step), 1e-7, "parameter %zu", i);
    }
    mr_graph_free(graph);
    mr_sequences_free(&s);
    mr_text_flow_free(flow);
}
