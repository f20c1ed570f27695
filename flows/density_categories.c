// Categorical columns of a density: each is a category's point in a few features of the flow.

#include "flows/density_internal.h"

#include <math.h>
#include <stdio.h>

// Of the encoders' scales at the start: a quarter of a column's deviation, so that a smooth flow
// can follow.
static const double log_scale = -2;

static bool is_category(const mr_density *density, size_t j) {
    return density->support[j].type == MR_SUPPORT_CATEGORY;
}

size_t mr_support_n_categories(const mr_support *s) {
    return (size_t)(s->high - s->low) + 1;
}

bool mr_support_is_category(const mr_support *s) {
    return s->low == floor(s->low) && s->high == floor(s->high) && s->low < s->high &&
           s->high - s->low < MR_MAX_CATEGORIES && fabs(s->low) < 1e9;
}

// Enough that every category has a place of its own that is not between two others.
static size_t latents_of(size_t n_categories) {
    return n_categories == 2 ? 1 : n_categories <= 8 ? 2 : n_categories <= 32 ? 3 : 4;
}

mr_status mr_density_place_columns(mr_density *density) {
    const size_t width = mr_density_width(density);
    density->category = mr_arena_alloc(density->arena, width * sizeof *density->category);
    density->place = mr_arena_alloc(density->arena, density->dim * sizeof *density->place);
    density->line_given =
        mr_arena_alloc(density->arena, (density->given_dim + 1) * sizeof *density->line_given);
    if (!density->category || !density->place || !density->line_given)
        return mr_fail_memory("a density");
    for (size_t j = 0; j < width; j++) {
        const bool is = is_category(density, j);
        mr_categories *c = &density->category[j];
        density->has_categories |= is;
        *c = (mr_categories){0};
        if (is) {
            c->n = mr_support_n_categories(&density->support[j]);
            c->latent = latents_of(c->n);
        }
        if (j < density->dim) {
            density->place[j] = density->flow_dim;
            density->flow_dim += is ? c->latent : 1;
        } else if (!is) {
            density->line_given[density->n_line_given++] = j - density->dim;
        }
    }
    return MR_OK;
}

mr_status mr_density_declare_categories(mr_density *density) {
    char name[64];
    for (size_t j = 0; j < mr_density_width(density) && density->has_categories; j++) {
        mr_categories *c = &density->category[j];
        if (c->n == 0)
            continue;
        snprintf(name, sizeof name, "category.%zu", j);
        const mr_status status =
            mr_categories_declare(c, density->params, name, c->n, c->latent, log_scale);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

size_t mr_density_context_dim(const mr_density *density) {
    size_t n = mr_features_n_seen(&density->of_context);
    for (size_t k = 0; k < density->given_dim; k++)
        n += density->category[density->dim + k].latent;
    return n;
}

// The nets see of a given category the mean of its encoder.
mr_node *mr_density_build_context(const mr_density *density, mr_node *given) {
    if (density->given_dim == 0)
        return NULL;
    if (!density->has_categories)
        return mr_features_see(&density->of_context, given);
    mr_node *context = NULL;
    if (density->n_line_given > 0)
        context = mr_features_see(&density->of_context,
                                  mr_columns(given, density->line_given, density->n_line_given));
    for (size_t k = 0; k < density->given_dim; k++) {
        const mr_categories *c = &density->category[density->dim + k];
        if (c->n == 0)
            continue;
        mr_node *mean = mr_embed(mr_slice(given, k, 1), density->params, c->mean);
        context = context ? mr_concat(context, mean) : mean;
    }
    return context;
}

// Pixels are alike in shift, scale and bounds. With bounds they have a logit.

// The levels of pixels, of whose middles `pixels` [rows x dim] holds u.
static mr_node *find_levels(const mr_density *density, mr_node *pixels) {
    const mr_support *s = &density->support[0];
    mr_node *v = mr_affine(pixels, density->scale[0], density->shift[0]);
    if (s->type != MR_SUPPORT_BOUNDED)
        return mr_affine(v, 1, -0.5);
    return mr_affine(mr_sigmoid(v), s->high - s->low, s->low - 0.5);
}

// v of x [rows x dim]; the logit's derivatives are part of the density. Rounding leaves x between 0
// and the number of levels, which is high + low.
static mr_node *map_pixels(const mr_density *density, mr_node *x, mr_node **log_total) {
    const mr_support *s = &density->support[0];
    if (s->type != MR_SUPPORT_BOUNDED)
        return x;
    x = mr_clamp(x, 0, s->high + s->low);
    mr_node *above_low = mr_log(mr_affine(x, 1, -s->low));
    mr_node *below_high = mr_log(mr_affine(x, -1, s->high));
    mr_node *log_slopes = mr_row_sum(mr_add(above_low, below_high));
    const double constant = (double)density->dim * log(s->high - s->low);
    *log_total = mr_add(*log_total, mr_affine(log_slopes, 1, -constant));
    return mr_sub(above_low, below_high);
}

static mr_node *add_noise(const mr_density *density, mr_node *pixels, mr_node *context,
                          mr_node **log_total) {
    const double scale = density->scale[0], shift = density->shift[0];
    mr_node *noise =
        mr_dequantiser_build(density->noise, density->params, pixels, context, log_total);
    mr_node *x = mr_add(find_levels(density, pixels), noise);
    return mr_affine(map_pixels(density, x, log_total), 1 / scale, -shift / scale);
}

mr_node *mr_density_build_features(const mr_density *density, mr_node *u, mr_node *context,
                                   mr_node **log_total) {
    if (!density->has_categories) {
        mr_node *features = density->given_dim > 0 ? mr_slice(u, 0, density->dim) : u;
        return density->noise ? add_noise(density, features, context, log_total) : features;
    }
    mr_node *x = NULL;
    for (size_t j = 0; j < density->dim; j++) {
        const mr_categories *c = &density->category[j];
        mr_node *feature = mr_slice(u, j, 1), *total;
        if (c->n > 0) {
            mr_node *code = feature; // a NaN, of a value that is none, goes through
            feature = mr_categories_encode(c, density->params, code);
            feature = mr_add(feature, mr_affine(code, 0, 0));
            mr_categories_decode(c, density->params, feature, &total);
            *log_total = *log_total ? mr_add(*log_total, total) : total;
        }
        x = x ? mr_concat(x, feature) : feature;
    }
    return x;
}

mr_node *mr_density_build_decoder(const mr_density *density, size_t j, mr_node *x,
                                  mr_node **log_total) {
    const mr_categories *c = &density->category[j];
    return mr_categories_decode(c, density->params, mr_slice(x, density->place[j], c->latent),
                                log_total);
}
