// Composition of layers.

#include "flows/flow.h"

#include "flows/kind.h"
#include "flows/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 256 };

struct mr_flow {
    mr_arena *arena; // the layers and their states
    const mr_flow_kind *kind;
    mr_flow_options options;
    mr_flow_layer *layer; // [options.layers]
    bool turned;          // the kind's forward goes from x to z
    char text[MAX_TEXT];
};

static mr_status declare_layer(mr_flow *flow, size_t i, size_t dim, size_t context_dim,
                               mr_params *params, const char *prefix) {
    char layer_prefix[MAX_TEXT];
    mr_flow_layer *layer = &flow->layer[i];
    *layer = (mr_flow_layer){.kind = flow->kind,
                             .options = &flow->options,
                             .arena = flow->arena,
                             .index = i,
                             .dim = dim,
                             .context_dim = context_dim,
                             .state = mr_arena_alloc(flow->arena, flow->kind->state_size)};
    if (!layer->state)
        return mr_fail_memory("a flow");
    snprintf(layer_prefix, sizeof layer_prefix, "%s.%zu", prefix, i);
    return flow->kind->declare(layer, params, layer_prefix);
}

mr_status mr_flow_new(const char *text, mr_flow_use use, size_t dim, size_t context_dim,
                      mr_params *params, const char *prefix, mr_flow **out) {
    mr_status status;
    mr_flow *flow = calloc(1, sizeof *flow);
    if (flow)
        flow->arena = mr_arena_new();
    if (!flow || !flow->arena) {
        status = mr_fail_memory("a flow");
        goto done;
    }
    MR_TRY(mr_flow_text_read(text, &flow->kind, &flow->options));
    const mr_flow_natural other =
        use == MR_FLOW_TO_SAMPLE ? MR_NATURAL_INVERSE : MR_NATURAL_FORWARD;
    flow->turned = flow->kind->natural == other;
    mr_flow_text_write(flow->kind, &flow->options, flow->text, sizeof flow->text);
    flow->layer = mr_arena_alloc(flow->arena, flow->options.layers * sizeof *flow->layer);
    if (!flow->layer) {
        status = mr_fail_memory("a flow");
        goto done;
    }
    for (size_t i = 0; i < flow->options.layers; i++)
        MR_TRY(declare_layer(flow, i, dim, context_dim, params, prefix));
    *out = flow;
    flow = NULL;
done:
    mr_flow_free(flow);
    return status;
}

void mr_flow_free(mr_flow *flow) {
    if (!flow)
        return;
    mr_arena_free(flow->arena);
    free(flow);
}

const char *mr_flow_text(const mr_flow *flow) {
    return flow->text;
}

bool mr_flow_is_affine(const mr_flow *flow) {
    return flow->options.layers > 0 && flow->layer[0].kind->is_affine;
}

// One layer, in the kind's own forward or inverse direction.
static mr_node *pass(const mr_flow_layer *layer, bool forward, mr_params *params, mr_node *x,
                     mr_node *context, mr_node **log_det) {
    mr_node *part = NULL;
    mr_node *y = forward ? layer->kind->forward(layer, params, x, context, &part)
                         : layer->kind->inverse(layer, params, x, context, &part);
    *log_det = *log_det ? mr_add(*log_det, part) : part;
    return y;
}

mr_node *mr_flow_forward(const mr_flow *flow, mr_params *params, mr_node *z, mr_node *context,
                         mr_node **log_det) {
    for (size_t i = 0; i < flow->options.layers; i++)
        z = pass(&flow->layer[i], !flow->turned, params, z, context, log_det);
    return z;
}

mr_node *mr_flow_inverse(const mr_flow *flow, mr_params *params, mr_node *x, mr_node *context,
                         mr_node **log_det) {
    for (size_t i = flow->options.layers; i-- > 0;)
        x = pass(&flow->layer[i], flow->turned, params, x, context, log_det);
    return x;
}

// ---- The data-dependent start

// Moves x [n x dim] through one layer, towards z.
static mr_status step(const mr_flow *flow, const mr_flow_layer *layer, mr_params *params, size_t n,
                      mr_real *x, const mr_real *context) {
    mr_status status;
    mr_graph *graph = NULL;
    mr_node *in, *context_in = NULL, *log_det = NULL, *out;

    MR_TRY(mr_graph_new(n, 1, &graph));
    in = mr_input(graph, layer->dim, false);
    if (context)
        context_in = mr_input(graph, layer->context_dim, false);
    out = mr_keep(pass(layer, flow->turned, params, in, context_in, &log_det));
    MR_TRY(mr_graph_plan(graph, NULL, 0, NULL));
    memcpy(mr_node_value(in), x, n * layer->dim * sizeof *x);
    if (context)
        memcpy(mr_node_value(context_in), context, n * layer->context_dim * sizeof *context);
    mr_graph_run(graph, n);
    memcpy(x, mr_node_value(out), n * layer->dim * sizeof *x);
done:
    mr_graph_free(graph);
    return status;
}

mr_status mr_flow_start(mr_flow *flow, mr_params *params, size_t n, const mr_real *x,
                        const mr_real *context) {
    mr_status status = MR_OK;
    if (!flow->kind->start || flow->turned)
        return MR_OK;
    const size_t n_bytes = n * flow->layer->dim * sizeof *x;
    mr_real *moved = malloc(n_bytes);
    if (!moved)
        return mr_fail_memory("a flow's start");
    memcpy(moved, x, n_bytes);
    for (size_t i = flow->options.layers; i-- > 0;) {
        flow->kind->start(&flow->layer[i], params, n, moved);
        MR_TRY(step(flow, &flow->layer[i], params, n, moved, context));
    }
done:
    free(moved);
    return status;
}

size_t mr_flow_count(void) {
    return mr_flow_n_kinds;
}

mr_flow_entry mr_flow_at(size_t i) {
    return (mr_flow_entry){mr_flow_kinds[i]->name, mr_flow_kinds[i]->summary};
}
