// What float32 must leave of what exact_flows.c checks in double precision.

#include "tests/flows/extreme_inputs.h"

static const double round_trip_tolerance = 1e-4; // what users are promised

static const double epsilon = 0x1p-23; // of float32

static void check_way_back(subject *s, double tolerance) {
    subject_run(s);
    const mr_real *in = mr_node_value(s->in), *back = mr_node_value(s->back);
    for (size_t i = 0; i < s->n_rows * s->c->dim; i++) {
        const double x = (double)in[i], y = (double)back[i];
        cr_assert_float_eq(y, x, tolerance * (1 + fabs(x)), "%s: %.9g comes back as %.9g", s->label,
                           x, y);
    }
}

// A quarter as far from the start as in double: what layers in a row amplify, they amplify of 1e-7.
// At half as far some planar flows contract by 1e4: 8e-4 is then lost here and 2e-12 in double, by
// the same factor of the rounding.
static void check_round_trip(const flow_case *c) {
    subject s = subject_new(c, 96, 1);
    check_way_back(&s, round_trip_tolerance);
    subject_perturb(&s, noise_of(c) / 4);
    check_way_back(&s, round_trip_tolerance);
    subject_free(&s);
}

Test(flows, there_and_back_is_the_identity) {
    for_each_case(check_round_trip);
}

// Values where a piecewise map changes its piece: the knots that a fresh spline has, its ends, and
// the next numbers to both sides of them.
static void check_knots(const flow_case *c) {
    subject s = subject_new(c, 60, 1);
    for (size_t i = 0; i < s.n_rows; i++)
        for (size_t j = 0; j < c->dim; j++) {
            const mr_real knot = (mr_real)(0.75 * ((double)((i + j) % 9) - 4));
            const mr_real beside = (mr_real)nextafterf((float)knot, i % 2 ? 10 : -10);
            mr_node_value(s.in)[i * c->dim + j] = i % 3 == 0 ? knot : beside;
        }
    subject_place(&s, s.n_rows * c->dim, mr_node_value(s.in));
    check_way_back(&s, round_trip_tolerance);
    check_finite(&s);
    subject_perturb(&s, noise_of(c) / 4);
    check_way_back(&s, round_trip_tolerance);
    check_finite(&s);
    subject_free(&s);
}

Test(flows, knots_are_no_trap) {
    for_each_case(check_knots);
}

Test(flows, extreme_inputs_give_finite_results) {
    for_each_case(check_extreme);
}

Test(flows, nothing_but_zeros_gives_finite_results) {
    for_each_case(check_all_zero);
}

// ---- Stiff layers. One layer without context: its parameters are the first in the block.

enum { STIFF_DIM = 3, STIFF_ROWS = 256 };

static subject stiff_new(const flow_case *c, const double *parameters, size_t n) {
    subject s = subject_new(c, STIFF_ROWS, 1);
    cr_assert_eq(mr_params_count(s.params), n);
    for (size_t i = 0; i < n; i++)
        mr_params_value(s.params)[i] = (mr_real)parameters[i];
    return s;
}

// x = centre + offset, offsets of all sizes from 1e-6 to 10.
static void spread_around(subject *s, const double *centre) {
    mr_real *x = mr_node_value(s->in);
    for (size_t i = 0; i < s->n_rows * STIFF_DIM; i++) {
        const double size = pow(10, 7 * (double)(i / STIFF_DIM) / STIFF_ROWS - 6);
        x[i] = (mr_real)(centre[i % STIFF_DIM] + size * mr_random_normal(&s->random));
    }
}

// The map contracts by `slope` at its stiffest; float32 holds its result to half an epsilon of the
// result's size, and so the argument to that over the slope. 4: that of the sums on the way.
static double stiff_tolerance(double slope, double size) {
    return round_trip_tolerance + 4 * epsilon * size / slope;
}

Test(flows, planar_comes_back_at_the_edge_of_its_constraint) {
    const flow_case c = {.text = "planar:layers=1", .use = MR_FLOW_TO_SAMPLE, .dim = STIFF_DIM};
    const double origin[STIFF_DIM] = {0};
    // w, u, b: w.u = -12, so that the slope across the plane is 1e-4 + log(1 + exp(-12 + 0.54)).
    const double at_origin[] = {1.2, -0.8, 0.5, -12 / 2.33 * 1.2, 12 / 2.33 * 0.8, -12 / 2.33 * 0.5,
                                0};
    const double slope = 1.1e-4;
    subject s = stiff_new(&c, at_origin, MR_COUNT(at_origin));
    spread_around(&s, origin);
    check_way_back(&s, stiff_tolerance(slope, 0.01)); // stiff only where a and result are small
    subject_free(&s);

    double elsewhere[MR_COUNT(at_origin)];
    memcpy(elsewhere, at_origin, sizeof elsewhere);
    elsewhere[2 * STIFF_DIM] = 1; // b: float32 resolves the result by 1e-7 of 1, not of 0.01
    s = stiff_new(&c, elsewhere, MR_COUNT(elsewhere));
    spread_around(&s, origin);
    check_way_back(&s, stiff_tolerance(slope, 1));
    subject_free(&s);
}

Test(flows, radial_comes_back_near_its_centre) {
    const flow_case c = {.text = "radial:layers=1", .use = MR_FLOW_TO_SAMPLE, .dim = STIFF_DIM};
    const double centres[][STIFF_DIM] = {{0, 0, 0}, {0.4, -0.3, 0.2}};
    for (size_t k = 0; k < MR_COUNT(centres); k++) {
        // x0, alpha_hat, beta_hat: gamma = log(1 + exp(-8) (exp(0.693) - 1)) = 3.4e-4, so that the
        // slope at the centre is 3.4e-4 / 0.693.
        const double parameters[] = {centres[k][0], centres[k][1], centres[k][2], 0, -8};
        subject s = stiff_new(&c, parameters, MR_COUNT(parameters));
        spread_around(&s, centres[k]);
        check_way_back(&s, stiff_tolerance(4.8e-4, k == 0 ? 0 : 0.4));
        subject_free(&s);
    }
}

Test(flows, radial_expands_from_its_centre_and_comes_back) {
    const flow_case c = {.text = "radial:layers=1", .use = MR_FLOW_TO_SAMPLE, .dim = STIFF_DIM};
    const double centre[STIFF_DIM] = {0.4, -0.3, 0.2};
    const double parameters[] = {0.4, -0.3, 0.2, -20, 20}; // alpha = 1e-4, gamma = 10.8
    subject s = stiff_new(&c, parameters, MR_COUNT(parameters));
    spread_around(&s, centre);
    check_way_back(&s, round_trip_tolerance);
    check_finite(&s);
    subject_free(&s);
}

// ---- Threads

enum { MANY_ROWS = 101 };

static double relative_difference(const mr_real *a, const mr_real *b, size_t n) {
    double difference = 0, size = 1e-6;
    for (size_t i = 0; i < n; i++) {
        difference = fmax(difference, fabs((double)(a[i] - b[i])));
        size = fmax(size, fabs((double)a[i]));
    }
    return difference / size;
}

// Sums over rows in another order: about sqrt(101) roundings of what they sum, and where a net is
// steep they grow on their way. 1e-4 of the largest is what is left.
static void check_threads(const flow_case *c) {
    subject one = subject_new(c, MANY_ROWS, 1), three = subject_new(c, MANY_ROWS, 3);
    subject_perturb(&one, noise_of(c) / 4);
    memcpy(mr_params_value(three.params), mr_params_value(one.params),
           mr_params_size(one.params) * sizeof(mr_real));
    subject_run(&one);
    subject_run(&three);
    cr_assert(relative_difference(mr_node_value(one.out), mr_node_value(three.out),
                                  MANY_ROWS * c->dim) < 1e-5,
              "%s: threads change the result", one.label);
    for (size_t i = 0; i < MANY_ROWS; i++)
        cr_assert_float_eq(log_det_of(one.log_det, i), log_det_of(three.log_det, i), 1e-4);
    cr_assert(relative_difference(mr_params_grad(one.params), mr_params_grad(three.params),
                                  mr_params_size(one.params)) < 1e-4,
              "%s: threads change the gradients", one.label);
    subject_free(&one);
    subject_free(&three);
}

Test(flows, thread_counts_agree_to_rounding) {
    for_each_case(check_threads);
}

// ---- The data-dependent start

enum { N_DATA = 500, DATA_DIM = 4 };

// Rows that the flow takes as x: any, or those within its bounds and not close to them.
static void fill_data(subject *s, mr_real *x) {
    cr_assert(find_values(s->c, &s->values));
    const bool has_bounds = isfinite(s->values.low) || isfinite(s->values.high);
    for (size_t i = 0; i < N_DATA * DATA_DIM; i++)
        x[i] = (mr_real)((5 + (double)(i % DATA_DIM + 1) * mr_random_normal(&s->random)) /
                         (has_bounds ? 10 : 1));
    subject_place(s, N_DATA * DATA_DIM, x);
}

static void start(subject *s, mr_params *params, const mr_real *x) {
    cr_assert_eq(
        mr_flow_start(s->flow, params, N_DATA, x, s->context ? mr_node_value(s->context) : NULL),
        MR_OK);
}

static void check_start(const flow_case *c) {
    mr_real x[N_DATA * DATA_DIM];
    subject s = subject_new(c, N_DATA, 1);
    const size_t n = mr_params_size(s.params);
    mr_params *before, *loaded;
    cr_assert_eq(mr_params_copy(s.params, &before), MR_OK);
    fill_data(&s, x);
    start(&s, s.params, x);
    cr_assert(all_finite(mr_params_read(s.params), n));
    if (!fact_of(c->text).data_start || c->use == MR_FLOW_TO_SAMPLE)
        cr_assert_arr_eq(mr_params_read(s.params), mr_params_read(before), n * sizeof(mr_real));

    // Once started, in a copy as in a loaded model, nothing changes it any more.
    cr_assert_eq(mr_params_copy(s.params, &loaded), MR_OK);
    fill_data(&s, x);
    start(&s, loaded, x);
    cr_assert_arr_eq(mr_params_read(s.params), mr_params_read(loaded), n * sizeof(mr_real));
    mr_params_free(before);
    mr_params_free(loaded);
    subject_free(&s);
}

static void check_start_of_text(const char *text) {
    for_each_setting(text, DATA_DIM, check_start);
}

Test(flows, data_start_a_flow_once) {
    for_each_text(check_start_of_text);
}

// Actnorm standardises, rotations keep means of 0 and the sum of variances.
static void check_standardised(const flow_case *c) {
    subject s = subject_new(c, N_DATA, 1);
    if (c->inverse && c->use == MR_FLOW_TO_SCORE) {
        fill_data(&s, mr_node_value(s.in));
        start(&s, s.params, mr_node_value(s.in));
        subject_run(&s);
        double mean[DATA_DIM] = {0}, square = 0;
        for (size_t i = 0; i < N_DATA * DATA_DIM; i++) {
            const double z = (double)mr_node_value(s.out)[i];
            mean[i % DATA_DIM] += z / N_DATA;
            square += z * z / N_DATA;
        }
        for (size_t j = 0; j < DATA_DIM; j++)
            cr_expect_float_eq(mean[j], 0, 1e-5, "%s: mean %g", s.label, mean[j]);
        cr_expect_float_eq(square, DATA_DIM, 1e-4, "%s: sum of variances %g", s.label, square);
    }
    subject_free(&s);
}

Test(flows, glow_starts_by_standardising_its_data) {
    for_each_setting("glow", DATA_DIM, check_standardised);
}

Test(flows, glow_starts_finite_on_a_constant_feature) {
    const flow_case c = {.text = "glow", .use = MR_FLOW_TO_SCORE, .inverse = true, .dim = DATA_DIM};
    subject s = subject_new(&c, N_DATA, 1);
    mr_real *x = mr_node_value(s.in);
    fill_data(&s, x);
    for (size_t i = 0; i < N_DATA; i++)
        x[i * DATA_DIM + 2] = 7;
    start(&s, s.params, x);
    check_finite(&s);
    for (size_t i = 0; i < N_DATA; i++)
        cr_assert(fabs(log_det_of(s.log_det, i)) < 20);
    subject_free(&s);
}
