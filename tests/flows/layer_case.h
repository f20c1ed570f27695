/// Cases recorded by tests/oracle/flow_layers.py and flow_images.py: a flow with weights, and what
/// zuko and normflows make of points under it.
#pragma once

#include "flows/flow.h"

#include "tests/recorded.h"

static const double half_log_2_pi = 0.91893853320467274178;

typedef struct {
    mr_tensors *file;
    mr_params *params;
    mr_flow *flow;
    size_t n_rows, dim, context_dim;
    mr_graph *graph;
    mr_node *x, *context, *share, *log_prob;
} layer_case;

static inline size_t layer_case_size(const layer_case *c, const char *key) {
    return strtoul(mr_tensors_note(c->file, key), NULL, 10);
}

// All 0 of a vector.
static inline mr_shape layer_case_image(const layer_case *c) {
    mr_shape s = {0};
    const char *text = mr_tensors_note(c->file, "image");
    if (text)
        cr_assert_eq(sscanf(text, "%zux%zux%zu", &s.channels, &s.height, &s.width), 3);
    return s;
}

static inline void layer_case_load(layer_case *c) {
    const bool samples = strcmp(mr_tensors_note(c->file, "use"), "sample") == 0;
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    c->n_rows = layer_case_size(c, "rows");
    c->dim = layer_case_size(c, "dim");
    c->context_dim = layer_case_size(c, "context_dim");
    cr_assert_eq(mr_params_new(&c->params), MR_OK);
    bool circular[32] = {false};
    cr_assert_leq(c->dim, MR_COUNT(circular));
    for (size_t j = 0; j < c->dim; j++)
        circular[j] = mr_tensors_note(c->file, "circular") != NULL;
    const mr_flow_spec spec = {.text = mr_tensors_note(c->file, "flow"),
                               .use = samples ? MR_FLOW_TO_SAMPLE : MR_FLOW_TO_SCORE,
                               .dim = c->dim,
                               .image = layer_case_image(c),
                               .context_dim = c->context_dim,
                               .circular = circular};
    cr_assert_eq(mr_flow_create(&spec, c->params, "flow", &c->flow), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_params_alloc(c->params, &random), MR_OK);
    mr_tensors *rounded = recorded_round(c->file);
    cr_assert_eq(mr_params_load(c->params, rounded, "", mr_params_value(c->params)), MR_OK, "%s",
                 mr_error_message());
    mr_tensors_close(rounded);
}

// log q(x) = log N(z; 0, 1) + log |det dz/dx|; what gradients are of is the mean of share log q.
static inline void layer_case_build(layer_case *c) {
    mr_node *log_det = NULL;
    cr_assert_eq(mr_graph_new(c->n_rows, 1, &c->graph), MR_OK);
    c->x = mr_input(c->graph, c->dim, true);
    if (c->context_dim > 0)
        c->context = mr_input(c->graph, c->context_dim, true);
    c->share = mr_input(c->graph, 1, false);
    mr_node *z = mr_flow_inverse(c->flow, c->params, c->x, c->context, &log_det);
    mr_node *base = mr_affine(mr_row_sum(mr_square(z)), -0.5, -(double)c->dim * half_log_2_pi);
    c->log_prob = mr_keep(mr_add(base, log_det));
    cr_assert_eq(mr_graph_plan(c->graph, mr_mul(c->share, c->log_prob), 1, &c->params), MR_OK, "%s",
                 mr_error_message());
}

/// Opens MR_TEST_DATA/flows/NAME.safetensors and computes it.
static inline layer_case layer_case_open(const char *name) {
    layer_case c = {0};
    char path[64];
    snprintf(path, sizeof path, "flows/%s", name);
    c.file = recorded_open(path);
    layer_case_load(&c);
    layer_case_build(&c);
    recorded_copy(c.file, "x", c.n_rows * c.dim, mr_node_value(c.x));
    if (c.context)
        recorded_copy(c.file, "context", c.n_rows * c.context_dim, mr_node_value(c.context));
    recorded_copy(c.file, "share", c.n_rows, mr_node_value(c.share));
    mr_graph_run(c.graph, c.n_rows);
    return c;
}

static inline void layer_case_close(layer_case *c) {
    mr_graph_free(c->graph);
    mr_flow_free(c->flow);
    mr_params_free(c->params);
    mr_tensors_close(c->file);
}

/// Holds log-densities and all gradients of one case against the recorded ones.
static inline void layer_case_check(const char *name, double tolerance) {
    layer_case c = layer_case_open(name);
    recorded_expect(c.file, "log_prob", c.n_rows, mr_node_value(c.log_prob), tolerance);
    recorded_expect(c.file, "grad.x", c.n_rows * c.dim, mr_node_grad(c.x), tolerance);
    if (c.context)
        recorded_expect(c.file, "grad.context", c.n_rows * c.context_dim, mr_node_grad(c.context),
                        tolerance);
    recorded_expect_grads(c.file, "grad.", c.params, tolerance);
    layer_case_close(&c);
}

/// The flows whose parts zuko or normflows has, as recorded.
static const char *const recorded_flows[] = {"planar", "radial",   "real_nvp",   "glow",
                                             "maf",    "fixed",    "iaf",        "nsf",
                                             "nsf_ar", "circular", "image_glow", "image_real_nvp"};

/// All of them, with and without a context.
static inline void layer_case_check_all(double tolerance) {
    for (size_t i = 0; i < MR_COUNT(recorded_flows); i++) {
        char name[64];
        layer_case_check(recorded_flows[i], tolerance);
        snprintf(name, sizeof name, "%s_context", recorded_flows[i]);
        layer_case_check(name, tolerance);
    }
}
