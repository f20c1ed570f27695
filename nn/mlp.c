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

static void declare_layer(mr_mlp *mlp, mr_params *params, const char *prefix, size_t in, size_t out,
                          mr_initializer init) {
    char name[MAX_NAME];
    const size_t i = mlp->n_layers++;
    snprintf(name, sizeof name, "%s.%zu.weight", prefix, i);
    mlp->weight[i] = mr_params_add(params, name, out, in, init, in, NULL);
    snprintf(name, sizeof name, "%s.%zu.bias", prefix, i);
    mlp->bias[i] = mr_params_add(params, name, 1, out, init, in, NULL);
}

mr_mlp mr_mlp_declare(mr_params *params, const char *prefix, size_t in, const mr_widths *hidden,
                      size_t out, mr_initializer last) {
    mr_mlp mlp = {.has_output = out > 0};
    for (size_t i = 0; i < hidden->n; i++) {
        declare_layer(&mlp, params, prefix, in, hidden->width[i], MR_INIT_FAN_IN);
        in = hidden->width[i];
    }
    if (mlp.has_output)
        declare_layer(&mlp, params, prefix, in, out, last);
    return mlp;
}

mr_node *mr_mlp_build(const mr_mlp *mlp, mr_params *params, mr_node *x) {
    for (size_t i = 0; i < mlp->n_layers; i++) {
        const bool is_output = mlp->has_output && i + 1 == mlp->n_layers;
        x = mr_linear(x, params, mlp->weight[i], mlp->bias[i], is_output ? MR_IDENTITY : MR_RELU);
    }
    return x;
}
