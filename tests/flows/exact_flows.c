// What every flow promises, over all presets and parts, in double precision.
//
// A new part is tested on the day it joins the table: nothing here names one, but for the facts in
// flow_cases.h.

#include "tests/flows/extreme_inputs.h"
#include "tests/flows/no_gradient.h"

#include <math.h>

enum { POINTS = 3 };

// Rounding is 1e-16 a step, at most some hundred steps in a row; what one layer contracts, the way
// back expands, by up to e^2 a layer: 1e-16 times e^16 = 9e6 for the deepest default, and a margin.
static const double tolerance = 1e-8;

static subject perturbed(const flow_case *c, size_t n_rows) {
    subject s = subject_new(c, n_rows, 1);
    subject_perturb(&s, noise_of(c));
    return s;
}

// ---- There and back

static void check_round_trip(const flow_case *c) {
    subject s = perturbed(c, 64);
    subject_run(&s);
    const mr_real *in = mr_node_value(s.in), *back = mr_node_value(s.back);
    for (size_t i = 0; i < s.n_rows * c->dim; i++)
        cr_assert_float_eq(back[i], in[i], tolerance * (1 + fabs(in[i])),
                           "%s: %.12g comes back as %.12g", s.label, in[i], back[i]);
    for (size_t i = 0; i < s.n_rows; i++)
        cr_assert_float_eq(log_det_of(s.log_det, i), -log_det_of(s.back_log_det, i), tolerance,
                           "%s: log-dets %.12g there, %.12g back", s.label,
                           log_det_of(s.log_det, i), log_det_of(s.back_log_det, i));
    subject_free(&s);
}

Test(flows, there_and_back_is_the_identity_and_the_log_dets_cancel) {
    for_each_case(check_round_trip);
}

// ---- The start

static double norm(const mr_real *x, size_t n) {
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += (double)(x[j] * x[j]);
    return sqrt(sum);
}

static void check_fresh(const flow_case *c) {
    if (fact_of(c->text).has_fixed || fact_of(c->text).starts_near)
        return;
    subject s = subject_new(c, 64, 1);
    const bool rotates = fact_of(c->text).rotates && c->dim > 1;
    subject_run(&s);
    const mr_real *in = mr_node_value(s.in), *out = mr_node_value(s.out);
    for (size_t i = 0; i < s.n_rows; i++) {
        const mr_real *x = in + i * c->dim, *y = out + i * c->dim;
        for (size_t j = 0; j < c->dim && !rotates; j++)
            cr_assert_float_eq(y[j], x[j], 1e-10, "%s: starts by moving %g to %g", s.label, x[j],
                               y[j]);
        cr_assert_float_eq(norm(y, c->dim), norm(x, c->dim), 1e-10, "%s: starts with a stretch",
                           s.label);
        cr_assert_float_eq(log_det_of(s.log_det, i), 0, 1e-10);
    }
    subject_free(&s);
}

Test(flows, a_fresh_flow_is_the_identity) {
    for_each_case(check_fresh);
}

// Each layer may miss by 0.08 and a slope 3% below 1; those here have at most four, after
// rotations.
static void check_fresh_nearly(const flow_case *c) {
    if (!fact_of(c->text).starts_near || fact_of(c->text).has_fixed)
        return;
    subject s = subject_new(c, 64, 1);
    subject_run(&s);
    const double root = sqrt((double)c->dim);
    for (size_t i = 0; i < s.n_rows; i++) {
        const double before = norm(mr_node_value(s.in) + i * c->dim, c->dim);
        cr_assert_float_eq(norm(mr_node_value(s.out) + i * c->dim, c->dim), before, 4 * 0.08 * root,
                           "%s", s.label);
        cr_assert_float_eq(log_det_of(s.log_det, i), 0, 4 * 0.04 * (double)c->dim, "%s", s.label);
    }
    subject_free(&s);
}

Test(flows, mixtures_start_near_the_identity) {
    for_each_case(check_fresh_nearly);
}

// ---- Every parameter is trained

// At the start, hidden layers have no gradient: the layer behind them starts at zero. Every other
// parameter has one.
static void check_learns(const flow_case *c) {
    subject s = subject_new(c, 64, 1);
    const size_t n = mr_params_size(s.params);
    number_facts *facts = number_facts_of(s.params, c->text, c->dim, c->context_dim);
    bool *moves = calloc(n + 1, sizeof *moves);
    subject_run(&s);
    for (size_t i = 0; i < n; i++)
        moves[facts[i].param] |= mr_params_grad(s.params)[i] != 0;
    for (size_t i = 0; i < n; i++)
        cr_expect(moves[facts[i].param] || facts[i].is_hidden || facts[i].no_gradient != NULL,
                  "%s: the parameter of %s has no gradient at the start", s.label, facts[i].name);
    free(moves);
    free(facts);
    subject_free(&s);
}

Test(flows, a_fresh_flow_can_learn) {
    for_each_case(check_learns);
}

// All numbers that have a gradient; inputs that reach every bin of a spline.
static void redraw(subject *s, const number_facts *facts) {
    mr_real *value = mr_params_value(s->params), *in = mr_node_value(s->in);
    const double noise = 2 * noise_of(s->c);
    for (size_t i = 0; i < mr_params_size(s->params); i++)
        if (facts[i].no_gradient == NULL)
            value[i] = (mr_real)(noise * mr_random_normal(&s->random));
    for (size_t i = 0; i < s->n_rows * s->c->dim; i++)
        in[i] = 2 * mr_random_normal(&s->random);
}

// One draw leaves units of ReLU that are 0 in every row, and bins of a spline without a row. Of
// those that are drawn here the most took 45 draws.
static void check_trained(const flow_case *c) {
    enum { MAX_DRAWS = 100 };
    subject s = subject_new(c, 64, 1);
    const size_t n = mr_params_size(s.params);
    number_facts *facts = number_facts_of(s.params, c->text, c->dim, c->context_dim);
    bool *moves = calloc(n + 1, sizeof *moves);
    size_t n_still = n;
    for (int k = 0; k < MAX_DRAWS && n_still > 0; k++) {
        redraw(&s, facts);
        subject_run(&s);
        n_still = 0;
        for (size_t i = 0; i < n; i++) {
            moves[i] |= mr_params_grad(s.params)[i] != 0;
            n_still += !moves[i] && facts[i].no_gradient == NULL;
        }
    }
    for (size_t i = 0; i < n; i++)
        if (facts[i].no_gradient == NULL)
            cr_expect(moves[i], "%s: %s has no gradient", s.label, facts[i].name);
        else
            cr_expect_not(moves[i], "%s: %s has a gradient, but it %s", s.label, facts[i].name,
                          facts[i].no_gradient);
    free(moves);
    free(facts);
    subject_free(&s);
}

Test(flows, every_number_is_trained_unless_there_is_a_reason) {
    static const size_t dims[] = {1, 3};
    for (size_t i = 0; i < mr_flow_count(); i++)
        for (size_t d = 0; d < MR_COUNT(dims); d++)
            for_each_setting(mr_flow_at(i).name, dims[d], check_trained);
    for_each_setting_of(image_flows[0].text, 16, image_flows[0].image, check_trained);
}

// ---- The Jacobian

/// d out / d in at one point, [dim x dim].
typedef double jacobian[MAX_DIM][MAX_DIM];

// Each row of the batch is the same point of `s` with a one-hot weighting of the outputs: its
// gradient is a row of the Jacobian. The batch has dim rows for each of POINTS points.
static void find_jacobians(subject *s, jacobian out[POINTS]) {
    const size_t dim = s->c->dim, n_context = s->c->context_dim;
    mr_real *in = mr_node_value(s->in), *weights = mr_node_value(s->weights);
    mr_real *context = s->context ? mr_node_value(s->context) : NULL;
    memset(weights, 0, s->n_rows * dim * sizeof *weights);
    memset(mr_node_value(s->log_det_weight), 0, s->n_rows * sizeof *weights);
    for (size_t row = 0; row < s->n_rows; row++) {
        const size_t first = row - row % dim;
        memcpy(in + row * dim, in + first * dim, dim * sizeof *in);
        if (context)
            memcpy(context + row * n_context, context + first * n_context,
                   n_context * sizeof *context);
        weights[row * dim + row % dim] = 1;
    }
    subject_run(s);
    const mr_real *grad = mr_node_grad(s->in); // of the mean over the batch
    for (size_t row = 0; row < s->n_rows; row++)
        for (size_t j = 0; j < dim; j++)
            out[row / dim][row % dim][j] = (double)s->n_rows * grad[row * dim + j];
}

static void swap_rows(jacobian a, size_t i, size_t j) {
    double row[MAX_DIM];
    memcpy(row, a[i], sizeof row);
    memcpy(a[i], a[j], sizeof row);
    memcpy(a[j], row, sizeof row);
}

// By LU with partial pivoting; overwrites `a`.
static double log_abs_det(jacobian a, size_t n) {
    double sum = 0;
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < n; i++)
            if (fabs(a[i][k]) > fabs(a[pivot][k]))
                pivot = i;
        swap_rows(a, k, pivot);
        sum += log(fabs(a[k][k]));
        for (size_t i = k + 1; i < n; i++) {
            const double factor = a[i][k] / a[k][k];
            for (size_t j = k; j < n; j++)
                a[i][j] -= factor * a[k][j];
        }
    }
    return sum;
}

static void check_log_det(const flow_case *c) {
    subject s = perturbed(c, POINTS * c->dim);
    jacobian jacobians[POINTS];
    find_jacobians(&s, jacobians);
    for (size_t p = 0; p < POINTS; p++) {
        const double expected = log_abs_det(jacobians[p], c->dim);
        cr_assert_float_eq(log_det_of(s.log_det, p * c->dim), expected, tolerance,
                           "%s: log-det %.12g, the Jacobian's is %.12g", s.label,
                           log_det_of(s.log_det, p * c->dim), expected);
    }
    subject_free(&s);
}

Test(flows, log_det_is_that_of_the_dense_jacobian) {
    for_each_case(check_log_det);
}

/// Where a Jacobian is not zero, at any of many points.
typedef bool pattern[MAX_DIM][MAX_DIM];

static void find_pattern(const char *text, const flow_case *like, pattern out) {
    flow_case c = *like;
    c.text = text;
    memset(out, 0, sizeof(pattern));
    subject s = perturbed(&c, POINTS * c.dim);
    for (int repeat = 0; repeat < 8; repeat++) {
        jacobian jacobians[POINTS];
        mr_random_fill_normal(&s.random, s.n_rows * c.dim, mr_node_value(s.in));
        find_jacobians(&s, jacobians);
        for (size_t p = 0; p < POINTS; p++)
            for (size_t i = 0; i < c.dim; i++)
                for (size_t j = 0; j < c.dim; j++)
                    out[i][j] |= jacobians[p][i][j] != 0;
    }
    subject_free(&s);
}

static size_t row_count(pattern p, size_t n, size_t i) {
    size_t count = 0;
    for (size_t j = 0; j < n; j++)
        count += p[i][j];
    return count;
}

// A full triangle in some order of the features: for every k from 1 to n one row has k entries,
// among them its own, and has all that the row with k - 1 has.
static bool is_triangle(pattern p, size_t n) {
    size_t before = n;
    for (size_t k = 1; k <= n; k++) {
        size_t i = 0;
        while (i < n && row_count(p, n, i) != k)
            i++;
        if (i == n || !p[i][i])
            return false;
        for (size_t j = 0; j < n && before < n; j++)
            if (p[before][j] && !p[i][j])
                return false;
        before = i;
    }
    return true;
}

static void check_pattern(const flow_case *c) {
    pattern p;
    char part[MR_FLOW_MAX_TEXT], text[MR_FLOW_MAX_TEXT + 8];
    if (!fact_of(c->text).autoregressive)
        return;
    cr_assert_eq(mr_flow_describe(c->text, c->use, NULL, part), MR_OK);
    *strrchr(part, '*') = '\0'; // one repetition
    find_pattern(part, c, p);
    cr_assert(is_triangle(p, c->dim), "%s, dim %zu: the Jacobian is no full triangle", part,
              c->dim);
    snprintf(text, sizeof text, "%s*2", part);
    find_pattern(text, c, p);
    for (size_t i = 0; i < c->dim; i++)
        cr_assert_eq(row_count(p, c->dim, i), c->dim, "%s, dim %zu: feature %zu misses some", text,
                     c->dim, i);
}

Test(flows, jacobian_of_an_autoregressive_layer_is_a_triangle) {
    for_each_case(check_pattern);
}

// A part that keeps volumes says so by the log-det that it does not have.
static void check_volume(const flow_case *c) {
    subject s = perturbed(c, 1);
    cr_assert_eq(mr_flow_check_volume(s.flow) == MR_OK, s.log_det == NULL, "%s: %s", s.label,
                 s.log_det ? "has a log-det" : mr_error_message());
    subject_free(&s);
}

Test(flows, parts_that_keep_volumes_are_those_without_a_log_det) {
    for_each_case(check_volume);
}

// ---- Gradients

static double loss_of(subject *s) {
    subject_run(s);
    return mr_node_mean(s->loss, s->n_rows);
}

// The derivative of the loss as x[n] moves along d, by a central difference.
static double slope(subject *s, mr_real *x, const double *d, size_t n, double step) {
    double value[2];
    for (int side = 0; side < 2; side++) {
        const double way = side == 0 ? step : -step;
        for (size_t i = 0; i < n; i++)
            x[i] += way * d[i];
        value[side] = loss_of(s);
        for (size_t i = 0; i < n; i++)
            x[i] -= way * d[i];
    }
    return (value[0] - value[1]) / (2 * step);
}

// Compares the gradient along one random direction with differences at four steps. One of them must
// agree: within the larger ones may lie the kink of a ReLU or a spline's knot (a direction moves
// thousands of units at once), the smaller ones lose digits.
static void check_slope(subject *s, const char *what, mr_real *x, const mr_real *grad, size_t n) {
    static const double steps[] = {1e-5, 1e-6, 1e-7, 1e-8};
    double *d = calloc(n + 1, sizeof *d);
    double analytic = 0, best = INFINITY;
    cr_assert_not_null(d);
    subject_run(s);
    for (size_t i = 0; i < n; i++) {
        d[i] = grad[i] != 0 ? mr_random_normal(&s->random) : 0; // what is masked stays 0
        analytic += d[i] * grad[i];
    }
    for (size_t k = 0; k < MR_COUNT(steps); k++)
        best = fmin(best, fabs(slope(s, x, d, n, steps[k]) - analytic));
    cr_assert(best <= 1e-6 * (1 + fabs(analytic)),
              "%s: slope in %s is %.10g, differences miss by %g", s->label, what, analytic, best);
    free(d);
}

static void check_gradients(const flow_case *c) {
    subject s = perturbed(c, 5);
    check_slope(&s, "the input", mr_node_value(s.in), mr_node_grad(s.in), s.n_rows * c->dim);
    check_slope(&s, "the parameters", mr_params_value(s.params), mr_params_grad(s.params),
                mr_params_size(s.params));
    if (s.context && mr_node_grad(s.context))
        check_slope(&s, "the context", mr_node_value(s.context), mr_node_grad(s.context),
                    s.n_rows * c->context_dim);
    subject_free(&s);
}

Test(flows, gradients_equal_central_differences) {
    for_each_case(check_gradients);
}

static void check_sees_context(const flow_case *c) {
    if (c->context_dim == 0 || !fact_of(c->text).sees_context)
        return;
    subject s = perturbed(c, 5);
    bool sees = false;
    subject_run(&s);
    for (size_t i = 0; !sees && i < s.n_rows * c->context_dim; i++)
        sees = mr_node_grad(s.context) && mr_node_grad(s.context)[i] != 0;
    cr_assert(sees, "%s: the context has no influence", s.label);
    subject_free(&s);
}

Test(flows, the_context_has_an_influence) {
    for_each_case(check_sees_context);
}

// ---- The density, in one and two dimensions

enum { BATCH = 2000, GRID_1D = 4000, GRID_2D = 256, BOUNDARY = 400 };

static const double radius = 5.5; // beyond it lies e^-15 = 3e-7 of a standard normal in 2-D
static const double log_2_pi = 1.8378770664093454836;

/// Mass, means and second moments of a density.
typedef struct {
    double mass;
    double mean[2];
    double second[2][2];
} moments;

/// A box in which the sums are taken.
typedef struct {
    double low[2], high[2];
} box;

static void moments_add(moments *m, size_t dim, const mr_real *x, double mass) {
    m->mass += mass;
    for (size_t i = 0; i < dim; i++) {
        m->mean[i] += mass * x[i];
        for (size_t j = 0; j < dim; j++)
            m->second[i][j] += mass * x[i] * x[j];
    }
}

static double log_normal(const mr_real *z, size_t dim) {
    const double r = norm(z, dim);
    return -r * r / 2 - (double)dim * log_2_pi / 2;
}

static void set_context(subject *s) {
    for (size_t i = 0; s->context && i < s->n_rows * s->c->context_dim; i++)
        mr_node_value(s->context)[i] = i % s->c->context_dim == 0 ? 0.7 : -0.4;
}

// The box around the image of the ball that holds the base's mass: a continuous map takes the
// ball's boundary to the image's boundary.
static box find_box(subject *s) {
    const size_t dim = s->c->dim;
    box b = {{INFINITY, INFINITY}, {-INFINITY, -INFINITY}};
    for (size_t k = 0; k < BOUNDARY; k++) {
        mr_real *z = mr_node_value(s->in) + k * dim;
        const double angle = 2 * M_PI * (double)k / BOUNDARY;
        z[0] = radius * (dim == 1 ? (k % 2 ? 1 : -1) : cos(angle));
        if (dim == 2)
            z[1] = radius * sin(angle);
    }
    mr_graph_run(s->graph, BOUNDARY);
    for (size_t k = 0; k < BOUNDARY; k++)
        for (size_t j = 0; j < dim; j++) {
            const double x = mr_node_value(s->out)[k * dim + j];
            b.low[j] = fmin(b.low[j], x);
            b.high[j] = fmax(b.high[j], x);
        }
    for (size_t j = 0; j < dim; j++) {
        const double margin = 0.02 * (b.high[j] - b.low[j]);
        b.low[j] -= margin;
        b.high[j] += margin;
    }
    return b;
}

// Fills x with cell k's midpoint; returns the cell's area.
static double midpoint(const box *b, size_t dim, size_t k, mr_real *x) {
    const size_t n = dim == 1 ? GRID_1D : GRID_2D;
    double area = 1;
    for (size_t j = 0; j < dim; j++) {
        const double width = (b->high[j] - b->low[j]) / (double)n;
        x[j] = b->low[j] + width * ((double)(k % n) + 0.5);
        k /= n;
        area *= width;
    }
    return area;
}

// Moments by the midpoint rule over `b`. Of x under the flow's density, where `s` goes from x to z;
// of samples x = f(z) weighted by the base's density of z, where it goes from z to x.
static moments integrate(subject *s, const box *b) {
    const size_t dim = s->c->dim, n = dim == 1 ? GRID_1D : (size_t)GRID_2D * GRID_2D;
    mr_real *in = mr_node_value(s->in);
    const mr_real *out = mr_node_value(s->out);
    moments m = {0};
    for (size_t first = 0; first < n; first += BATCH) {
        const size_t n_rows = n - first < BATCH ? n - first : BATCH;
        double area = 0;
        for (size_t i = 0; i < n_rows; i++)
            area = midpoint(b, dim, first + i, in + i * dim);
        mr_graph_run(s->graph, n_rows);
        for (size_t i = 0; i < n_rows; i++) {
            const mr_real *x = (s->c->inverse ? in : out) + i * dim;
            const mr_real *z = (s->c->inverse ? out : in) + i * dim;
            const double log_det = s->c->inverse ? log_det_of(s->log_det, i) : 0;
            moments_add(&m, dim, x, area * exp(log_normal(z, dim) + log_det));
        }
    }
    return m;
}

// A smooth density's sum over midpoints converges faster than any power; the kinks of ReLU nets
// leave an error of the step squared, below (12/256)^2 = 2.2e-3 of the curvature's share.
static const double sum_tolerance = 2e-3;

static void check_density(const flow_case *c) {
    // A grid in x does not suit densities next to bounds: exact_densities.c has some.
    if (!c->inverse || fact_of(c->text).has_fixed)
        return;
    // 65,536 points for each use, once with a context and once without.
    if (c->dim == 2 && (c->context_dim > 0) != (c->use == MR_FLOW_TO_SCORE))
        return;
    const flow_case to_sample = {
        .text = c->text, .use = c->use, .dim = c->dim, .context_dim = c->context_dim};
    const box ball = {{-radius, -radius}, {radius, radius}};
    subject bent = subject_new(&to_sample, BATCH, 1);
    subject_perturb(&bent, noise_of(c) / 2); // tame enough for the grid
    subject sampler = subject_new_one_way(&to_sample, BATCH, &bent);
    subject scorer = subject_new_one_way(c, BATCH, &bent);
    set_context(&sampler);
    set_context(&scorer);
    const box b = find_box(&sampler);
    const moments density = integrate(&scorer, &b), samples = integrate(&sampler, &ball);
    cr_assert_float_eq(density.mass, 1, sum_tolerance, "%s: the density integrates to %.8g",
                       scorer.label, density.mass);
    for (size_t i = 0; i < c->dim; i++) {
        const double scale = sqrt(samples.second[i][i]);
        cr_assert_float_eq(density.mean[i], samples.mean[i], sum_tolerance * scale,
                           "%s: mean %zu is %.8g by the density, %.8g by samples", scorer.label, i,
                           density.mean[i], samples.mean[i]);
        for (size_t j = 0; j < c->dim; j++)
            cr_assert_float_eq(density.second[i][j], samples.second[i][j],
                               2 * sum_tolerance * scale * sqrt(samples.second[j][j]),
                               "%s: second moment %zu,%zu is %.8g by the density, %.8g by samples",
                               scorer.label, i, j, density.second[i][j], samples.second[i][j]);
    }
    subject_free(&bent);
    subject_free(&sampler);
    subject_free(&scorer);
}

static void check_densities_of_text(const char *text) {
    for (size_t dim = 1; dim <= 2; dim++)
        for_each_setting(text, dim, check_density);
}

Test(flows, densities_integrate_to_one_and_have_the_moments_of_the_samples, .timeout = 900) {
    for_each_text(check_densities_of_text);
}

// ---- Extremes

Test(flows, extreme_inputs_give_finite_results) {
    for_each_case(check_extreme);
}

Test(flows, nothing_but_zeros_gives_finite_results) {
    for_each_case(check_all_zero);
}
