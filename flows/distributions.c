// The table of base distributions, and the two that take no more than a few lines. A new one is one
// new file and one line in each of the two lists.

#include "flows/distribution.h"

#include "base/nearest.h"
#include "flows/base.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- Normal: a diagonal Gaussian, whose mean and deviation may be linear in the context

static mr_status normal_declare(mr_distribution *d, mr_params *params, const char *prefix) {
    *(mr_base *)d->state = mr_base_declare_standard(params, prefix, d->dim, d->context_dim);
    return MR_OK;
}

static mr_gaussian normal_build(const mr_distribution *d, mr_params *params, mr_node *node,
                                mr_node *context) {
    return mr_base_build(d->state, params, mr_node_graph(node), context);
}

static mr_node *normal_log_prob(const mr_distribution *d, mr_params *params, mr_node *z,
                                mr_node *context) {
    return mr_gaussian_log_prob(normal_build(d, params, z, context), z);
}

static void normal_draw(const mr_distribution *d, const mr_params *params, mr_random *random,
                        size_t n, mr_real *noise) {
    (void)params;
    mr_random_fill_normal(random, n * d->dim, noise);
}

static mr_node *normal_sample(const mr_distribution *d, mr_params *params, mr_node *noise,
                              mr_node *context, mr_node **log_prob) {
    return mr_gaussian_sample(normal_build(d, params, noise, context), noise, log_prob);
}

static const mr_distribution_ops normal = {
    .name = "normal",
    .summary = "a diagonal Gaussian with trained mean and deviation",
    .state_size = sizeof(mr_base),
    .declare = normal_declare,
    .log_prob = normal_log_prob,
    .draw = normal_draw,
    .sample = normal_sample,
};

// ---- Uniform: on the box [-bound, bound]^dim

typedef struct {
    double bound;
} uniform_options;

static double uniform_bound(const mr_distribution *d) {
    return ((const uniform_options *)d->options)->bound;
}

static mr_status uniform_declare(mr_distribution *d, mr_params *params, const char *prefix) {
    (void)d, (void)params, (void)prefix;
    return MR_OK;
}

// z lies in the box, because the data do and the flow maps the box onto itself; a NaN goes through.
static mr_node *uniform_log_prob(const mr_distribution *d, mr_params *params, mr_node *z,
                                 mr_node *context) {
    (void)params, (void)context;
    return mr_affine(mr_row_sum(z), 0, -(double)d->dim * log(2 * uniform_bound(d)));
}

static void uniform_draw(const mr_distribution *d, const mr_params *params, mr_random *random,
                         size_t n, mr_real *noise) {
    (void)params;
    mr_random_fill_uniform(random, n * d->dim, -uniform_bound(d), uniform_bound(d), noise);
}

static mr_node *uniform_sample(const mr_distribution *d, mr_params *params, mr_node *noise,
                               mr_node *context, mr_node **log_prob) {
    *log_prob = uniform_log_prob(d, params, noise, context);
    return noise;
}

static const mr_flow_option uniform_rows[] = {
    {"bound", MR_FLOW_OPTION_REAL, offsetof(uniform_options, bound), "6", 0.001, 1e6, NULL,
     "of the box [-bound, bound] that bounded columns are mapped to"},
};

static const mr_distribution_ops uniform = {
    .name = "uniform",
    .summary = "uniform on a box, for columns that are all bounded",
    .options = {uniform_rows, MR_COUNT(uniform_rows), sizeof(uniform_options)},
    .declare = uniform_declare,
    .log_prob = uniform_log_prob,
    .draw = uniform_draw,
    .sample = uniform_sample,
    .bound = uniform_bound,
};

// ---- The table

extern const mr_distribution_ops mr_distribution_student_t;
extern const mr_distribution_ops mr_distribution_mixture;

const mr_distribution_ops *const mr_distribution_table[] = {
    &normal,
    &mr_distribution_student_t,
    &mr_distribution_mixture,
    &uniform,
};

const size_t mr_distribution_table_size = MR_COUNT(mr_distribution_table);

static const char *name_at(const void *table, size_t i) {
    return ((const mr_distribution_ops *const *)table)[i]->name;
}

static mr_status fail_name(const char *text) {
    char names[128];
    mr_list_names(mr_distribution_table_size, name_at, mr_distribution_table, sizeof names, names);
    return mr_fail(MR_ERR_USAGE,
                   "base '%.100s': there is no such base distribution; choose from %s", text,
                   names);
}

mr_status mr_distribution_read(const char *text, mr_arena *arena, mr_distribution *out,
                               char full[MR_DISTRIBUTION_MAX_TEXT]) {
    const size_t n_name = strcspn(text, ":");
    const mr_distribution_ops *ops = NULL;
    for (size_t i = 0; i < mr_distribution_table_size; i++)
        if (strlen(mr_distribution_table[i]->name) == n_name &&
            strncmp(mr_distribution_table[i]->name, text, n_name) == 0)
            ops = mr_distribution_table[i];
    if (!ops || strlen(text) >= MR_DISTRIBUTION_MAX_TEXT)
        return fail_name(text);
    void *values = mr_arena_alloc(arena, ops->options.size + 1);
    void *state = mr_arena_alloc(arena, ops->state_size + 1);
    if (!values || !state)
        return mr_fail_memory("a base distribution");
    const mr_status status = mr_flow_options_read(&ops->options, "base", ops->name, text, values);
    if (status != MR_OK)
        return status;
    mr_flow_options_write(&ops->options, ops->name, values, full, MR_DISTRIBUTION_MAX_TEXT);
    *out = (mr_distribution){.ops = ops, .options = values, .arena = arena, .state = state};
    return MR_OK;
}
