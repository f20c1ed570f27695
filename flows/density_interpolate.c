// Samples between two rows.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flows/base.h"
#include "flows/density_internal.h"

// The noise e [2 x dim] that makes the two rows: z = mean + sigma e.
static mr_status find_noise(const mr_density *density, const double *ends, mr_real *noise) {
    mr_status status;
    const size_t dim = density->dim, width = mr_density_width(density);
    mr_graph *graph = NULL;
    MR_TRY(mr_graph_new(2, 1, &graph));
    mr_node *u = mr_input(graph, width, false), *x = u, *context = NULL;
    if (density->given_dim > 0) {
        x = mr_slice(u, 0, dim);
        context = mr_density_build_context(density, mr_slice(u, dim, density->given_dim));
    }
    mr_node *log_det = NULL;
    mr_node *z = mr_flow_inverse(density->flow, density->params, x, context, &log_det);
    const mr_gaussian base = mr_base_build(density->base.state, density->params, graph, context);
    mr_node *e = mr_mul(mr_sub(z, base.mean), mr_exp(mr_affine(base.log_std, -1, 0)));
    mr_keep(e);
    MR_TRY(mr_graph_plan(graph, NULL, 0, NULL));
    for (size_t i = 0; i < 2 * width; i++)
        mr_node_value(u)[i] = (mr_real)mr_density_standardise_one(density, i % width, ends[i]);
    mr_graph_run(graph, 2);
    memcpy(noise, mr_node_value(e), 2 * dim * sizeof *noise);
done:
    mr_graph_free(graph);
    return status;
}

static double product(size_t n, const mr_real *a, const mr_real *b) {
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}

// Row i of n on the arc from a to b: (sin((1-t) angle) a + sin(t angle) b) / sin(angle).
static void place_on_arc(size_t dim, const mr_real *a, const mr_real *b, double t, mr_real *out) {
    const double cosine = product(dim, a, b) / sqrt(product(dim, a, a) * product(dim, b, b));
    const double angle = acos(fmin(fmax(cosine, -1), 1));
    const bool is_straight = !(sin(angle) > 1e-6); // the same direction, or the opposite one
    const double of_a = is_straight ? 1 - t : sin((1 - t) * angle) / sin(angle);
    const double of_b = is_straight ? t : sin(t * angle) / sin(angle);
    for (size_t j = 0; j < dim; j++)
        out[j] = (mr_real)(of_a * (double)a[j] + of_b * (double)b[j]);
}

// The rows x [n x dim] that noise [n x dim] makes, given what the first of `ends` is.
static mr_status make_rows(const mr_density *density, const double *ends, size_t n,
                           const mr_real *noise, double *x) {
    mr_status status;
    const size_t dim = density->dim, n_given = density->given_dim;
    mr_graph *graph = NULL;
    mr_node *log_prob;
    MR_TRY(mr_graph_new(n, 1, &graph));
    mr_node *e = mr_input(graph, dim, false);
    mr_node *given = n_given > 0 ? mr_input(graph, n_given, false) : NULL;
    mr_node *u = mr_keep(mr_density_build_sample_given(density, e, given, &log_prob));
    mr_keep(log_prob);
    MR_TRY(mr_graph_plan(graph, NULL, 0, NULL));
    memcpy(mr_node_value(e), noise, n * dim * sizeof *noise);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_given; k++)
            mr_node_value(given)[i * n_given + k] =
                (mr_real)mr_density_standardise_one(density, dim + k, ends[dim + k]);
    mr_graph_run(graph, n);
    for (size_t i = 0; i < n * dim; i++)
        x[i] = mr_density_unstandardise(density, i % dim, (double)mr_node_value(u)[i]);
done:
    mr_graph_free(graph);
    return status;
}

mr_status mr_density_interpolate(const mr_density *density, const double *ends, size_t n,
                                 double *x) {
    mr_status status;
    const size_t dim = density->dim;
    if (strcmp(density->base.ops->name, "normal") != 0 || density->of_base.n_circles > 0)
        return mr_fail(MR_ERR_USAGE, "the model's base is %s; only over normal there are arcs",
                       mr_density_base(density));
    if (n < 2)
        return mr_fail(MR_ERR_USAGE, "%zu samples between two rows; there are 2 at least", n);
    mr_real *of_ends = malloc(2 * dim * sizeof *of_ends), *noise = malloc(n * dim * sizeof *noise);
    if (!of_ends || !noise) {
        status = mr_fail_memory("the samples");
        goto done;
    }
    MR_TRY(find_noise(density, ends, of_ends));
    for (size_t i = 0; i < n; i++)
        place_on_arc(dim, of_ends, of_ends + dim, (double)i / (double)(n - 1), noise + i * dim);
    status = make_rows(density, ends, n, noise, x);
done:
    free(of_ends);
    free(noise);
    return status;
}
