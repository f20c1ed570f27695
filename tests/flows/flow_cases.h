/// Every preset and every part in every setting, for the tests that go over the tables.
///
/// A case is a flow's text, a use, a direction, features (a vector or an image) and a context or
/// none. A subject is a case in a graph: in -> out in the case's direction, and back again by the
/// other one.
#pragma once

#include "flows/flow.h"
#include "tests/flows/no_gradient.h"
#include "tests/sanitized.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT_DIM = 3, MAX_DIM = 17 };

typedef struct {
    const char *text;
    mr_flow_use use;
    bool inverse; // in -> out is x -> z
    size_t dim, context_dim;
    mr_shape image; // all 0: a vector
} flow_case;

static inline mr_status flow_case_new(const flow_case *c, mr_params *params, mr_flow **out) {
    const mr_flow_spec spec = {.text = c->text,
                               .use = c->use,
                               .dim = c->dim,
                               .image = c->image,
                               .context_dim = c->context_dim};
    return mr_flow_create(&spec, params, "flow", out);
}

/// What is special about a flow, by the parts that it is made of.
typedef struct {
    bool rotates;        // starts as a rotation or another order instead of the identity
    bool starts_near;    // starts near the identity, but for some hundredths
    bool data_start;     // has a start that depends on data
    bool autoregressive; // one layer's Jacobian is a full triangle in some order, two layers' has
                         // no zeros
    bool sees_context;
    bool has_fixed; // has fixed maps: it does not start as the identity, and overflows far out
    double noise;   // of perturbed parameters
} flow_fact;

/// At a deviation of 0.06 three times a net of two layers of 64 hidden units has slopes of order 1;
/// steeper nets, one after the other, would amplify rounding without limit.
static inline flow_fact fact_of(const char *text) {
    char composition[MR_FLOW_MAX_TEXT];
    cr_assert_eq(mr_flow_describe(text, MR_FLOW_TO_SCORE, NULL, composition), MR_OK, "%s",
                 mr_error_message());
    const char *c = composition;
    bool has_fixed = false;
    for (size_t i = 0; i < mr_flow_part_count(); i++)
        has_fixed |= mr_flow_part_at(i).is_fixed && has_part(c, mr_flow_part_at(i).name);
    return (flow_fact){
        .has_fixed = has_fixed,
        .rotates = HAS_ONE_OF(c, "lu", "permutation", "reverse", "squeeze"),
        .starts_near = has_part(c, "logistic_mixture"),
        .data_start = has_part(c, "actnorm"),
        .autoregressive = strncmp(c, "[autoregressive(", 16) == 0 && !strstr(c, ", reverse"),
        .sees_context = HAS_ONE_OF(c, "coupling", "autoregressive", "affine", "shift", "spline",
                                   "logistic_mixture", "planar", "radial", "factor_out"),
        .noise = strcmp(text, "planar") == 0   ? 0.25
                 : strcmp(text, "radial") == 0 ? 0.5
                                               : 0.06,
    };
}

/// The values that x can take, if z can be any numbers. False if there is no such x: policies and
/// densities refuse such a flow.
static inline bool find_values(const flow_case *c, mr_interval *out) {
    mr_params *params;
    mr_flow *flow;
    mr_flow_values values;
    cr_assert_eq(mr_params_new(&params), MR_OK);
    cr_assert_eq(flow_case_new(c, params, &flow), MR_OK, "%s: %s", c->text, mr_error_message());
    const bool found = mr_flow_find_values(flow, (double)INFINITY, &values) == MR_OK;
    mr_flow_free(flow);
    mr_params_free(params);
    *out = values.interval;
    return found;
}

/// Both uses (if they are possible), both directions, with and without a context.
static inline void for_each_setting_of(const char *text, size_t dim, mr_shape image,
                                       void (*check)(const flow_case *c)) {
    char inverted[MR_FLOW_MAX_TEXT];
    snprintf(inverted, sizeof inverted, text[0] == '[' ? "inverse(%s)" : "%s", text);
    mr_interval values;
    size_t n_possible = 0;
    for (int k = 0; k < 8; k++) {
        const bool scores = k & 1;
        const flow_case c = {.text = scores || image.channels == 0 ? text : inverted,
                             .use = scores ? MR_FLOW_TO_SCORE : MR_FLOW_TO_SAMPLE,
                             .inverse = k & 2,
                             .dim = dim,
                             .context_dim = k & 4 ? CONTEXT_DIM : 0,
                             .image = image};
        if (!find_values(&c, &values))
            continue;
        n_possible++;
        check(&c);
    }
    cr_assert_gt(n_possible, 0, "%s: %s", text, mr_error_message());
}

static inline void for_each_setting(const char *text, size_t dim,
                                    void (*check)(const flow_case *c)) {
    for_each_setting_of(text, dim, (mr_shape){0}, check);
}

/// Flows of images, read from the data to the base.
static const struct {
    const char *text;
    mr_shape image;
} image_flows[] = {
    {"image_glow:levels=1,steps=2,channels=5", {1, 4, 4}},
    {"image_glow:levels=2,steps=1,channels=5", {1, 4, 4}},
    {"image_real_nvp:levels=1,steps=1,channels=5", {1, 4, 4}},
    {"[squeeze, coupling(spline(bins=3), net=mlp, hidden=8, mask=channels), factor_out]",
     {2, 2, 4}},
    {"[coupling(affine, net=conv, hidden=6, mask=channels), actnorm]*2", {3, 2, 2}},
    {"[coupling(inverse(affine), net=conv, hidden=6x7, mask=checkerboard)]*2", {2, 2, 3}},
    {"[coupling(affine, net=mlp, hidden=8, mask=checkerboard), lu, factor_out]*2", {4, 2, 2}},
};

static inline void for_each_image_case(void (*check)(const flow_case *c)) {
    for (size_t i = 0; i < MR_COUNT(image_flows); i++) {
        const mr_shape s = image_flows[i].image;
        for_each_setting_of(image_flows[i].text, s.channels * s.height * s.width, s, check);
    }
}

/// Compositions that are tested beside the presets and the parts alone.
static const char *const mixed_flows[] = {
    "[actnorm, lu, coupling(spline(bins=5), hidden=16)]*2",
    "[autoregressive(affine, hidden=16, order=forward), reverse]*2",
    "[coupling(affine, hidden=16x16, net=residual, mask=halves), permutation]*2",
    "[inverse([planar, radial]), inverse(coupling(spline(bins=3, bound=4), hidden=8))]*2",
    "[coupling(affine, net=conv, hidden=8, mask=channels), coupling(affine, net=conv, hidden=8)]",
    "[logit(low=-1, high=2), actnorm, coupling(affine, hidden=16)]",
    "[coupling(affine, hidden=16), lu, tanh(bound=2), inverse(logit(low=-3))]",
    ("[log(low=-2), sigmoid(low=-4, high=4), coupling(spline(bins=3, bound=4), hidden=8), "
     "inverse(sigmoid(low=-4, high=4))]"),
    "[lu, coupling(logistic_mixture(components=2), hidden=8), inverse(logistic_mixture)]*2",
};

/// Calls `check` for each preset, each part alone (with each transform that it may apply), and the
/// mixed flows.
static inline void for_each_text(void (*check)(const char *text)) {
    char text[128];
    for (size_t i = 0; i < mr_flow_count(); i++)
        check(mr_flow_at(i).name);
    for (size_t i = 0; i < mr_flow_part_count(); i++) {
        const mr_flow_part part = mr_flow_part_at(i);
        for (size_t k = 0; k < mr_flow_part_count() && part.has_transform; k++) {
            snprintf(text, sizeof text, "[%s(%s, hidden=16)]*2", part.name,
                     mr_flow_part_at(k).name);
            if (mr_flow_part_at(k).is_transform)
                check(text);
        }
        snprintf(text, sizeof text, "[%s]*2", part.name);
        if (!part.has_transform && !part.is_for_images)
            check(text);
    }
    for (size_t i = 0; i < MR_COUNT(mixed_flows); i++)
        check(mixed_flows[i]);
}

static void (*check_of_case)(const flow_case *c); // what for_each_case is given

// Compositions have the parts of presets, which are tested in more dimensions: in one that is
// longer than a vector, and in one that is even.
static inline void check_in_all_dims(const char *text) {
#if defined SANITIZED_THREADS
    static const size_t dims[] = {3}; // threads share rows, however many features these have
#elif defined SANITIZED
    static const size_t dims[] = {1, 3, MAX_DIM};
#else
    static const size_t dims[] = {1, 3, MAX_DIM, 2};
#endif
    const size_t n_dims = text[0] == '[' && MR_COUNT(dims) > 2 ? 2 : MR_COUNT(dims);
    for (size_t d = 0; d < n_dims; d++)
        for_each_setting(text, dims[d], check_of_case);
}

static inline void for_each_case(void (*check)(const flow_case *c)) {
    check_of_case = check;
    for_each_text(check_in_all_dims);
    for_each_image_case(check);
}

typedef struct {
    const flow_case *c;
    char label[256]; // for messages
    mr_random random;
    size_t n_rows;
    mr_interval values; // of `in`
    mr_params *params;
    mr_flow *flow;
    mr_graph *graph;
    mr_node *in, *context; // context: NULL where there is none
    mr_node *out, *log_det;
    mr_node *back, *back_log_det; // NULL without layers, as log_det
    mr_node *weights, *log_det_weight;
    mr_node *loss; // sum(weights out) + log_det_weight log_det
} subject;

static inline mr_node *subject_pass(const subject *s, bool inverse, mr_node *x, mr_node **log_det) {
    return inverse ? mr_flow_inverse(s->flow, s->params, x, s->context, log_det)
                   : mr_flow_forward(s->flow, s->params, x, s->context, log_det);
}

// The case's own direction.
static inline void subject_build_out(subject *s, int n_threads) {
    cr_assert_eq(mr_graph_new(s->n_rows, n_threads, &s->graph), MR_OK);
    s->in = mr_input(s->graph, s->c->dim, true);
    if (s->c->context_dim > 0)
        s->context = mr_input(s->graph, s->c->context_dim, true);
    s->out = mr_keep(subject_pass(s, s->c->inverse, s->in, &s->log_det));
}

static inline void subject_build(subject *s, int n_threads) {
    subject_build_out(s, n_threads);
    s->back = mr_keep(subject_pass(s, !s->c->inverse, s->out, &s->back_log_det));
    mr_keep(s->log_det);
    mr_keep(s->back_log_det);
    s->weights = mr_input(s->graph, s->c->dim, false);
    s->log_det_weight = mr_input(s->graph, 1, false);
    s->loss = mr_row_sum(mr_mul(s->weights, s->out));
    if (s->log_det)
        s->loss = mr_add(s->loss, mr_mul(s->log_det_weight, s->log_det));
    cr_assert_eq(mr_graph_plan(s->graph, s->loss, 1, &s->params), MR_OK);
}

static inline subject subject_begin(const flow_case *c, size_t n_rows) {
    subject s = {.c = c, .n_rows = n_rows, .random = mr_random_stream(11, MR_STREAM_TEST, c->dim)};
    snprintf(s.label, sizeof s.label, "%s to %s, %s, dim %zu, context %zu", c->text,
             c->use == MR_FLOW_TO_SAMPLE ? "sample" : "score", c->inverse ? "inverse" : "forward",
             c->dim, c->context_dim);
    cr_assert_eq(mr_params_new(&s.params), MR_OK);
    cr_assert_eq(flow_case_new(c, s.params, &s.flow), MR_OK, "%s: %s", s.label, mr_error_message());
    cr_assert_eq(mr_params_alloc(s.params, &s.random), MR_OK);
    s.values = (mr_interval){-INFINITY, INFINITY};
    if (c->inverse)
        cr_assert(find_values(c, &s.values));
    return s;
}

/// Moves any numbers to values that the flow takes as `in`.
static inline void subject_place(const subject *s, size_t n, mr_real *x) {
    const double low = s->values.low, high = s->values.high;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i];
        if (isfinite(low) && isfinite(high))
            x[i] = (mr_real)(low + (high - low) / (1 + exp(-v)));
        else if (isfinite(low))
            x[i] = (mr_real)(low + exp(v));
        else if (isfinite(high))
            x[i] = (mr_real)(high - exp(-v));
    }
}

/// A fresh flow; its inputs are standard normals, or made of some.
static inline subject subject_new(const flow_case *c, size_t n_rows, int n_threads) {
    subject s = subject_begin(c, n_rows);
    subject_build(&s, n_threads);
    mr_random_fill_normal(&s.random, n_rows * c->dim, mr_node_value(s.in));
    subject_place(&s, n_rows * c->dim, mr_node_value(s.in));
    if (s.context)
        mr_random_fill_normal(&s.random, n_rows * c->context_dim, mr_node_value(s.context));
    mr_random_fill_normal(&s.random, n_rows * c->dim, mr_node_value(s.weights));
    mr_random_fill_normal(&s.random, n_rows, mr_node_value(s.log_det_weight));
    return s;
}

/// A flow with the parameters of another subject and the case's own direction alone: no way back,
/// no gradient. A fifth of the work.
static inline subject subject_new_one_way(const flow_case *c, size_t n_rows, const subject *of) {
    subject s = subject_begin(c, n_rows);
    memcpy(mr_params_value(s.params), mr_params_value(of->params),
           mr_params_size(of->params) * sizeof(mr_real));
    subject_build_out(&s, 1);
    mr_keep(s.log_det);
    cr_assert_eq(mr_graph_plan(s.graph, NULL, 0, NULL), MR_OK);
    return s;
}

static inline void subject_free(subject *s) {
    mr_graph_free(s->graph);
    mr_flow_free(s->flow);
    mr_params_free(s->params);
}

static inline void subject_run(subject *s) {
    mr_graph_run(s->graph, s->n_rows);
}

/// How far parameters are moved.
static inline double noise_of(const flow_case *c) {
    return fact_of(c->text).noise;
}

/// Moves every parameter that has a gradient by normal noise of deviation `scale`. Masked weights
/// have none (gradient 0) and stay 0. Three rounds, since what starts at zero hides what lies
/// behind it.
static inline void subject_perturb(subject *s, double scale) {
    for (int round = 0; round < 3; round++) {
        subject_run(s);
        mr_real *value = mr_params_value(s->params);
        const mr_real *grad = mr_params_grad(s->params);
        for (size_t i = 0; i < mr_params_size(s->params); i++) {
            const double noise = mr_random_normal(&s->random);
            if (grad[i] != 0)
                value[i] += (mr_real)(scale * noise);
        }
    }
}

static inline double log_det_of(mr_node *log_det, size_t row) {
    return log_det ? (double)mr_node_value(log_det)[row] : 0;
}
