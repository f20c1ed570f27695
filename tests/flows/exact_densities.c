// Densities with other bases, bounded and circular columns, and given columns, in double precision:
// they integrate to one, their gradients equal differences, and their samples have their density.

#include "flows/density_internal.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(densities, .timeout = 300);

static const double pi = 3.14159265358979323846;

static const mr_support line = {MR_SUPPORT_LINE, 0, 0};
static const mr_support unit = {MR_SUPPORT_BOUNDED, 0, 1};
static const mr_support above_2 = {MR_SUPPORT_BOUNDED, 2, INFINITY};
static const mr_support below_0 = {MR_SUPPORT_BOUNDED, -INFINITY, 0};
static const mr_support angle = {MR_SUPPORT_CIRCLE, -3.14159265358979323846,
                                 3.14159265358979323846};
static const mr_support degrees = {MR_SUPPORT_CIRCLE, 0, 360};

// Moves the parameters that have a gradient by normal noise: masked weights have none. Three
// rounds, since what starts at zero hides what lies behind it.
static void move(mr_density *density, double noise) {
    enum { ROWS = 16 };
    mr_params *params = mr_density_params(density);
    mr_random random = mr_random_stream(8, MR_STREAM_TEST, 0);
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *u = mr_input(graph, mr_density_width(density), false);
    mr_node *log_prob = mr_density_build_log_prob(density, u);
    cr_assert_eq(mr_graph_plan(graph, log_prob, 1, &params), MR_OK);
    for (int round = 0; round < 3; round++) {
        mr_random_fill_normal(&random, ROWS * mr_node_cols(u), mr_node_value(u));
        mr_graph_run(graph, ROWS);
        for (size_t i = 0; i < mr_params_size(params); i++) {
            const double way = noise * mr_random_normal(&random);
            mr_params_value(params)[i] += mr_params_grad(params)[i] != 0 ? way : 0;
        }
    }
    mr_graph_free(graph);
}

static mr_density *moved_density(const mr_density_spec *spec, double noise) {
    mr_density *density = NULL;
    cr_assert_eq(mr_density_create(spec, 5, &density), MR_OK, "%s", mr_error_message());
    if (noise > 0 && mr_params_count(mr_density_params(density)) > 0)
        move(density, noise);
    return density;
}

// ---- Integrals: each column is mapped from an open interval of t, over which midpoints are summed

/// x and dx/dt of a column at t in (0, 1).
static double place(const mr_support *s, double t, double *slope) {
    const double v = log(t / (1 - t)), dv = 1 / (t * (1 - t));
    if (s->type == MR_SUPPORT_CIRCLE) {
        *slope = s->high - s->low;
        return s->low + (s->high - s->low) * t;
    }
    if (s->type == MR_SUPPORT_BOUNDED && isfinite(s->low) && isfinite(s->high)) {
        const double share = 1 / (1 + exp(-2 * v)); // densely near the bounds
        *slope = (s->high - s->low) * share * (1 - share) * 2 * dv;
        return s->low + (s->high - s->low) * share;
    }
    if (s->type == MR_SUPPORT_BOUNDED && isfinite(s->low)) {
        *slope = exp(v) * dv;
        return s->low + exp(v);
    }
    if (s->type == MR_SUPPORT_BOUNDED) {
        *slope = exp(v) * dv;
        return s->high - exp(v);
    }
    *slope = 3 * cosh(v) * dv; // far into heavy tails
    return 3 * sinh(v);
}

// What column j can be: between its bounds, or those of a fixed map in the flow.
static mr_support support_of(const mr_density *density, size_t j) {
    const mr_interval limits = mr_density_limits(density, j);
    return mr_density_is_limited(density)
               ? (mr_support){MR_SUPPORT_BOUNDED, limits.low, limits.high}
               : mr_density_support(density)[j];
}

// The integral over the features, for the given values `given`.
static double integrate(const mr_density *density, size_t n, const double *given) {
    const size_t dim = mr_density_dim(density), width = mr_density_width(density);
    const size_t n_points = dim == 1 ? n : n * n;
    double *x = calloc(n_points, width * sizeof *x), *log_prob = calloc(n_points, sizeof *log_prob);
    double *area = calloc(n_points, sizeof *area), sum = 0;
    cr_assert(x && log_prob && area);
    for (size_t i = 0; i < n_points; i++) {
        area[i] = 1;
        for (size_t j = 0; j < dim; j++) {
            double slope;
            const mr_support support = support_of(density, j);
            const double t = ((double)(j == 0 ? i % n : i / n) + 0.5) / (double)n;
            x[i * width + j] = place(&support, t, &slope);
            area[i] *= slope / (double)n;
        }
        memcpy(x + i * width + dim, given, (width - dim) * sizeof *x);
    }
    cr_assert_eq(mr_density_log_prob(density, 1, n_points, x, log_prob), MR_OK, "%s",
                 mr_error_message());
    for (size_t i = 0; i < n_points; i++)
        sum += area[i] * exp(log_prob[i]);
    free(x);
    free(log_prob);
    free(area);
    return sum;
}

static void check_mass(const mr_density_spec *spec, double noise, double tolerance) {
    const double given[] = {0.4, -0.7};
    mr_density *density = moved_density(spec, noise);
    const double mass = integrate(density, spec->dim == 1 ? 40000 : 500, given);
    cr_expect_float_eq(
        mass, 1, tolerance, "%s over %s, %zu columns of types %d, %d, integrates to %.6g",
        spec->flow, mr_density_base(density), spec->dim, (int)mr_density_support(density)[0].type,
        (int)mr_density_support(density)[spec->dim - 1].type, mass);
    mr_density_free(density);
}

// A midpoint sum of 40,000 (1-D) or 500^2 points misses by what the kinks of ReLU nets leave, below
// 1e-3; Student's t with nu = 1/2 to 200 has 1e-4 of its mass beyond 3 sinh(10).
static const double mass_tolerance = 2e-3;

Test(densities, every_base_integrates_to_one) {
    static const mr_support box[] = {{MR_SUPPORT_BOUNDED, 0, 1}, {MR_SUPPORT_BOUNDED, -2, 5}};
    for (size_t i = 0; i < mr_distribution_table_size; i++)
        for (size_t dim = 1; dim < 3; dim++) {
            const mr_distribution_ops *ops = mr_distribution_table[i];
            check_mass(&(mr_density_spec){.flow = "[]",
                                          .use = MR_FLOW_TO_SCORE,
                                          .base = ops->name,
                                          .dim = dim,
                                          .support = ops->bound ? box : NULL},
                       0.4, mass_tolerance);
        }
}

Test(densities, bounded_and_circular_columns_integrate_to_one) {
    const mr_support supports[][2] = {{unit, line},  {above_2, unit}, {below_0, above_2},
                                      {angle, line}, {unit, degrees}, {angle, degrees}};
    static const char *const flows[] = {"nsf:layers=2,hidden=8", "maf:layers=2,hidden=8",
                                        "[autoregressive(spline(bins=4), hidden=8), affine]*2",
                                        "[inverse(coupling(spline, hidden=8)), spline(bins=3)]*2"};
    for (size_t i = 0; i < MR_COUNT(supports); i++)
        for (size_t k = 0; k < MR_COUNT(flows); k++)
            for (size_t dim = 1; dim < 3; dim++)
                check_mass(&(mr_density_spec){.flow = flows[k],
                                              .use = MR_FLOW_TO_SCORE,
                                              .dim = dim,
                                              .support = supports[i]},
                           0.2, 5 * mass_tolerance);
}

Test(densities, conditional_densities_integrate_to_one) {
    const mr_support supports[] = {line, unit, angle, line};
    static const char *const flows[] = {"nsf:layers=2,hidden=8", "planar:layers=2",
                                        "[actnorm, lu, coupling(affine, hidden=8)]*2", "[]"};
    for (size_t k = 0; k < MR_COUNT(flows); k++)
        for (size_t i = 0; i < 2; i++)
            check_mass(&(mr_density_spec){.flow = flows[k],
                                          .use = MR_FLOW_TO_SCORE,
                                          .base = i ? "student_t" : "normal",
                                          .dim = 2,
                                          .given_dim = 2,
                                          .support = supports},
                       0.2, 5 * mass_tolerance);
}

Test(densities, a_box_keeps_all_mass_of_a_uniform_base) {
    const mr_support box[] = {unit, {MR_SUPPORT_BOUNDED, -2, 5}};
    check_mass(&(mr_density_spec){.flow = "[coupling(spline, hidden=8), permutation]*4",
                                  .use = MR_FLOW_TO_SCORE,
                                  .base = "uniform",
                                  .dim = 2,
                                  .support = box},
               0.2, 5 * mass_tolerance);
}

// Parameters stay close to their start, so that next to no mass lies beyond the points: in two
// dimensions log(x - low) goes from -7 to 7.
Test(densities, fixed_maps_keep_the_mass) {
    static const struct {
        const char *flow, *base;
    } cases[] = {
        {"[logit(low=-1, high=3), coupling(spline, hidden=8), lu]", "normal"},
        {"[log(low=2), coupling(affine, hidden=8)]", "student_t"},
        {"[inverse(softplus), actnorm, planar]", "normal"},
        {"[inverse(tanh(bound=2)), coupling(inverse(affine), hidden=8)]", "normal"},
        {"[lu, sigmoid(low=-6, high=6), coupling(spline, hidden=8)]", "uniform"},
        {"[spline, tanh(bound=6)]", "uniform"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++)
        for (size_t dim = 1; dim < 3; dim++)
            check_mass(&(mr_density_spec){.flow = cases[i].flow,
                                          .use = MR_FLOW_TO_SCORE,
                                          .base = cases[i].base,
                                          .dim = dim},
                       0.05, 5 * mass_tolerance);
}

// ---- Gradients

// d mean(log p) / d every parameter, and the same by central differences along random directions.
static void check_gradients(const mr_density_spec *spec) {
    enum { ROWS = 7, DIRECTIONS = 6 };
    static const double step = 1e-6;
    mr_density *density = moved_density(spec, 0.2);
    mr_params *params = mr_density_params(density);
    const size_t n = mr_params_size(params), width = mr_density_width(density);
    mr_random random = mr_random_stream(8, MR_STREAM_TEST, 1);
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(ROWS, 1, &graph), MR_OK);
    mr_node *u = mr_input(graph, width, false);
    mr_node *log_prob = mr_keep(mr_density_build_log_prob(density, u));
    cr_assert_eq(mr_graph_plan(graph, log_prob, 1, &params), MR_OK);
    mr_random_fill_normal(&random, ROWS * width, mr_node_value(u));
    mr_real *value = mr_params_value(params);
    double *way = calloc(n + 1, sizeof *way);
    for (int k = 0; k < DIRECTIONS; k++) {
        double expected[2], found = 0;
        mr_graph_run(graph, ROWS);
        for (size_t i = 0; i < n; i++) {
            way[i] = mr_params_grad(params)[i] != 0 ? mr_random_normal(&random) : 0;
            found += way[i] * mr_params_grad(params)[i];
        }
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < n; i++)
                value[i] += (side ? -1 : 1) * step * way[i];
            mr_graph_run(graph, ROWS);
            expected[side] = mr_node_mean(log_prob, ROWS);
            for (size_t i = 0; i < n; i++)
                value[i] -= (side ? -1 : 1) * step * way[i];
        }
        const double difference = (expected[0] - expected[1]) / (2 * step);
        cr_expect_float_eq(found, difference, 1e-5 * (1 + fabs(difference)), "%s over %s",
                           spec->flow, mr_density_base(density));
    }
    free(way);
    mr_graph_free(graph);
    mr_density_free(density);
}

Test(densities, gradients_equal_central_differences) {
    const mr_support circles[] = {angle, line, angle, degrees};
    for (size_t i = 0; i < mr_distribution_table_size; i++)
        if (!mr_distribution_table[i]->bound)
            check_gradients(&(mr_density_spec){.flow = "[]",
                                               .use = MR_FLOW_TO_SCORE,
                                               .base = mr_distribution_table[i]->name,
                                               .dim = 3,
                                               .given_dim = 2});
    check_gradients(&(mr_density_spec){.flow = "nsf:layers=2,hidden=8",
                                       .use = MR_FLOW_TO_SCORE,
                                       .dim = 3,
                                       .given_dim = 1,
                                       .support = circles});
    check_gradients(&(mr_density_spec){.flow = "nsf_ar:layers=2,hidden=8",
                                       .use = MR_FLOW_TO_SCORE,
                                       .dim = 3,
                                       .given_dim = 1,
                                       .support = circles});
}

// ---- Samples

// Student's t with a given number of degrees in 1-D has a closed form: at nu = 10, where it starts.
Test(densities, student_t_starts_with_ten_degrees) {
    const double points[] = {0, 0.5, -2, 30};
    double log_prob[MR_COUNT(points)];
    mr_density *density = moved_density(
        &(mr_density_spec){.flow = "[]", .use = MR_FLOW_TO_SCORE, .base = "student_t", .dim = 1},
        0);
    cr_assert_eq(mr_density_log_prob(density, 1, MR_COUNT(points), points, log_prob), MR_OK);
    for (size_t i = 0; i < MR_COUNT(points); i++)
        cr_expect_float_eq(log_prob[i],
                           lgamma(5.5) - lgamma(5) - log(10 * pi) / 2 -
                               5.5 * log1p(points[i] * points[i] / 10),
                           1e-9);
    mr_density_free(density);
}

static int ascending(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b ? 1 : 0;
}

// Samples of one column lie as the density says: the share of them in each of ten cells is its
// mass there. Of 20,000 samples a share errs by at most sqrt(0.25 / 20,000) = 0.0035; five times
// that over all cells together is never seen by chance.
static void check_samples(const char *flow, const char *base, const mr_support *support) {
    enum { N = 20000, CELLS = 10, FINE = 400 };
    static double x[N], sampled[N], scored[N];
    mr_density *density = moved_density(
        &(mr_density_spec){
            .flow = flow, .use = MR_FLOW_TO_SCORE, .base = base, .dim = 1, .support = support},
        0.3);
    cr_assert_eq(mr_density_sample(density, 1, 3, N, x, sampled), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_log_prob(density, 1, N, x, scored), MR_OK, "%s", mr_error_message());
    for (size_t i = 0; i < N; i++)
        cr_assert_float_eq(sampled[i], scored[i], 1e-6 * (1 + fabs(scored[i])), "%s, %s: x = %g",
                           flow, base, x[i]);
    qsort(x, N, sizeof *x, ascending);
    for (size_t c = 1; c < CELLS; c++) { // between two of the samples' quantiles
        const double low = x[c * N / (CELLS + 1)], high = x[(c + 1) * N / (CELLS + 1)];
        double mass = 0, points[FINE], log_prob[FINE];
        for (size_t k = 0; k < FINE; k++)
            points[k] = low + (high - low) * ((double)k + 0.5) / FINE;
        cr_assert_eq(mr_density_log_prob(density, 1, FINE, points, log_prob), MR_OK);
        for (size_t k = 0; k < FINE; k++)
            mass += exp(log_prob[k]) * (high - low) / FINE;
        cr_expect_float_eq(mass, 1.0 / (CELLS + 1), 0.0175, "%s, %s: cell %zu has mass %g", flow,
                           base, c, mass);
    }
    mr_density_free(density);
}

Test(densities, samples_lie_as_the_density_says) {
    for (size_t i = 0; i < mr_distribution_table_size; i++)
        check_samples("[coupling(spline(bound=6), hidden=8)]*2", mr_distribution_table[i]->name,
                      mr_distribution_table[i]->bound ? &unit : &line);
    check_samples("nsf:layers=2,hidden=8", "normal", &unit);
    check_samples("nsf:layers=2,hidden=8", "normal", &above_2);
    check_samples("nsf:layers=2,hidden=8", "normal", &below_0);
    check_samples("nsf:layers=2,hidden=8", "normal", &degrees);
    check_samples("[log(low=2), coupling(spline, hidden=8)]", "normal", &line);
    check_samples("[sigmoid(low=-6, high=6), coupling(spline, hidden=8)]", "uniform", &line);
}
