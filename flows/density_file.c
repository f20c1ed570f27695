// Model files of densities.

#include "flows/density.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/density_internal.h"
#include "base/json_memory.h"
#include "nn/model_file.h"

// Version 2 says more: base, given columns, an image's shape and supports. Version 3 has
// variational dequantisation and names of categories, too. A density is written as the first
// version that has all it needs, which earlier versions of millrace read.
static const mr_model_format formats[] = {{.name = "millrace.density",
                                           .version = "1",
                                           .what = "density",
                                           .give = "a file that `millrace flow` wrote"},
                                          {.name = "millrace.density",
                                           .version = "2",
                                           .what = "density",
                                           .give = "a file that `millrace flow` wrote"},
                                          {.name = "millrace.density",
                                           .version = "3",
                                           .what = "density",
                                           .give = "a file that `millrace flow` wrote"}};

// What the types of supports are called in a file.
static const char *const supports[] = {[MR_SUPPORT_LINE] = "line",
                                       [MR_SUPPORT_BOUNDED] = "bounded",
                                       [MR_SUPPORT_CIRCLE] = "circle",
                                       [MR_SUPPORT_CATEGORY] = "category"};

// What `use` is called in a file.
static const char *const uses[] = {[MR_FLOW_TO_SAMPLE] = "sample", [MR_FLOW_TO_SCORE] = "score"};

// How bits a dimension were counted, without and with variational dequantisation.
static const char *const pixels_counted[] = {
    "bits a dimension of the discrete pixels: -log2 p(pixel + u) / dim, u uniform on [0, 1), p per "
    "level; mean_bits is that of the images held out of the fit",
    "bits a dimension of the discrete pixels: -(log2 p(pixel + u) - log2 q(u | pixels)) / dim, u "
    "drawn from q (variational dequantisation), p and q per level, one draw for each image; "
    "mean_bits is that of the images held out of the fit"};

// The shape of an image: channels, height, width.
static const char shape_format[] = "%zux%zux%zu";

// ---- Writing

static mr_status write_notes(const mr_density *density, mr_tensors_writer *writer) {
    mr_status status;
    const bool has_names = mr_density_layout(density)->dictionary;
    const size_t version = mr_density_is_plain(density) ? 0 : density->noise || has_names ? 2 : 1;
    MR_TRY(mr_model_note(&formats[version], writer));
    MR_TRY(mr_tensors_writer_note(writer, "flow", mr_density_flow(density)));
    MR_TRY(mr_tensors_writer_note(writer, "use", uses[mr_density_use(density)]));
    MR_TRY(mr_model_note_size(writer, "dim", mr_density_dim(density)));
done:
    return status;
}

// A number as JSON; JSON has no infinity, so that is null.
static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

// What versions 2 and 3 say more: the base, how many columns are given, an image's shape, the flow
// that draws the noise of its pixels, and [type, low, high] for each column.
static mr_status write_more(const mr_density *density, mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    if (mr_density_is_plain(density))
        return MR_OK;
    MR_TRY(mr_tensors_writer_note(writer, "base", mr_density_base(density)));
    if (mr_density_given_dim(density) > 0)
        MR_TRY(mr_model_note_size(writer, "given_dim", mr_density_given_dim(density)));
    if (mr_density_is_image(density)) {
        char shape[64];
        snprintf(shape, sizeof shape, shape_format, density->image.channels, density->image.height,
                 density->image.width);
        MR_TRY(mr_tensors_writer_note(writer, "shape", shape));
    }
    if (density->noise)
        MR_TRY(
            mr_tensors_writer_note(writer, "dequantisation", mr_density_dequantisation(density)));
    if (mr_density_is_image(density) && !density->is_bounded)
        return status; // its pixels are lines
    mr_json_watch();
    json_t *list = json_array();
    for (size_t j = 0; j < mr_density_width(density); j++) {
        const mr_support *s = &mr_density_support(density)[j];
        json_array_append_new(list, json_pack("[s, o, o]", supports[s->type],
                                              number_or_null(s->low), number_or_null(s->high)));
    }
    status = mr_model_note_json(writer, "supports", list);
done:
    return status;
}

// What the density knows of its pixels: bits, logit, the names of classes, and how bits a dimension
// were counted.
static mr_status write_pixels(const mr_density *density, mr_tensors_writer *writer) {
    const mr_pixels *pixels = mr_density_pixels(density);
    if (!pixels)
        return MR_OK;
    mr_json_watch();
    json_t *classes = json_array();
    for (size_t k = 0; k < pixels->n_classes; k++)
        json_array_append_new(classes, json_string_nocheck(pixels->classes[k]));
    return mr_model_note_json(writer, "pixels",
                              json_pack("{s:I, s:f, s:o, s:f, s:s}", "bits",
                                        (json_int_t)pixels->bits, "logit", pixels->logit, "classes",
                                        classes, "mean_bits", pixels->mean_bits, "counted",
                                        pixels_counted[density->noise != NULL]));
}

mr_status mr_density_save(const mr_density *density, const char *path) {
    mr_status status;
    mr_tensors_writer *writer = NULL;
    MR_REQUIRE(density);
    MR_REQUIRE(path);
    const mr_params *params = mr_density_params(density);
    const size_t width = mr_density_width(density);
    MR_TRY(mr_tensors_writer_new(&writer));
    MR_TRY(write_notes(density, writer));
    MR_TRY(write_more(density, writer));
    MR_TRY(mr_layout_write(mr_density_layout(density), mr_density_dim(density), writer));
    MR_TRY(write_pixels(density, writer));
    MR_TRY(mr_tensors_writer_add(writer, "shift", MR_F64, 1, &width, mr_density_shift(density)));
    MR_TRY(mr_tensors_writer_add(writer, "scale", MR_F64, 1, &width, mr_density_scale(density)));
    MR_TRY(mr_params_write(params, mr_params_read(params), "", writer));
    MR_TRY(mr_tensors_writer_write(writer, path));
done:
    mr_tensors_writer_free(writer);
    return status;
}

// ---- Reading

static mr_status get_use(const mr_tensors *file, mr_flow_use *out) {
    const char *text;
    const mr_status status = mr_model_text(file, "use", &text);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < MR_COUNT(uses); i++)
        if (strcmp(text, uses[i]) == 0) {
            *out = (mr_flow_use)i;
            return MR_OK;
        }
    return mr_model_fail(file, "use", text);
}

// ["bounded", 0, null] is a support. A bound that is null is infinite.
static bool parse_support(const json_t *item, mr_support *out) {
    const char *type = json_string_value(json_array_get(item, 0));
    const json_t *low = json_array_get(item, 1), *high = json_array_get(item, 2);
    for (size_t i = 0; i < MR_COUNT(supports) && type; i++) {
        if (strcmp(type, supports[i]) != 0)
            continue;
        *out = (mr_support){(mr_support_type)i,
                            json_is_number(low) ? json_number_value(low) : (double)-INFINITY,
                            json_is_number(high) ? json_number_value(high) : (double)INFINITY};
        if (out->type == MR_SUPPORT_CATEGORY)
            return mr_support_is_category(out);
        if (out->type == MR_SUPPORT_CIRCLE && !isfinite(out->high - out->low))
            return false;
        return out->type == MR_SUPPORT_LINE || out->low < out->high;
    }
    return false;
}

// The supports of `width` columns, to be freed; NULL: the file has none.
static mr_status read_supports(const mr_tensors *file, size_t width, mr_support **out) {
    json_t *array = NULL;
    mr_status status = mr_model_array(file, "supports", &array);
    if (status != MR_OK || !array)
        goto done;
    *out = json_array_size(array) == width ? calloc(width, sizeof **out) : NULL;
    for (size_t j = 0; j < width && *out; j++)
        if (!parse_support(json_array_get(array, j), &(*out)[j])) {
            free(*out);
            *out = NULL;
        }
    if (!*out)
        status = mr_model_fail(file, "supports", mr_tensors_note(file, "supports"));
done:
    json_decref(array);
    return status;
}

static const mr_model_format *format_of(const mr_tensors *file) {
    const char *version = mr_tensors_note(file, "format_version");
    for (size_t i = 0; i < MR_COUNT(formats) && version; i++)
        if (strcmp(version, formats[i].version) == 0)
            return &formats[i];
    return &formats[MR_COUNT(formats) - 1];
}

// The shape of an image.
static mr_status read_shape(const mr_tensors *file, mr_density_spec *spec) {
    const char *text = mr_tensors_note(file, "shape");
    size_t size[3];
    for (size_t k = 0; k < MR_COUNT(size) && text; k++) {
        char *end;
        size[k] = text[0] >= '1' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
        if (size[k] == 0 || *end != (k + 1 < MR_COUNT(size) ? 'x' : '\0'))
            return mr_model_fail(file, "shape", mr_tensors_note(file, "shape"));
        text = end + 1;
    }
    if (!text)
        return MR_OK;
    spec->channels = size[0];
    spec->height = size[1];
    spec->width = size[2];
    return mr_density_has_shape(spec)
               ? MR_OK
               : mr_model_fail(file, "shape", mr_tensors_note(file, "shape"));
}

static mr_status read_spec(const mr_tensors *file, mr_density_spec *spec, mr_support **support) {
    mr_status status;
    MR_TRY(mr_model_check(format_of(file), file));
    MR_TRY(mr_model_text(file, "flow", &spec->flow));
    MR_TRY(get_use(file, &spec->use));
    MR_TRY(mr_model_size(file, "dim", &spec->dim));
    spec->base = mr_tensors_note(file, "base");
    if (mr_tensors_note(file, "given_dim"))
        MR_TRY(mr_model_size(file, "given_dim", &spec->given_dim));
    MR_TRY(read_supports(file, spec->dim + spec->given_dim, support));
    spec->support = *support;
    status = read_shape(file, spec);
done:
    return status;
}

// Whether there is a density of a specification, without a flow for the noise of its pixels.
static bool is_good(const mr_density_spec *spec, size_t max_params) {
    mr_density *density = NULL;
    const bool is_made =
        mr_density_create_within(spec, "uniform", 0, max_params, &density) == MR_OK;
    mr_density_free(density);
    return is_made;
}

// Makes the density of a specification; the message of a failure names the file's entry.
static mr_status create(const mr_tensors *file, const mr_density_spec *spec, mr_density **out) {
    const size_t max_params = mr_model_count_numbers(file);
    const char *dequantisation = mr_tensors_note(file, "dequantisation");
    if (dequantisation && format_of(file) < &formats[2]) // versions 1 and 2 have none
        return mr_model_fail(file, "dequantisation", dequantisation);
    const mr_status status = mr_density_create_within(
        spec, dequantisation ? dequantisation : "uniform", 0, max_params, out);
    if (status != MR_ERR_USAGE && status != MR_ERR_INPUT)
        return status;
    mr_density_spec normal = *spec; // with that base alone
    normal.base = NULL;
    if (dequantisation && is_good(spec, max_params))
        return mr_model_fail(file, "dequantisation", dequantisation);
    if (spec->base && is_good(&normal, max_params))
        return mr_model_fail(file, "base", spec->base);
    return mr_model_fail(file, "flow", spec->flow);
}

static mr_status read_density(const mr_tensors *file, mr_density **out) {
    mr_status status;
    mr_density_spec spec = {0};
    mr_support *support = NULL;
    const void *shift, *scale;
    MR_TRY(read_spec(file, &spec, &support));
    const size_t width = spec.dim + spec.given_dim;
    MR_TRY(mr_tensors_get(file, "shift", MR_F64, 1, &width, &shift));
    MR_TRY(mr_tensors_get(file, "scale", MR_F64, 1, &width, &scale));
    MR_TRY(create(file, &spec, out));
    status = mr_density_set_scale(*out, shift, scale);
done:
    free(support);
    return status;
}

// Whether columns with names for their categories have as many categories, from 0.
static bool fits_supports(const mr_density *density, const mr_layout *layout) {
    const size_t dim = mr_density_dim(density);
    for (size_t j = 0; layout->dictionary && j < mr_density_width(density); j++) {
        const size_t column = j < dim ? layout->columns[j] : layout->given[j - dim];
        const size_t n = layout->dictionary[column].n;
        const mr_support *s = &mr_density_support(density)[j];
        if (n > 0 &&
            (s->type != MR_SUPPORT_CATEGORY || s->low != 0 || mr_support_n_categories(s) != n))
            return false;
    }
    return true;
}

static mr_status read_layout(const mr_tensors *file, mr_density *density) {
    mr_layout layout = {0};
    mr_status status =
        mr_layout_read(file, mr_density_dim(density), mr_density_given_dim(density), &layout);
    if (status == MR_OK && !fits_supports(density, &layout))
        status = mr_fail(MR_ERR_INPUT,
                         "%s: '%s' does not have as many names as 'supports' has categories; is "
                         "the file damaged?",
                         mr_tensors_path(file), mr_layout_categories);
    if (status == MR_OK && layout.columns)
        status = mr_density_set_layout(density, &layout);
    mr_layout_release(&layout);
    return status;
}

static bool parse_pixels(const json_t *object, mr_pixels *out) {
    const json_t *bits = json_object_get(object, "bits"),
                 *classes = json_object_get(object, "classes");
    out->bits = (size_t)json_integer_value(bits);
    out->logit = json_number_value(json_object_get(object, "logit"));
    out->mean_bits = json_number_value(json_object_get(object, "mean_bits"));
    out->n_classes = json_array_size(classes);
    return json_integer_value(bits) >= 1 && json_integer_value(bits) <= 8 && out->logit >= 0 &&
           out->logit < 0.5 && isfinite(out->mean_bits);
}

// The names are borrowed from the JSON while the density takes its copy.
static mr_status set_pixels(const mr_tensors *file, const json_t *object, mr_density *density) {
    const char *text = mr_tensors_note(file, "pixels");
    mr_pixels pixels = {0};
    if (!parse_pixels(object, &pixels) || pixels.n_classes != mr_density_given_dim(density) ||
        !mr_density_is_image(density))
        return mr_model_fail(file, "pixels", text);
    pixels.classes = calloc(pixels.n_classes + 1, sizeof *pixels.classes);
    if (!pixels.classes)
        return mr_fail_memory("the names of classes");
    mr_status status = MR_OK;
    for (size_t k = 0; k < pixels.n_classes && status == MR_OK; k++) {
        const json_t *name = json_array_get(json_object_get(object, "classes"), k);
        pixels.classes[k] = (char *)json_string_value(name);
        if (!pixels.classes[k])
            status = mr_model_fail(file, "pixels", text);
    }
    if (status == MR_OK)
        status = mr_density_set_pixels(density, &pixels);
    free(pixels.classes);
    return status;
}

static mr_status read_pixels(const mr_tensors *file, mr_density *density) {
    const char *text = mr_tensors_note(file, "pixels");
    if (!text)
        return MR_OK;
    mr_json_watch();
    json_t *object = json_loads(text, 0, NULL);
    if (mr_json_is_out_of_memory()) {
        json_decref(object);
        return mr_fail_memory("a density's metadata");
    }
    const mr_status status = set_pixels(file, object, density);
    json_decref(object);
    return status;
}

static bool is_like_first(const double *of_pixel, size_t dim) {
    size_t j = 1;
    while (j < dim && of_pixel[j] == of_pixel[0])
        j++;
    return j == dim;
}

// Whether all pixels are lines, or all lie between the same two finite bounds; and no given column
// is a category.
static bool has_like_supports(const mr_density *density) {
    const mr_support *first = density->support;
    const bool is_bounded = first->type == MR_SUPPORT_BOUNDED;
    for (size_t j = 0; j < density->dim; j++) {
        const mr_support *s = &density->support[j];
        if (s->type != first->type ||
            (is_bounded && (s->low != first->low || s->high != first->high)))
            return false;
    }
    return !density->has_categories && (is_bounded ? isfinite(first->low) && isfinite(first->high)
                                                   : first->type == MR_SUPPORT_LINE);
}

// Variational dequantisation takes all pixels as the first one (density_categories.c).
static mr_status check_dequantised(const mr_tensors *file, const mr_density *density) {
    const char *text;
    if (!density->noise)
        return MR_OK;
    if (!has_like_supports(density))
        return mr_model_fail(file, "supports", mr_tensors_note(file, "supports"));
    const bool has_shift = is_like_first(density->shift, density->dim);
    if (!has_shift || !is_like_first(density->scale, density->dim))
        return mr_fail(MR_ERR_INPUT,
                       "%s: its '%s' differs between pixels, which have one with variational "
                       "dequantisation; is the file damaged?",
                       mr_tensors_path(file), has_shift ? "scale" : "shift");
    return mr_model_text(file, "pixels", &text);
}

static mr_status read_model(const mr_tensors *file, mr_density **out) {
    mr_status status;
    mr_density *density = NULL;
    MR_TRY(read_density(file, &density));
    assert(density != NULL); // which clang's analyzer can't see from this file
    MR_TRY(mr_model_load(file, mr_density_params(density), "", "fit the model again"));
    MR_TRY(read_layout(file, density));
    MR_TRY(read_pixels(file, density));
    MR_TRY(check_dequantised(file, density));
    *out = density;
    density = NULL;
done:
    mr_density_free(density);
    return status;
}

mr_status mr_density_load(const char *path, mr_density **out) {
    mr_status status;
    mr_tensors *file = NULL;
    MR_REQUIRE(path);
    MR_REQUIRE(out);
    MR_TRY(mr_tensors_open(path, &file));
    MR_TRY(read_model(file, out));
done:
    mr_tensors_close(file);
    return status;
}

mr_status mr_density_load_memory(const void *bytes, size_t size, mr_density **out) {
    mr_status status;
    mr_tensors *file = NULL;
    MR_REQUIRE(bytes);
    MR_REQUIRE(out);
    MR_TRY(mr_tensors_read_memory("density in memory", bytes, size, &file));
    MR_TRY(read_model(file, out));
done:
    mr_tensors_close(file);
    return status;
}
