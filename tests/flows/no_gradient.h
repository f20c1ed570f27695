/// Which numbers among the parameters of a flow have no gradient, and why. Every other number must
/// get one: what is drawn and saved and never moves goes unnoticed in training.
#pragma once

#include "flows/flow.h"
#include "nn/params.h"
#include "tests/scratch.h"

#include <ctype.h>
#include <fnmatch.h>

/// Whether a composition has a part of that name.
static inline bool has_part(const char *composition, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = strstr(composition, name); at; at = strstr(at + 1, name))
        if ((at == composition || strchr("[( ", at[-1])) && !(at[n] && isalnum(at[n])) &&
            at[n] != '_')
            return true;
    return false;
}

static inline bool has_one_of(const char *composition, const char *const *names) {
    for (; *names; names++)
        if (has_part(composition, *names))
            return true;
    return false;
}

#define HAS_ONE_OF(composition, ...)                                                               \
    has_one_of(composition, (const char *const[]){__VA_ARGS__, NULL})

/// One number of a parameter, in a file's words.
typedef struct {
    const char *name; // the parameter's
    size_t row, col, n_rows, n_cols;
    bool is_hidden; // of a net's hidden layer, not of its last one
    size_t dim, context_dim;
} param_number;

static inline bool is_any(const param_number *at) {
    return at->n_rows > 0;
}

static inline bool is_on_diagonal(const param_number *at) {
    return at->row == at->col;
}

// The degree of feature j, from 1: its place in the order, which every second layer reverses.
static inline size_t feature_degree(const param_number *at, size_t j) {
    const char *index = strstr(at->name, ".net.");
    while (index > at->name && index[-1] >= '0' && index[-1] <= '9')
        index--;
    return strtoul(index, NULL, 10) % 2 == 0 ? j + 1 : at->dim - j;
}

// The degrees that some output may see, in turn, or spread over a layer that is too narrow.
static inline size_t hidden_degree_of(const param_number *at, size_t j, size_t width) {
    const size_t least = at->context_dim > 0 || at->dim == 1 ? 0 : 1, n = at->dim - least;
    return least + (width >= n ? j % n : j * n / width);
}

/// MADE (Germain et al. 2015, equations 8 and 9): a unit sees those of no greater degree, an output
/// only what has a smaller degree than its feature.
static inline bool is_masked(const param_number *at) {
    const bool is_first = strstr(at->name, ".net.0.weight") != NULL;
    const size_t n_hidden = is_first ? 0 : at->is_hidden ? at->n_cols : at->n_cols - at->dim;
    const size_t j = at->col - n_hidden; // of a feature or of the context
    const size_t from = at->col < n_hidden ? hidden_degree_of(at, at->col, n_hidden)
                        : j < at->dim      ? feature_degree(at, j)
                                           : 0;
    const size_t to = at->is_hidden ? hidden_degree_of(at, at->row, at->n_rows)
                                    : feature_degree(at, at->row % at->dim) - 1;
    return from > to;
}

static const struct {
    const char *part, *name; // of a flow; of a parameter, as a pattern
    bool (*has_none)(const param_number *at);
    const char *why;
} no_gradient_rules[] = {
    {"actnorm", "*.started", is_any, "says whether actnorm has had its start"},
    {"lu", "*.lu", is_on_diagonal, "the diagonal of U is made from log_s"},
    {"lu", "*.sign", is_any, "is a buffer"},
    {"lu", "*.order", is_any, "is a buffer"},
    {"permutation", "*.order", is_any, "is a buffer"},
    {"autoregressive", "*.net.*.weight", is_masked, "is masked"},
};

static inline const char *no_gradient_rule(const char *composition, const param_number *at) {
    for (size_t k = 0; k < MR_COUNT(no_gradient_rules); k++)
        if (has_part(composition, no_gradient_rules[k].part) &&
            fnmatch(no_gradient_rules[k].name, at->name, 0) == 0 &&
            no_gradient_rules[k].has_none(at))
            return no_gradient_rules[k].why;
    return NULL;
}

/// What tests know of a number in a set's block.
typedef struct {
    char name[96];           // "flow.0.net.1.weight[3]"; "" in the gaps between parameters
    const char *no_gradient; // why it has none; NULL: it must have one
    size_t param;            // which of the parameters it is part of, in the order of a file
    bool is_hidden;          // that is of a hidden layer
} number_facts;

// The names of parameters are known in files alone: here in one that holds the numbers' indices.
static inline mr_tensors *write_indices(const mr_params *params) {
    char path[] = "/tmp/millrace-test-XXXXXX";
    const size_t n = mr_params_size(params);
    mr_real *index = malloc((n + 1) * sizeof *index);
    mr_tensors_writer *writer;
    mr_tensors *file;
    const int made = mkstemp(path);
    cr_assert(index != NULL && made >= 0);
    close(made);
    for (size_t i = 0; i < n; i++)
        index[i] = (mr_real)i;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_params_write(params, index, "", writer), MR_OK);
    cr_assert_eq(mr_tensors_writer_write(writer, path), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_tensors_open(path, &file), MR_OK, "%s", mr_error_message());
    mr_tensors_writer_free(writer);
    free(index);
    unlink(path);
    return file;
}

static inline bool is_of_hidden_layer(const mr_tensors *file, const char *name) {
    char next[256];
    mr_tensor found;
    size_t layer;
    const char *net = strstr(name, ".net.");
    if (net == NULL)
        return false;
    if (strncmp(net, ".net.context.", 13) == 0)
        layer = 0; // a convolutional net's context is added to its first layer
    else if (sscanf(net, ".net.%zu.", &layer) != 1)
        return false;
    snprintf(next, sizeof next, "%.*s.net.%zu.weight", (int)(net - name), name, layer + 1);
    return mr_tensors_find(file, next, &found);
}

/// [mr_params_size] of a set that holds the parameters of `flow`, to be freed.
static inline number_facts *number_facts_of(const mr_params *params, const char *flow, size_t dim,
                                            size_t context_dim) {
    char composition[MR_FLOW_MAX_TEXT];
    cr_assert_eq(mr_flow_describe(flow, MR_FLOW_TO_SAMPLE, NULL, composition), MR_OK);
    mr_tensors *file = write_indices(params);
    number_facts *facts = calloc(mr_params_size(params) + 1, sizeof *facts);
    cr_assert_not_null(facts);
    for (size_t i = 0; i < mr_params_size(params); i++)
        facts[i].no_gradient = "belongs to no parameter";
    for (size_t k = 0; k < mr_tensors_count(file); k++) {
        const mr_tensor tensor = mr_tensors_at(file, k);
        const mr_real *index = tensor.data;
        param_number at = {.name = tensor.name,
                           .n_rows = tensor.n_dims > 1 ? tensor.shape[0] : 1,
                           .n_cols = tensor.shape[tensor.n_dims - 1],
                           .is_hidden = is_of_hidden_layer(file, tensor.name),
                           .dim = dim,
                           .context_dim = context_dim};
        for (size_t i = 0; i < at.n_rows * at.n_cols; i++) {
            number_facts *f = &facts[(size_t)index[i]];
            at.row = i / at.n_cols;
            at.col = i % at.n_cols;
            snprintf(f->name, sizeof f->name, "%s[%zu]", tensor.name, i);
            f->no_gradient = no_gradient_rule(composition, &at);
            f->param = k;
            f->is_hidden = at.is_hidden;
        }
    }
    mr_tensors_close(file);
    return facts;
}
