// A density: its parts, and its formulas as graph nodes.

#include "flows/density.h"

#include "flows/density_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIM = 1 << 20 }; // as a model file's sizes

static const double pi = 3.14159265358979323846;
static const double log_two_pi = 1.8378770664093454836;

// ---- Building

// Finds what values the features take, and whether the columns can take them.
static mr_status find_values(mr_density *density) {
    const mr_distribution *base = &density->base;
    const double bound = base->ops->bound ? base->ops->bound(base) : INFINITY;
    const mr_status status = mr_flow_find_values(density->flow, bound, &density->values);
    if (status != MR_OK)
        return status;
    density->bound = isinf(bound) || density->values.part ? 0 : bound;
    for (size_t j = 0; j < density->dim && mr_density_is_limited(density); j++)
        if (density->support[j].type != MR_SUPPORT_LINE)
            return mr_fail(
                MR_ERR_USAGE,
                "column %zu has bounds of its own (--bounded), and %s in the flow bounds "
                "it too; leave out one of them",
                j + 1, density->values.part);
    return MR_OK;
}

static mr_status check_base(const mr_density *density) {
    for (size_t j = 0; j < density->dim && density->bound > 0; j++) {
        const mr_support *s = &density->support[j];
        if (density->category[j].n > 0)
            return mr_fail(MR_ERR_USAGE,
                           "base '%s' needs two bounds for every column, and column %zu has "
                           "categories; give another base",
                           density->base_text, j + 1);
        if (s->type == MR_SUPPORT_LINE || isinf(s->low) || isinf(s->high))
            return mr_fail(MR_ERR_USAGE,
                           "base '%s' needs two bounds for every column, and column %zu has %s; "
                           "give --bounded COLUMN:LOW:HIGH, or another base",
                           density->base_text, j + 1, s->type == MR_SUPPORT_LINE ? "none" : "one");
    }
    return MR_OK;
}

static bool is_circle(const mr_density *density, size_t j) {
    return density->support[j].type == MR_SUPPORT_CIRCLE;
}

// Sorts the flow's features, and the given columns that are no categories, by those that are
// angles.
//
//   circular  [flow_dim + given_dim] out: whether they are
static mr_status sort_columns(mr_density *density, bool *circular) {
    const size_t dim = density->flow_dim, n_given = density->n_line_given;
    for (size_t j = 0; j < dim; j++)
        circular[j] = false;
    for (size_t j = 0; j < density->dim; j++)
        circular[density->place[j]] = is_circle(density, j);
    for (size_t k = 0; k < n_given; k++)
        circular[dim + k] = is_circle(density, density->dim + density->line_given[k]);
    for (size_t j = 0; j < mr_density_width(density); j++)
        density->is_bounded |= density->support[j].type == MR_SUPPORT_BOUNDED;
    const mr_status status =
        mr_features_init(&density->of_base, density->arena, circular, NULL, dim);
    return status == MR_OK ? mr_features_init(&density->of_context, density->arena, circular + dim,
                                              NULL, n_given)
                           : status;
}

// The bound of u that the bounds of column j stand for; 0: none.
static double bound_of(const mr_density *density, size_t j) {
    if (density->support[j].type == MR_SUPPORT_CIRCLE)
        return pi;
    return density->support[j].type == MR_SUPPORT_BOUNDED && j < density->dim ? density->bound : 0;
}

bool mr_density_keeps_scale(const mr_density *density, size_t j) {
    return density->category[j].n > 0 || bound_of(density, j) > 0 ||
           (mr_density_is_limited(density) && j < density->dim);
}

// Angles, and bounded columns over a base on a box, are standardised by their bounds; categories
// are numbered from 0; all others are not standardised yet.
static void init_scale(mr_density *density) {
    for (size_t j = 0; j < mr_density_width(density); j++) {
        const mr_support *s = &density->support[j];
        const double bound = bound_of(density, j);
        density->shift[j] = bound > 0 ? s->low / 2 + s->high / 2 : 0;
        if (density->category[j].n > 0)
            density->shift[j] = s->low;
        density->scale[j] = bound > 0 ? (s->high - s->low) / (2 * bound) : 1;
    }
}

static mr_status declare(mr_density *density, const mr_density_spec *spec,
                         const char *dequantisation, uint64_t seed, size_t max_params) {
    mr_status status;
    mr_random random = mr_random_stream(seed, MR_STREAM_INIT, 0);
    MR_TRY(mr_density_place_columns(density));
    bool *circular =
        mr_arena_alloc(density->arena, (density->flow_dim + density->given_dim) * sizeof *circular);
    if (!circular)
        return mr_fail_memory("a density");
    MR_TRY(sort_columns(density, circular));
    const size_t context_dim = mr_density_context_dim(density);
    mr_distribution *base = &density->base;
    MR_TRY(mr_distribution_read(spec->base ? spec->base : "normal", density->arena, base,
                                density->base_text));
    base->dim = density->of_base.n_lines;
    base->context_dim = context_dim;
    MR_TRY(mr_params_new(&density->params));
    mr_params_limit(density->params, max_params);
    MR_TRY(mr_density_declare_categories(density));
    if (base->dim > 0)
        MR_TRY(base->ops->declare(base, density->params, "base"));
    const mr_flow_spec flow = {.text = spec->flow,
                               .use = spec->use,
                               .dim = density->flow_dim,
                               .image = density->image,
                               .circular = circular,
                               .context_dim = context_dim};
    MR_TRY(mr_flow_create(&flow, density->params, "flow", &density->flow));
    MR_TRY(mr_dequantiser_new(dequantisation, density->image, context_dim, density->params,
                              &density->noise));
    MR_TRY(find_values(density));
    MR_TRY(check_base(density));
    init_scale(density);
    status = mr_params_alloc(density->params, &random);
done:
    return status;
}

mr_status mr_density_new(const char *flow, mr_flow_use use, size_t dim, uint64_t seed,
                         mr_density **out) {
    MR_REQUIRE(flow);
    return mr_density_create(&(mr_density_spec){.flow = flow, .use = use, .dim = dim}, seed, out);
}

static bool is_support(const mr_support *s) {
    if (s->type == MR_SUPPORT_CATEGORY)
        return mr_support_is_category(s);
    return s->type == MR_SUPPORT_LINE ||
           (s->low < s->high && (s->type == MR_SUPPORT_BOUNDED || isfinite(s->high - s->low)));
}

// Sizes up to MAX_DIM, so that the product does not overflow.
bool mr_density_has_shape(const mr_density_spec *spec) {
    const size_t c = spec->channels, h = spec->height, w = spec->width;
    return (c == 0 && h == 0 && w == 0) ||
           (c <= MAX_DIM && h <= MAX_DIM && w <= MAX_DIM && c * h * w == spec->dim);
}

mr_status mr_density_create(const mr_density_spec *spec, uint64_t seed, mr_density **out) {
    return mr_density_create_dequantised(spec, "uniform", seed, out);
}

mr_status mr_density_create_dequantised(const mr_density_spec *spec, const char *dequantisation,
                                        uint64_t seed, mr_density **out) {
    MR_REQUIRE(spec);
    MR_REQUIRE(spec->flow);
    MR_REQUIRE(out);
    if (spec->dim < 1 || spec->dim > MAX_DIM || spec->given_dim > MAX_DIM)
        return mr_fail(
            MR_ERR_USAGE,
            "a density of %zu features and %zu given columns was asked for; ask for 1 to "
            "%d features and at most as many given columns",
            spec->dim, spec->given_dim, MAX_DIM);
    if (!mr_density_has_shape(spec))
        return mr_fail(MR_ERR_USAGE,
                       "an image of %zu channels, %zu rows and %zu columns does not have %zu "
                       "features; give sizes whose product that is",
                       spec->channels, spec->height, spec->width, spec->dim);
    const size_t width = spec->dim + spec->given_dim;
    for (size_t j = 0; j < width && spec->support; j++)
        if (!is_support(&spec->support[j]))
            return mr_fail(
                MR_ERR_USAGE,
                "column %zu of a density has the bounds %g and %g; give a lower and a "
                "higher one, which of angles must be finite, and of categories whole numbers "
                "at most 4,095 apart",
                j + 1, spec->support[j].low, spec->support[j].high);
    return mr_density_create_within(spec, dequantisation, seed, SIZE_MAX, out);
}

mr_status mr_density_create_within(const mr_density_spec *spec, const char *dequantisation,
                                   uint64_t seed, size_t max_params, mr_density **out) {
    mr_status status;
    const size_t width = spec->dim + spec->given_dim;
    mr_density *density = calloc(1, sizeof *density);
    if (!density)
        return mr_fail_memory("a density");
    density->arena = mr_arena_new();
    density->dim = spec->dim;
    density->given_dim = spec->given_dim;
    density->image = (mr_shape){spec->channels, spec->height, spec->width};
    density->use = spec->use;
    density->shift = calloc(width, sizeof *density->shift);
    density->scale = calloc(width, sizeof *density->scale);
    density->support = calloc(width, sizeof *density->support);
    if (!density->arena || !density->shift || !density->scale || !density->support) {
        status = mr_fail_memory("a density");
        goto done;
    }
    if (spec->support)
        memcpy(density->support, spec->support, width * sizeof *density->support);
    MR_TRY(declare(density, spec, dequantisation, seed, max_params));
    *out = density;
    density = NULL;
done:
    mr_density_free(density);
    return status;
}

void mr_density_free(mr_density *density) {
    if (!density)
        return;
    mr_flow_free(density->flow);
    mr_flow_free(density->noise);
    mr_params_free(density->params);
    mr_arena_free(density->arena);
    free(density->shift);
    free(density->scale);
    free(density->support);
    mr_layout_release(&density->layout);
    mr_pixels_release(&density->pixels);
    free(density);
}

// ---- What it is

size_t mr_density_base_count(void) {
    return mr_distribution_table_size;
}

mr_flow_entry mr_density_base_at(size_t i) {
    return (mr_flow_entry){mr_distribution_table[i]->name, mr_distribution_table[i]->summary};
}

const char *mr_density_flow(const mr_density *density) {
    return density != NULL ? mr_flow_text(density->flow) : NULL;
}

const char *mr_density_composition(const mr_density *density) {
    return density != NULL ? mr_flow_composition(density->flow) : NULL;
}

const char *mr_density_base(const mr_density *density) {
    return density != NULL ? density->base_text : NULL;
}

const char *mr_density_dequantisation(const mr_density *density) {
    return density->noise ? mr_flow_text(density->noise) : "uniform";
}

bool mr_density_has_latents(const mr_density *density) {
    return density->has_categories || density->noise;
}

mr_flow_use mr_density_use(const mr_density *density) {
    return density != NULL ? density->use : MR_FLOW_TO_SAMPLE;
}

bool mr_density_is_affine(const mr_density *density) {
    return mr_flow_is_affine(density->flow);
}

bool mr_density_is_image(const mr_density *density) {
    return density->image.channels > 0;
}

bool mr_density_is_plain(const mr_density *density) {
    return density->given_dim == 0 && !mr_density_is_image(density) && !density->is_bounded &&
           !density->has_categories && density->of_base.n_circles == 0 &&
           strcmp(density->base_text, "normal") == 0;
}

bool mr_density_is_limited(const mr_density *density) {
    return density->values.part != NULL &&
           !(isinf(density->values.interval.low) && isinf(density->values.interval.high));
}

size_t mr_density_dim(const mr_density *density) {
    return density != NULL ? density->dim : 0;
}

size_t mr_density_given_dim(const mr_density *density) {
    return density != NULL ? density->given_dim : 0;
}

void mr_density_shape(const mr_density *density, size_t *channels, size_t *height, size_t *width) {
    if (channels == NULL || height == NULL || width == NULL)
        return;
    const mr_shape image = density != NULL ? density->image : (mr_shape){0};
    *channels = image.channels;
    *height = image.height;
    *width = image.width;
}

// Of images about as many numbers as 64 of 28x28 have, so that all feature maps of a batch stay
// small.
size_t mr_density_batch(const mr_density *density) {
    enum { LEAST = 16, NUMBERS = 1 << 16 };
    size_t n = MR_DENSITY_BATCH;
    while (mr_density_is_image(density) && n > LEAST && n * density->dim > NUMBERS)
        n /= 2;
    return n;
}

size_t mr_density_width(const mr_density *density) {
    return density->dim + density->given_dim;
}

const mr_support *mr_density_support(const mr_density *density) {
    return density->support;
}

mr_params *mr_density_params(const mr_density *density) {
    return density->params;
}

const double *mr_density_shift(const mr_density *density) {
    return density->shift;
}

const double *mr_density_scale(const mr_density *density) {
    return density->scale;
}

// ---- In a graph

// The base's log-density of z [rows x dim]: angles are uniform on the circle.
static mr_node *base_log_prob(const mr_density *density, mr_node *z, mr_node *context) {
    const mr_features *f = &density->of_base;
    const mr_distribution *base = &density->base;
    if (f->n_circles == 0)
        return base->ops->log_prob(base, density->params, z, context);
    const double of_circles = -(double)f->n_circles * log_two_pi;
    mr_node *angles = mr_columns(z, f->circle, f->n_circles);
    mr_node *log_prob = mr_affine(mr_row_sum(angles), 0, of_circles); // a NaN goes through
    if (f->n_lines == 0)
        return log_prob;
    mr_node *lines = mr_columns(z, f->line, f->n_lines);
    return mr_add(log_prob, base->ops->log_prob(base, density->params, lines, context));
}

mr_node *mr_density_build_log_prob(const mr_density *density, mr_node *u) {
    mr_node *log_det = NULL, *log_total = NULL, *context = NULL;
    if (density->given_dim > 0)
        context = mr_density_build_context(density, mr_slice(u, density->dim, density->given_dim));
    mr_node *x = mr_density_build_features(density, u, context, &log_total);
    mr_node *z = mr_flow_inverse(density->flow, density->params, x, context, &log_det);
    mr_node *log_prob = base_log_prob(density, z, context);
    if (log_total)
        log_prob = mr_sub(log_prob, log_total);
    return log_det ? mr_add(log_prob, log_det) : log_prob;
}

mr_node *mr_density_build_sample(const mr_density *density, mr_node *noise, mr_node **log_prob) {
    return mr_density_build_sample_given(density, noise, NULL, log_prob);
}

// z [rows x dim] of the base.
static mr_node *base_sample(const mr_density *density, mr_node *noise, mr_node *context,
                            mr_node **log_prob) {
    const mr_features *f = &density->of_base;
    const mr_distribution *base = &density->base;
    if (f->n_circles == 0)
        return base->ops->sample(base, density->params, noise, context, log_prob);
    const double of_circles = -(double)f->n_circles * log_two_pi;
    mr_node *angles = mr_slice(noise, f->n_lines, f->n_circles);
    if (f->n_lines == 0) {
        *log_prob = mr_affine(mr_row_sum(angles), 0, of_circles);
        return angles;
    }
    mr_node *lines =
        base->ops->sample(base, density->params, mr_slice(noise, 0, f->n_lines), context, log_prob);
    *log_prob = mr_affine(*log_prob, 1, of_circles);
    return mr_columns(mr_concat(lines, angles), f->order, density->flow_dim);
}

mr_node *mr_density_build_sample_given(const mr_density *density, mr_node *noise, mr_node *given,
                                       mr_node **log_prob) {
    mr_node *log_det = NULL, *context = mr_density_build_context(density, given);
    mr_node *z = base_sample(density, noise, context, log_prob);
    mr_node *u = mr_flow_forward(density->flow, density->params, z, context, &log_det);
    if (log_det)
        *log_prob = mr_sub(*log_prob, log_det);
    return u;
}
