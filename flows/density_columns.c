// The columns of a density: bounds, standardising, and the layout of its tables.

#include "flows/density.h"

#include "flows/density_internal.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

// ---- Bounded columns: a fixed map to the line stands in front of the flow
//
//     low < x < high:  v = log(t / (1 - t)),  t = (x - low) / (high - low),
//                      dv/dx = 1 / (t (1 - t) (high - low))
//     low < x:         v = log(x - low),      dv/dx = 1 / (x - low)
//     x < high:        v = -log(high - x),    dv/dx = 1 / (high - x)
//
// Over a base on a box v = x, and the flow maps the box onto itself.

// Whether column j has its map; else v = x.
static bool is_mapped(const mr_density *density, size_t j) {
    return density->support[j].type == MR_SUPPORT_BOUNDED &&
           !(density->bound > 0 && j < density->dim);
}

mr_interval mr_density_limits(const mr_density *density, size_t j) {
    const mr_support *s = &density->support[j];
    if (mr_density_is_limited(density) && j < density->dim)
        return density->values.interval;
    return s->type == MR_SUPPORT_BOUNDED || s->type == MR_SUPPORT_CATEGORY
               ? (mr_interval){s->low, s->high}
               : (mr_interval){-INFINITY, INFINITY};
}

// Whether bounds themselves are values: over a base on a box they are.
static bool is_closed(const mr_density *density, size_t j) {
    return density->support[j].type == MR_SUPPORT_BOUNDED && !is_mapped(density, j);
}

// A fixed map of the flow sees x as a float32.
static bool is_within(const mr_density *density, size_t j, double x) {
    const mr_interval limits = mr_density_limits(density, j);
    if (isinf(limits.low) && isinf(limits.high))
        return true;
    if (density->category[j].n > 0)
        return x >= limits.low && x <= limits.high && x == floor(x);
    const double seen = mr_density_is_limited(density) && j < density->dim ? (double)(mr_real)x : x;
    return is_closed(density, j) ? x >= limits.low && x <= limits.high
                                 : seen > limits.low && seen < limits.high;
}

// NaN outside the bounds.
double mr_density_map(const mr_density *density, size_t j, double x) {
    const mr_support *s = &density->support[j];
    if (!is_within(density, j, x))
        return NAN;
    if (!is_mapped(density, j))
        return x;
    return isinf(s->high)  ? log(x - s->low)
           : isinf(s->low) ? -log(s->high - x)
                           : log(x - s->low) - log(s->high - x);
}

static double unmap(const mr_density *density, size_t j, double v) {
    const mr_support *s = &density->support[j];
    if (!is_mapped(density, j))
        return v;
    if (isinf(s->high))
        return s->low + exp(v);
    if (isinf(s->low))
        return s->high - exp(-v);
    return v < 0 ? s->low + (s->high - s->low) * (exp(v) / (1 + exp(v)))
                 : s->high - (s->high - s->low) * (exp(-v) / (1 + exp(-v)));
}

static double log_slope(const mr_density *density, size_t j, double x) {
    const mr_support *s = &density->support[j];
    if (!is_mapped(density, j))
        return 0;
    return isinf(s->high)  ? -log(x - s->low)
           : isinf(s->low) ? -log(s->high - x)
                           : log(s->high - s->low) - log(x - s->low) - log(s->high - x);
}

double mr_density_log_slope(const mr_density *density, const double *x) {
    double sum = 0;
    for (size_t j = 0; j < density->dim && density->is_bounded; j++)
        sum += log_slope(density, j, x[j]);
    return sum;
}

// Whether a value of some column may be out of bounds, or an angle.
static bool has_bounds(const mr_density *density) {
    return density->is_bounded || density->has_categories || density->of_base.n_circles > 0 ||
           density->of_context.n_circles > 0 || mr_density_is_limited(density);
}

static mr_status fail_bounds(const mr_density *density, size_t row, size_t j, double x) {
    const mr_interval limits = mr_density_limits(density, j);
    if (density->category[j].n > 0)
        return mr_fail(MR_ERR_INPUT,
                       "row %zu, column %zu of the fitted columns is %g, which is none of its "
                       "categories, the whole numbers from %g to %g; leave the row out",
                       row + 1, j + 1, x, limits.low, limits.high);
    if (density->support[j].type == MR_SUPPORT_BOUNDED)
        return mr_fail(
            MR_ERR_INPUT,
            "row %zu, column %zu of the fitted columns is %g, which is not %s its bounds "
            "%g and %g; give wider bounds or leave the row out",
            row + 1, j + 1, x, is_closed(density, j) ? "within" : "between", limits.low,
            limits.high);
    return mr_fail(
        MR_ERR_INPUT,
        "row %zu, column %zu of the fitted columns is %g, but the flow's %s takes values "
        "between %g and %g alone; change its options or leave the row out",
        row + 1, j + 1, x, density->values.part, limits.low, limits.high);
}

mr_status mr_density_check_bounds(const mr_density *density, size_t first, size_t n,
                                  const double *x) {
    const size_t width = mr_density_width(density);
    for (size_t i = 0; i < n && has_bounds(density); i++)
        for (size_t j = 0; j < width; j++)
            if (!is_within(density, j, x[i * width + j]))
                return fail_bounds(density, first + i, j, x[i * width + j]);
    return MR_OK;
}

// ---- Standardising

mr_status mr_density_set_scale(mr_density *density, const double *shift, const double *scale) {
    const size_t width = mr_density_width(density);
    for (size_t j = 0; j < width; j++)
        if (!isfinite(shift[j]) || !isfinite(scale[j]) || scale[j] <= 0)
            return mr_fail(MR_ERR_INPUT,
                           "column %zu cannot be standardised by shift %g and scale %g; both must "
                           "be finite and the scale above 0",
                           j + 1, shift[j], scale[j]);
    memcpy(density->shift, shift, width * sizeof *shift);
    memcpy(density->scale, scale, width * sizeof *scale);
    return MR_OK;
}

static double weight_of(const double *weights, size_t i) {
    return weights ? weights[i] : 1;
}

// Mean and standard deviation of a column's v, through its largest distance from the mean, so that
// no square overflows or vanishes.
static void measure_column(const mr_density *density, size_t n, size_t j, const double *x,
                           const double *weights, double *mean, double *deviation) {
    const size_t width = mr_density_width(density);
    double total = 0, centre = 0, farthest = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        total += weight_of(weights, i);
    for (size_t i = 0; i < n; i++)
        centre += mr_density_map(density, j, x[i * width + j]) * weight_of(weights, i) / total;
    for (size_t i = 0; i < n; i++)
        farthest = fmax(farthest, fabs(mr_density_map(density, j, x[i * width + j]) - centre));
    for (size_t i = 0; i < n && farthest > 0; i++) {
        const double part = (mr_density_map(density, j, x[i * width + j]) - centre) / farthest;
        sum += weight_of(weights, i) * part * part;
    }
    *mean = centre;
    *deviation = farthest * sqrt(sum / total);
}

bool mr_column_is_constant(size_t n, size_t width, const double *column) {
    for (size_t i = 1; i < n; i++)
        if (column[i * width] != column[0])
            return false;
    return true;
}

// Mean and deviation of all pixels of an image together, through the largest number, so that no
// square overflows.
static void pool_pixels(size_t dim, const double *mean, const double *deviation,
                        double *pooled_mean, double *pooled_deviation) {
    double largest = 0, centre = 0, sum = 0;
    for (size_t j = 0; j < dim; j++)
        largest = fmax(largest, fmax(fabs(mean[j]), deviation[j]));
    for (size_t j = 0; j < dim && largest > 0; j++)
        centre += mean[j] / largest / (double)dim;
    for (size_t j = 0; j < dim && largest > 0; j++) {
        const double distance = mean[j] / largest - centre, d = deviation[j] / largest;
        sum += (distance * distance + d * d) / (double)dim;
    }
    *pooled_mean = largest * centre;
    *pooled_deviation = largest * sqrt(sum);
}

mr_status mr_density_take_moments(mr_density *density, const double *mean,
                                  const double *deviation) {
    double of_image = 0, image_deviation = 1;
    if (mr_density_is_image(density))
        pool_pixels(density->dim, mean, deviation, &of_image, &image_deviation);
    for (size_t j = 0; j < mr_density_width(density); j++) {
        const bool is_pixel = mr_density_is_image(density) && j < density->dim;
        const double shift = is_pixel ? of_image : mean[j];
        const double scale = is_pixel ? image_deviation : deviation[j];
        if (mr_density_keeps_scale(density, j))
            continue;
        if (!isfinite(shift) || !isfinite(scale) || scale < DBL_MIN)
            return mr_fail(MR_ERR_INPUT,
                           "column %zu has a standard deviation of %g; rescale it to ordinary size",
                           j + 1, scale);
        density->shift[j] = shift;
        density->scale[j] = scale;
    }
    return MR_OK;
}

// A constant column gets scale 1, but for a pixel, which counts as what it is.
static mr_status take_scale(mr_density *density, size_t n, const double *x, const double *weights) {
    const size_t width = mr_density_width(density);
    double *mean = calloc(2 * width, sizeof *mean), *deviation = mean + width;
    if (!mean)
        return mr_fail_memory("a density's start");
    for (size_t j = 0; j < width; j++) {
        if (mr_density_keeps_scale(density, j))
            continue;
        measure_column(density, n, j, x, weights, &mean[j], &deviation[j]);
        if (mr_column_is_constant(n, width, x + j)) {
            mean[j] = mr_density_map(density, j, x[j]);
            deviation[j] = mr_density_is_image(density) && j < density->dim ? 0 : 1;
        }
    }
    const mr_status status = mr_density_take_moments(density, mean, deviation);
    free(mean);
    return status;
}

mr_status mr_density_start(mr_density *density, size_t n, const double *x, const double *weights) {
    mr_status status;
    const size_t n_rows = smaller(n, mr_density_batch(density));
    mr_real *u = malloc(n_rows * mr_density_width(density) * sizeof *u);
    if (!u)
        return mr_fail_memory("a density's start");
    MR_TRY(mr_density_check_bounds(density, 0, n, x));
    MR_TRY(take_scale(density, n, x, weights));
    mr_density_standardise(density, n_rows, x, u);
    MR_TRY(mr_density_start_flow(density, n_rows, u));
done:
    free(u);
    return status;
}

// The flow's features of rows u [n x width], and what its nets see of the given columns: [n x
// context].
static mr_status split_rows(const mr_density *density, size_t n, const mr_real *u, mr_real *x,
                            mr_real *context) {
    mr_status status;
    mr_graph *graph = NULL;
    mr_node *total = NULL, *seen = NULL;
    mr_random random = mr_random_stream(0, MR_STREAM_LATENT, 0);
    MR_TRY(mr_graph_new(n, 1, &graph));
    mr_node *in = mr_input(graph, mr_density_width(density), false);
    if (density->given_dim > 0)
        seen = mr_keep(
            mr_density_build_context(density, mr_slice(in, density->dim, density->given_dim)));
    mr_node *features = mr_keep(mr_density_build_features(density, in, seen, &total));
    MR_TRY(mr_graph_plan(graph, NULL, 0, NULL));
    mr_input_fill(in, n, u);
    mr_graph_draw(graph, n, &random);
    mr_graph_run(graph, n);
    memcpy(x, mr_node_value(features), n * density->flow_dim * sizeof *x);
    if (seen)
        memcpy(context, mr_node_value(seen), n * mr_node_cols(seen) * sizeof *context);
done:
    mr_graph_free(graph);
    return status;
}

mr_status mr_density_start_flow(mr_density *density, size_t n, const mr_real *u) {
    mr_status status;
    const size_t n_rows = smaller(n, mr_density_batch(density));
    const size_t context_dim = mr_density_context_dim(density);
    if (density->given_dim == 0 && !mr_density_has_latents(density))
        return mr_flow_start(density->flow, density->params, n_rows, u, NULL);
    mr_real *x = malloc((n_rows * density->flow_dim + 1) * sizeof *x);
    mr_real *context = malloc((n_rows * context_dim + 1) * sizeof *context);
    if (!x || !context) {
        status = mr_fail_memory("a density's start");
        goto done;
    }
    MR_TRY(split_rows(density, n_rows, u, x, context));
    status = mr_flow_start(density->flow, density->params, n_rows, x,
                           density->given_dim > 0 ? context : NULL);
done:
    free(x);
    free(context);
    return status;
}

double mr_density_standardise_one(const mr_density *density, size_t j, double x) {
    const double u = (mr_density_map(density, j, x) - density->shift[j]) / density->scale[j];
    return density->support[j].type == MR_SUPPORT_CIRCLE ? remainder(u, 2 * pi) : u;
}

// Of a pixel that gets its noise from a flow, the middle of its level.
static double row_value(const mr_density *density, size_t j, double x) {
    const bool gets_noise = density->noise && j < density->dim;
    return mr_density_standardise_one(density, j, gets_noise ? x + 0.5 : x);
}

void mr_density_standardise(const mr_density *density, size_t n, const double *x, mr_real *u) {
    const size_t width = mr_density_width(density);
    if (!has_bounds(density) && !density->noise) { // the same numbers, a vector at a time
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < width; j++)
                u[i * width + j] =
                    (mr_real)((x[i * width + j] - density->shift[j]) / density->scale[j]);
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < width; j++)
            u[i * width + j] = (mr_real)row_value(density, j, x[i * width + j]);
}

// The float32 number of an open interval that is nearest to x.
static double into(mr_interval open, double x) {
    const double least = (double)nextafterf((float)open.low, INFINITY);
    const double greatest = (double)nextafterf((float)open.high, -INFINITY);
    return fmin(fmax(x, least), greatest);
}

double mr_density_unstandardise(const mr_density *density, size_t j, double u) {
    const mr_support *s = &density->support[j];
    const double x = unmap(density, j, density->shift[j] + density->scale[j] * u);
    // float32 may round u out of its bounds.
    if (mr_density_is_limited(density) && isfinite(x))
        return into(density->values.interval, x);
    return s->type == MR_SUPPORT_LINE || isnan(x) ? x : fmin(fmax(x, s->low), s->high);
}

double mr_density_log_scale(const mr_density *density) {
    double sum = 0;
    for (size_t j = 0; j < density->dim; j++)
        sum += log(density->scale[j]);
    return sum;
}

// ---- The layout

mr_status mr_density_set_layout(mr_density *density, const mr_layout *layout) {
    mr_layout copy;
    const mr_status status = mr_layout_copy(layout, density->dim, &copy);
    if (status == MR_OK) {
        mr_layout_release(&density->layout);
        density->layout = copy;
    }
    return status;
}

const mr_layout *mr_density_layout(const mr_density *density) {
    return &density->layout;
}

mr_status mr_density_set_columns(mr_density *density, size_t n_columns, const size_t *columns) {
    MR_REQUIRE(density);
    MR_REQUIRE(columns);
    for (size_t j = 0; j < density->dim; j++)
        if (columns[j] >= n_columns || (j > 0 && columns[j] <= columns[j - 1]))
            return mr_fail(MR_ERR_USAGE,
                           "columns of a density: number %zu of them is %zu; they must ascend and "
                           "be below %zu, the columns of the table",
                           j, columns[j], n_columns);
    return mr_density_set_layout(
        density, &(mr_layout){.n_columns = n_columns, .columns = (size_t *)columns});
}

const size_t *mr_density_columns(const mr_density *density, size_t *n_columns) {
    if (density == NULL || n_columns == NULL)
        return NULL;
    *n_columns = density->layout.n_columns;
    return density->layout.columns;
}
