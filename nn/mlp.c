// Multi-layer perceptrons.

#include "nn/mlp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WIDTH = 65536, MAX_NAME = 256 };

bool mr_widths_parse(const char *text, mr_widths *out) {
    mr_widths widths = {0};
    for (const char *at = text;; at++) {
        char *end;
        if (*at < '0' || *at > '9' || widths.n == MR_MAX_HIDDEN)
            return false;
        const unsigned long width = strtoul(at, &end, 10);
        if (width < 1 || width > MAX_WIDTH)
            return false;
        widths.width[widths.n++] = width;
        at = end;
        if (*at == '\0')
            break;
        if (*at != ',' && *at != 'x')
            return false;
    }
    *out = widths;
    return true;
}

void mr_widths_format(const mr_widths *widths, char separator, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < widths->n && used + 1 < size; i++) {
        if (i > 0)
            text[used++] = separator;
        used += (size_t)snprintf(text + used, size - used, "%zu", widths->width[i]);
    }
}

mr_mlp_spec mr_mlp_plain(const mr_widths *hidden) {
    return (mr_mlp_spec){.hidden = *hidden, .activation = MR_RELU};
}

// ---- Parameters

// A batch norm would subtract the bias again.
static bool has_bias(const mr_mlp *mlp, mr_norm_kind norm) {
    return mlp->spec.norm_last || !mr_norm_is_of_batch(norm);
}

static void declare_layer(mr_mlp *mlp, mr_params *params, const char *prefix, size_t in, size_t out,
                          mr_initializer init, mr_norm_kind norm) {
    char name[MAX_NAME];
    const size_t i = mlp->n_layers++;
    mr_layer *layer = &mlp->layer[i];
    snprintf(name, sizeof name, "%s.%zu.weight", prefix, i);
    layer->weight = mr_params_add(params, name, out, in, init, in, NULL);
    if (has_bias(mlp, norm)) {
        snprintf(name, sizeof name, "%s.%zu.bias", prefix, i);
        layer->bias = mr_params_add(params, name, 1, out, init, in, NULL);
    }
    snprintf(name, sizeof name, "%s.%zu.norm", prefix, i);
    layer->norm = mr_norm_declare(norm, params, name, out);
}

mr_mlp mr_mlp_declare_spec(mr_params *params, const char *prefix, size_t in,
                           const mr_mlp_spec *spec, size_t out, mr_initializer last) {
    mr_mlp mlp = {.spec = *spec, .has_output = out > 0};
    char name[MAX_NAME];
    snprintf(name, sizeof name, "%s.input_norm", prefix);
    mlp.input_norm = mr_norm_declare(mr_norm_is_of_batch(spec->norm) ? spec->norm : MR_NORM_NONE,
                                     params, name, in);
    for (size_t i = 0; i < spec->hidden.n; i++) {
        const size_t width = spec->hidden.width[i];
        declare_layer(&mlp, params, prefix, in, width, MR_INIT_FAN_IN, spec->norm);
        if (spec->residual && i > 0)
            declare_layer(&mlp, params, prefix, width, in, MR_INIT_FAN_IN, spec->norm);
        else
            in = width;
    }
    if (mlp.has_output)
        declare_layer(&mlp, params, prefix, in, out, last, MR_NORM_NONE);
    return mlp;
}

mr_mlp mr_mlp_declare(mr_params *params, const char *prefix, size_t in, const mr_widths *hidden,
                      size_t out, mr_initializer last) {
    const mr_mlp_spec plain = mr_mlp_plain(hidden);
    return mr_mlp_declare_spec(params, prefix, in, &plain, out, last);
}

mr_status mr_mlp_keep_unit_rows(const mr_mlp *mlp, mr_params *params) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < mlp->n_layers; i++) {
        const mr_layer *layer = &mlp->layer[i];
        const bool is_output = mlp->has_output && i + 1 == mlp->n_layers;
        const bool takes_bias = !is_output && has_bias(mlp, layer->norm.kind);
        MR_TRY(mr_params_keep_unit_rows(params, layer->weight, takes_bias ? &layer->bias : NULL));
    }
done:
    return status;
}

// ---- Graphs

static mr_node *drop(mr_node *x, double rate) {
    return rate > 0 ? mr_dropout(x, mr_uniform_like(x), rate) : x;
}

// Dropout is for hidden layers: the last is built as in acting, in which it's the same.
static mr_node *build_layer(const mr_mlp *mlp, const mr_layer *layer, mr_params *params, mr_node *x,
                            mr_activation activation, mr_mode mode) {
    const double dropout = mode == MR_ACTING ? 0 : mlp->spec.dropout;
    const bool norm_first = layer->norm.kind != MR_NORM_NONE && !mlp->spec.norm_last;
    const bool is_fused = !norm_first && dropout == 0;
    const mr_activation of_linear = is_fused ? activation : MR_IDENTITY;
    x = has_bias(mlp, layer->norm.kind)
            ? mr_linear(x, params, layer->weight, layer->bias, of_linear)
            : mr_linear_without_bias(x, params, layer->weight);
    x = drop(x, dropout);
    if (norm_first)
        return mr_norm_build(&layer->norm, params, x, activation, mode);
    return mr_norm_build(&layer->norm, params, is_fused ? x : mr_activate(x, activation),
                         MR_IDENTITY, mode);
}

mr_node *mr_mlp_build_mode(const mr_mlp *mlp, mr_params *params, mr_node *x, mr_mode mode) {
    const mr_activation activation = mlp->spec.activation;
    const mr_layer *layer = mlp->layer;
    x = mr_norm_build(&mlp->input_norm, params, x, MR_IDENTITY, mode);
    for (size_t i = 0; i < mlp->spec.hidden.n; i++) {
        mr_node *h = build_layer(mlp, layer++, params, x, activation, mode);
        x = mlp->spec.residual && i > 0
                ? mr_add(x, build_layer(mlp, layer++, params, h, MR_IDENTITY, mode))
                : h;
    }
    return mlp->has_output ? build_layer(mlp, layer, params, x, MR_IDENTITY, MR_ACTING) : x;
}

mr_node *mr_mlp_build(const mr_mlp *mlp, mr_params *params, mr_node *x) {
    return mr_mlp_build_mode(mlp, params, x, MR_ACTING);
}
