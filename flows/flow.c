// A flow: the parts of a text, one after the other.

#include "flows/flow.h"

#include "base/nearest.h"
#include "flows/grammar.h"
#include "flows/presets.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// A part in its place.
typedef struct {
    mr_part part;
    bool inverted; // it stands in inverse(...)
} placed;

struct mr_flow {
    mr_arena *arena; // the parts and all that they hold
    mr_flow_use use;
    size_t dim, context_dim;
    mr_shape image;         // of x; all 0: a vector
    mr_shape context_image; // in the first features of the context; all 0: none
    const bool *circular;   // [dim] as of a part
    bool is_preset;
    size_t n_parts;
    size_t n_factored; // parts behind which some features are those of z
    placed *part;      // [n_parts] in the order in which the use's direction applies them
    char text[MR_FLOW_MAX_TEXT];
    char composition[MR_FLOW_MAX_TEXT];
};

// ---- Texts

// Whether a text is a single word that is no part, or a word before a colon: a preset, if anything.
static bool looks_like_preset(const char *text) {
    const size_t n = strcspn(text, ":,[(*");
    for (size_t i = 0; i < mr_part_table_size && text[n] == '\0'; i++)
        if (strcmp(mr_part_table[i]->name, text) == 0)
            return false;
    return text[n] == '\0' || text[n] == ':';
}

static const char *preset_name_at(const void *table, size_t i) {
    return ((const mr_preset *)table)[i].name;
}

static mr_status fail_preset(const char *text) {
    char names[256];
    mr_list_names(mr_preset_table_size, preset_name_at, mr_preset_table, sizeof names, names);
    return mr_fail(MR_ERR_USAGE,
                   "flow '%.200s': there is no such preset; choose from %s, or compose parts, as "
                   "in [lu, coupling(affine)]*4 (`millrace flow list` has them all)",
                   text, names);
}

// Reads `text` into a tree, and writes it out in full: as it is, and as a composition.
static mr_status read_text(const char *text, mr_flow_use use, mr_shape image, mr_arena *arena,
                           mr_term **term, char full[MR_FLOW_MAX_TEXT],
                           char composition[MR_FLOW_MAX_TEXT]) {
    mr_status status;
    char expanded[MR_FLOW_MAX_TEXT];
    if (strlen(text) >= MR_FLOW_MAX_TEXT)
        return mr_fail(MR_ERR_USAGE, "flow '%.40s...': longer than %d characters; shorten it", text,
                       MR_FLOW_MAX_TEXT - 1);
    const mr_preset *preset = mr_preset_of(text);
    if (!preset && looks_like_preset(text))
        return fail_preset(text);
    if (preset)
        MR_TRY(mr_preset_expand(preset, text, use, image, full, expanded));
    MR_TRY(mr_flow_parse(preset ? expanded : text, arena, term));
    MR_TRY(mr_flow_print(*term, composition, MR_FLOW_MAX_TEXT));
    if (!preset)
        memcpy(full, composition, MR_FLOW_MAX_TEXT);
done:
    return status;
}

mr_status mr_flow_describe(const char *text, mr_flow_use use, char full[MR_FLOW_MAX_TEXT],
                           char composition[MR_FLOW_MAX_TEXT]) {
    char texts[2][MR_FLOW_MAX_TEXT];
    mr_term *term = NULL;
    mr_arena *arena = mr_arena_new();
    if (!arena)
        return mr_fail_memory("a flow");
    const mr_status status = read_text(text, use, (mr_shape){0}, arena, &term, texts[0], texts[1]);
    if (status == MR_OK && full)
        memcpy(full, texts[0], MR_FLOW_MAX_TEXT);
    if (status == MR_OK && composition)
        memcpy(composition, texts[1], MR_FLOW_MAX_TEXT);
    mr_arena_free(arena);
    return status;
}

// ---- Building

/// What building needs beside the flow.
typedef struct {
    mr_flow *flow;
    mr_params *params;
    const char *prefix;
    size_t n_placed;
    size_t order[MR_FLOW_MAX_PARTS]; // [n_placed] the places, as they are declared
} builder;

// A preset's layers are steps: PREFIX.STEP.*, or PREFIX.STEP.NAME.* if a step has several parts, as
// in files of version 0.1. Parts of other texts are numbered.
static void write_prefix(const builder *b, const mr_part *part, size_t number, char *text,
                         size_t size) {
    if (!b->flow->is_preset)
        snprintf(text, size, "%s.%zu", b->prefix, number);
    else if (part->ops->step_name)
        snprintf(text, size, "%s.%zu.%s", b->prefix, part->index, part->ops->step_name);
    else
        snprintf(text, size, "%s.%zu", b->prefix, part->index);
}

static size_t count_before(const mr_flow *flow, const mr_part_ops *ops) {
    size_t n = 0;
    for (size_t i = 0; i < flow->n_parts; i++)
        n += flow->part[i].part.ops == ops;
    return n;
}

// The transform that a part applies: itself, or its argument, with inverse(...) around it or not.
static mr_transform transform_of(const mr_term *part) {
    const mr_term *term = part->ops->has_transform ? part->first : part;
    mr_transform transform = {0};
    for (; term->type == MR_TERM_INVERSE; term = term->first)
        transform.inverted = !transform.inverted;
    transform.ops = term->ops->transform;
    transform.options = term->options;
    return transform;
}

static mr_status add_part(builder *b, const mr_term *term, size_t place, bool inverted) {
    mr_flow *flow = b->flow;
    const mr_part part = {.ops = term->ops,
                          .options = term->options,
                          .transform = transform_of(term),
                          .arena = flow->arena,
                          .index = count_before(flow, term->ops),
                          .context_dim = flow->context_dim,
                          .context_image = flow->context_image,
                          .circular = flow->circular,
                          .state = mr_arena_alloc(flow->arena, term->ops->state_size)};
    if (!part.state)
        return mr_fail_memory("a flow");
    if (flow->circular && !term->ops->takes_circular)
        return mr_fail(MR_ERR_USAGE,
                       "flow '%.200s': %s has no form for circular columns; coupling, "
                       "autoregressive, affine and spline have one",
                       flow->text, term->ops->name);
    flow->part[place] = (placed){part, inverted};
    b->order[b->n_placed++] = place;
    return MR_OK;
}

static mr_status add_term(builder *b, const mr_term *term, size_t place, bool inverted);

// The items of a sequence; those of an inverted one are applied the other way round.
static mr_status add_items(builder *b, const mr_term *sequence, size_t place, bool inverted) {
    size_t end = place;
    for (const mr_term *item = sequence->first; item; item = item->next)
        end += mr_term_count(item);
    for (const mr_term *item = sequence->first; item; item = item->next) {
        const size_t n = mr_term_count(item);
        end -= n;
        const mr_status status = add_term(b, item, inverted ? end : place, inverted);
        if (status != MR_OK)
            return status;
        place += n;
    }
    return MR_OK;
}

static mr_status add_once(builder *b, const mr_term *term, size_t place, bool inverted) {
    switch (term->type) {
    case MR_TERM_SEQUENCE:
        return add_items(b, term, place, inverted);
    case MR_TERM_INVERSE:
        return add_term(b, term->first, place, !inverted);
    case MR_TERM_PART:
        break;
    }
    return add_part(b, term, place, inverted);
}

// Puts the parts of a tree into flow->part[place ...]. Of repetitions the one next to the base is
// declared first, whichever way the text is read: so the same parameters are drawn for the same
// layers.
static mr_status add_term(builder *b, const mr_term *term, size_t place, bool inverted) {
    const size_t n = mr_term_count(term) / term->repeat;
    const bool from_base = (b->flow->use == MR_FLOW_TO_SAMPLE) != inverted;
    mr_status status = MR_OK;
    for (size_t i = 0; i < term->repeat && status == MR_OK; i++)
        status = add_once(b, term, place + n * (from_base ? i : term->repeat - 1 - i), inverted);
    return status;
}

// Part k, counted from the data.
static placed *part_from_data(const mr_flow *flow, size_t k) {
    return &flow->part[flow->use == MR_FLOW_TO_SCORE ? k : flow->n_parts - 1 - k];
}

static mr_status fail_shape(const mr_flow *flow, const mr_part *part) {
    const mr_shape *s = &part->shape;
    if (mr_shape_places(*s) == 1)
        return mr_fail(MR_ERR_USAGE, "flow '%.200s': %s needs %s, and a vector reaches it",
                       flow->text, part->ops->name, part->ops->needs);
    return mr_fail(MR_ERR_USAGE,
                   "flow '%.200s': %s needs %s, and one of %zu channels and %zu x %zu pixels "
                   "reaches it; give other parts or fewer levels, or scale the images (--size)",
                   flow->text, part->ops->name, part->ops->needs, s->channels, s->height, s->width);
}

// The shape of what reaches a part, and of what goes on.
static mr_status give_shape(mr_flow *flow, placed *p, mr_shape shape) {
    mr_part *part = &p->part;
    const bool is_forward = (flow->use == MR_FLOW_TO_SCORE) != p->inverted;
    part->shape = part->out = shape;
    part->dim = mr_shape_count(shape);
    if (part->ops->fixed && flow->n_factored > 0)
        return mr_fail(MR_ERR_USAGE,
                       "flow '%.200s': %s stands behind factor_out, so that it maps some features "
                       "alone; put it in front",
                       flow->text, part->ops->name);
    if (!part->ops->reshape)
        return MR_OK;
    if (flow->context_image.channels > 0)
        return mr_fail(MR_ERR_USAGE,
                       "flow '%.200s': %s changes the shape of an image, but the image that its "
                       "nets see beside it keeps its own; leave it out",
                       flow->text, part->ops->name);
    if (!is_forward)
        return mr_fail(MR_ERR_USAGE,
                       "flow '%.200s': %s goes from the data to the base, and this is its inverse; "
                       "write it %s inverse(...)",
                       flow->text, part->ops->name, p->inverted ? "without" : "in");
    if (!part->ops->reshape(shape, &part->out))
        return fail_shape(flow, part);
    flow->n_factored += mr_shape_count(part->out) < part->dim;
    return MR_OK;
}

static mr_status give_shapes(mr_flow *flow) {
    mr_shape shape = flow->image.channels > 0 ? flow->image : (mr_shape){flow->dim, 1, 1};
    for (size_t k = 0; k < flow->n_parts; k++) {
        placed *p = part_from_data(flow, k);
        const mr_status status = give_shape(flow, p, shape);
        if (status != MR_OK)
            return status;
        shape = p->part.out;
    }
    return MR_OK;
}

static mr_status declare_parts(const builder *b) {
    char prefix[128];
    for (size_t i = 0; i < b->n_placed; i++) {
        mr_part *part = &b->flow->part[b->order[i]].part;
        write_prefix(b, part, i, prefix, sizeof prefix);
        const mr_status status = part->ops->declare(part, b->params, prefix);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

// A copy of `circular`, NULL if no feature is.
static mr_status copy_circular(mr_flow *flow, const bool *circular) {
    bool any = false;
    for (size_t j = 0; circular && j < flow->dim; j++)
        any |= circular[j];
    if (!any)
        return MR_OK;
    if (flow->image.channels > 0)
        return mr_fail(MR_ERR_USAGE, "flow '%.200s': the pixels of an image cannot be angles",
                       flow->text);
    bool *copy = mr_arena_alloc(flow->arena, flow->dim * sizeof *copy);
    if (!copy)
        return mr_fail_memory("a flow");
    memcpy(copy, circular, flow->dim * sizeof *copy);
    flow->circular = copy;
    return MR_OK;
}

mr_status mr_flow_new(const char *text, mr_flow_use use, size_t dim, size_t context_dim,
                      mr_params *params, const char *prefix, mr_flow **out) {
    const mr_flow_spec spec = {.text = text, .use = use, .dim = dim, .context_dim = context_dim};
    return mr_flow_create(&spec, params, prefix, out);
}

mr_status mr_flow_create(const mr_flow_spec *spec, mr_params *params, const char *prefix,
                         mr_flow **out) {
    mr_status status;
    mr_term *term = NULL;
    mr_flow *flow = calloc(1, sizeof *flow);
    if (flow)
        flow->arena = mr_arena_new();
    if (!flow || !flow->arena) {
        status = mr_fail_memory("a flow");
        goto done;
    }
    flow->use = spec->use;
    flow->dim = spec->dim;
    flow->image = spec->image;
    flow->context_image = spec->context_image;
    flow->context_dim = spec->context_dim;
    flow->is_preset = mr_preset_of(spec->text) != NULL;
    MR_TRY(read_text(spec->text, spec->use, spec->image, flow->arena, &term, flow->text,
                     flow->composition));
    assert(term);
    MR_TRY(copy_circular(flow, spec->circular));
    flow->n_parts = mr_term_count(term);
    flow->part = mr_arena_alloc(flow->arena, flow->n_parts * sizeof *flow->part);
    if (!flow->part) {
        status = mr_fail_memory("a flow");
        goto done;
    }
    builder b = {.flow = flow, .params = params, .prefix = prefix};
    MR_TRY(add_term(&b, term, 0, false));
    MR_TRY(give_shapes(flow));
    MR_TRY(declare_parts(&b));
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

const char *mr_flow_composition(const mr_flow *flow) {
    return flow->composition;
}

bool mr_flow_is_identity(const mr_flow *flow) {
    return flow->n_parts == 0;
}

bool mr_flow_is_affine(const mr_flow *flow) {
    for (size_t i = 0; i < flow->n_parts; i++) {
        const mr_part *part = &flow->part[i].part;
        if (!part->ops->is_affine && !(part->transform.ops && part->transform.ops->is_affine))
            return false;
    }
    return flow->n_parts > 0;
}

// ---- The values that features take

// The ends of an interval through a fixed map, or its inverse. False if the interval is not within
// the map's domain.
static bool map_values(const mr_part *part, bool inverse, mr_interval *values) {
    const mr_fixed_map *map = part->ops->fixed;
    const mr_interval domain = (inverse ? map->range : map->domain)(part->options);
    double (*at)(const void *options, double x) = inverse ? map->back : map->at;
    if (values->low < domain.low || values->high > domain.high)
        return false;
    *values = (mr_interval){at(part->options, values->low), at(part->options, values->high)};
    return true;
}

// Whether a part without a fixed map maps an interval onto itself.
static bool keeps_values(const mr_part *part, mr_interval values) {
    const mr_transform *t = &part->transform;
    if ((isinf(values.low) && isinf(values.high)) || part->ops->keeps_boxes)
        return true;
    const double bound = t->ops && t->ops->bound ? t->ops->bound(t) : INFINITY;
    return values.low <= -bound && values.high >= bound;
}

static mr_status fail_domain(const mr_flow *flow, const placed *p, bool inverse,
                             mr_interval values) {
    const mr_fixed_map *map = p->part.ops->fixed;
    const mr_interval domain = (inverse ? map->range : map->domain)(p->part.options);
    const char *name = p->part.ops->name;
    return mr_fail(
        MR_ERR_USAGE,
        "flow '%.200s': coming from the base, values between %g and %g reach %s%s, which "
        "is defined between %g and %g alone; is %s%s%s meant?",
        flow->text, values.low, values.high, inverse ? "the inverse of " : "", name, domain.low,
        domain.high, p->inverted ? "" : "inverse(", name, p->inverted ? "" : ")");
}

static mr_status fail_moved(const mr_flow *flow, const mr_part *part, mr_interval values) {
    return mr_fail(MR_ERR_USAGE,
                   "flow '%.200s': coming from the base, values between %g and %g reach %s, which "
                   "moves these bounds; next to them there may be splines of the same bound, "
                   "permutation, reverse, and maps onto other values (logit, log, tanh)",
                   flow->text, values.low, values.high, part->ops->name);
}

mr_status mr_flow_find_values(const mr_flow *flow, double bound, mr_flow_values *out) {
    const bool along = flow->use == MR_FLOW_TO_SAMPLE;
    mr_flow_values values = {.interval = {-bound, bound}};
    for (size_t i = 0; i < flow->n_parts; i++) {
        const placed *p = &flow->part[along ? i : flow->n_parts - 1 - i];
        const bool inverse = along == p->inverted;
        const mr_interval before = values.interval;
        if (p->part.ops->fixed) {
            if (!map_values(&p->part, inverse, &values.interval))
                return fail_domain(flow, p, inverse, before);
            values.part = p->part.ops->name;
        } else if (!keeps_values(&p->part, before)) {
            return fail_moved(flow, &p->part, before);
        }
    }
    *out = values;
    return MR_OK;
}

mr_status mr_flow_check_volume(const mr_flow *flow) {
    for (size_t i = 0; i < flow->n_parts; i++) {
        const mr_part *part = &flow->part[i].part;
        const mr_transform_ops *transform = part->transform.ops;
        if (!part->ops->keeps_volume && !(transform && transform->keeps_volume))
            return mr_fail(MR_ERR_USAGE,
                           "flow '%.200s': %s changes volumes; parts that keep them are "
                           "coupling(shift), autoregressive(shift), shift, permutation and reverse",
                           flow->text, part->ops->name);
    }
    return MR_OK;
}

// ---- In a graph

// One part, in the direction of the flow's use or against it.
static mr_node *apply(const placed *p, bool along, mr_params *params, mr_node *x, mr_node *context,
                      mr_node **log_det) {
    const mr_part_ops *ops = p->part.ops;
    mr_node *of_part = NULL;
    mr_node *y = along != p->inverted ? ops->forward(&p->part, params, x, context, &of_part)
                                      : ops->inverse(&p->part, params, x, context, &of_part);
    if (of_part)
        *log_det = *log_det ? mr_add(*log_det, of_part) : of_part;
    return y;
}

// Features that a part sends to z.
static size_t n_leaving(const mr_part *part) {
    return part->dim - mr_shape_count(part->out);
}

mr_node *mr_flow_forward(const mr_flow *flow, mr_params *params, mr_node *z, mr_node *context,
                         mr_node **log_det) {
    const bool along = flow->use == MR_FLOW_TO_SAMPLE;
    mr_node *x = z;
    size_t used = flow->dim; // features of z that are in x
    for (size_t i = 0; i < flow->n_parts && flow->n_factored > 0; i++)
        used -= n_leaving(&flow->part[i].part);
    if (used < flow->dim)
        x = mr_slice(z, 0, used);
    for (size_t k = flow->n_parts; k-- > 0;) {
        const placed *p = part_from_data(flow, k);
        const size_t n = n_leaving(&p->part);
        if (n > 0)
            x = mr_concat(x, mr_slice(z, used, n));
        used += n;
        x = apply(p, along, params, x, context, log_det);
    }
    return x;
}

mr_node *mr_flow_inverse(const mr_flow *flow, mr_params *params, mr_node *x, mr_node *context,
                         mr_node **log_det) {
    const bool along = flow->use == MR_FLOW_TO_SCORE;
    mr_node *z[MR_FLOW_MAX_PARTS + 1];
    size_t n_left = 0;
    for (size_t k = 0; k < flow->n_parts; k++) {
        const placed *p = part_from_data(flow, k);
        const size_t n = n_leaving(&p->part);
        x = apply(p, along, params, x, context, log_det);
        if (n == 0)
            continue;
        z[flow->n_factored - n_left++] = mr_slice(x, p->part.dim - n, n);
        x = mr_slice(x, 0, p->part.dim - n);
    }
    z[0] = x;
    return n_left > 0 ? mr_concat_all(n_left + 1, z) : x;
}

// ---- The data-dependent start

// Moves x [n x part's dim] through one part, towards z. What goes on takes its place.
static mr_status step(const mr_flow *flow, const placed *p, mr_params *params, size_t n, mr_real *x,
                      const mr_real *context) {
    mr_status status;
    mr_graph *graph = NULL;
    mr_node *in, *context_in = NULL, *log_det = NULL, *out;

    MR_TRY(mr_graph_new(n, 1, &graph));
    in = mr_input(graph, p->part.dim, false);
    if (context)
        context_in = mr_input(graph, flow->context_dim, false);
    const size_t n_on = mr_shape_count(p->part.out);
    out = apply(p, true, params, in, context_in, &log_det);
    out = mr_keep(n_on < p->part.dim ? mr_slice(out, 0, n_on) : out);
    MR_TRY(mr_graph_plan(graph, NULL, 0, NULL));
    mr_input_fill(in, n, x);
    if (context)
        mr_input_fill(context_in, n, context);
    mr_graph_run(graph, n);
    memcpy(x, mr_node_value(out), n * n_on * sizeof *x);
done:
    mr_graph_free(graph);
    return status;
}

// The number of parts from the data to the last one that has a start.
static size_t count_to_start(const mr_flow *flow) {
    size_t n = 0;
    for (size_t i = 0; i < flow->n_parts && flow->use == MR_FLOW_TO_SCORE; i++)
        if (flow->part[i].part.ops->start && !flow->part[i].inverted)
            n = i + 1;
    return n;
}

mr_status mr_flow_start(mr_flow *flow, mr_params *params, size_t n, const mr_real *x,
                        const mr_real *context) {
    mr_status status = MR_OK;
    const size_t n_parts = count_to_start(flow);
    if (n_parts == 0)
        return MR_OK;
    const size_t n_bytes = n * flow->dim * sizeof *x;
    mr_real *moved = malloc(n_bytes);
    if (!moved)
        return mr_fail_memory("a flow's start");
    memcpy(moved, x, n_bytes);
    for (size_t i = 0; i < n_parts; i++) {
        const placed *p = &flow->part[i];
        if (p->part.ops->start && !p->inverted)
            p->part.ops->start(&p->part, params, n, moved);
        MR_TRY(step(flow, p, params, n, moved, context));
    }
done:
    free(moved);
    return status;
}

// ---- What there is to choose from

size_t mr_flow_count(void) {
    size_t n = 0;
    while (n < mr_preset_table_size && !mr_preset_table[n].is_for_images)
        n++;
    return n;
}

size_t mr_flow_count_all(void) {
    return mr_preset_table_size;
}

mr_flow_entry mr_flow_at(size_t i) {
    return (mr_flow_entry){mr_preset_table[i].name, mr_preset_table[i].summary};
}

size_t mr_flow_part_count(void) {
    return mr_part_table_size;
}

mr_flow_part mr_flow_part_at(size_t i) {
    const mr_part_ops *ops = mr_part_table[i];
    return (mr_flow_part){.name = ops->name,
                          .summary = ops->summary,
                          .inverse_by = ops->inverse_by,
                          .is_fixed = ops->fixed != NULL,
                          .is_for_images = ops->reshape != NULL,
                          .has_transform = ops->has_transform,
                          .is_transform = ops->transform != NULL,
                          .n_options = ops->options.n};
}

mr_flow_part_option mr_flow_option_describe(const mr_flow_option *option) {
    mr_flow_part_option text = {
        .name = option->name, .initial = option->initial, .help = option->help};
    mr_flow_option_explain(option, text.range);
    return text;
}

mr_flow_part_option mr_flow_part_option_at(size_t part, size_t i) {
    return mr_flow_option_describe(&mr_part_table[part]->options.rows[i]);
}
