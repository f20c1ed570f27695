// The densities of policies, in double precision.

#include "tests/agents/small.h"

#include <math.h>

static const double log_2_pi = 1.8378770664093454836;

enum { OBS_DIM = 3, ACT_DIM = 2 };

// ---- The squashed Gaussian

enum { N_ROWS = 64 };

// The mean of all rows is `mean`, their deviation what the middle of the bounds of log sigma gives:
// a net whose weights are all 0, but for the base's bias, which is the last array of the set.
static void make_constant(mr_policy *policy, double mean) {
    mr_params *params = mr_policy_params(policy);
    mr_real *value = mr_params_value(params);
    const size_t act_dim = mr_policy_get_spec(policy)->act_dim;
    const size_t unit = 64 / sizeof *value; // arrays begin at multiples of 64 bytes
    mr_real *bias = value + mr_params_size(params) - (2 * act_dim + unit - 1) / unit * unit;
    memset(value, 0, mr_params_size(params) * sizeof *value);
    for (size_t j = 0; j < act_dim; j++)
        bias[j] = mean;
}

// Change of variables by the textbook: log p(a) = log N(atanh a; mu, sigma) - log(1 - a^2), with
// atanh and 1 - a^2 as they stand. That is exact enough while 1 - a^2 keeps its digits: an action
// rounded by 2^-53 moves atanh a by 2^-53 / (1 - a^2), the log-density by some 10 times as much.
Test(exact_policy, the_gaussians_log_density_is_the_closed_form) {
    const double mean = 0.4, log_std = (-5.0 + 2.0) / 2;
    mr_policy *policy = small_policy("gaussian", OBS_DIM, ACT_DIM);
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    mr_real noise[N_ROWS * ACT_DIM], act[N_ROWS * ACT_DIM], log_prob[N_ROWS];
    double obs[N_ROWS * OBS_DIM] = {0};
    make_constant(policy, mean);
    mr_random_fill_normal(&random, N_ROWS * ACT_DIM, noise);
    cr_assert_eq(mr_policy_prepare(policy, N_ROWS), MR_OK);
    cr_assert_eq(mr_policy_sample_units(policy, N_ROWS, obs, noise, act, log_prob), MR_OK);
    for (size_t i = 0; i < N_ROWS; i++) {
        double expected = 0, rounding = 0;
        for (size_t j = 0; j < ACT_DIM; j++) {
            const double a = act[i * ACT_DIM + j], x = atanh(a);
            cr_expect_float_eq(x, mean + exp(log_std) * noise[i * ACT_DIM + j], 1e-14 / (1 - a * a),
                               "row %zu: the action is not tanh(mu + sigma noise)", i);
            const double z = (x - mean) / exp(log_std);
            expected += -z * z / 2 - log_std - log_2_pi / 2 - log(1 - a * a);
            rounding += (1 + fabs(z) / exp(log_std)) / (1 - a * a);
        }
        cr_expect_float_eq(log_prob[i], expected, 1e-15 * (10 + rounding),
                           "row %zu: %.17g, the closed form is %.17g", i, log_prob[i], expected);
    }
    mr_policy_free(policy);
}

// ---- All flows

// Over one action the density must integrate to 1, whatever the flow: a wrong log-determinant
// would make it another number. The actions at evenly spaced noise from -8 to 8 (beyond lies
// 1e-15 of the mass) are the knots of the trapezoid rule. In the variable of the noise, spaced by
// h = 16 / 20,000, the rule errs by h^2/12 times the integrand's second derivative there; with
// actions that bend as tanh(s eps), s = 10 standing for a steep flow, that is of the order of s^2
// h^2 / 12 = 5e-6.
Test(exact_policy, the_density_over_one_action_integrates_to_one_for_every_flow) {
    enum { N = 20001 };
    static double obs[N * OBS_DIM];
    static mr_real noise[N], act[N], log_prob[N];
    for (size_t i = 0; i < N; i++) {
        noise[i] = -8 + 16 * (double)i / (N - 1);
        obs[i * OBS_DIM] = 0.3;
        obs[i * OBS_DIM + 1] = -1.1;
        obs[i * OBS_DIM + 2] = 0.7;
    }
    for (size_t k = 0; k < mr_flow_count(); k++) {
        mr_policy *policy = small_policy(mr_flow_at(k).name, OBS_DIM, 1);
        double sum = 0;
        small_bend(policy);
        cr_assert_eq(mr_policy_prepare(policy, N), MR_OK);
        cr_assert_eq(mr_policy_sample_units(policy, N, obs, noise, act, log_prob), MR_OK, "%s",
                     mr_error_message());
        for (size_t i = 1; i < N; i++)
            sum += (exp(log_prob[i]) + exp(log_prob[i - 1])) / 2 * fabs(act[i] - act[i - 1]);
        cr_expect_float_eq(sum, 1, 5e-5, "%s: %.12g", mr_flow_at(k).name, sum);
        mr_policy_free(policy);
    }
}

// A given action's log-density is what sampling said of it. On the way back the noise is found to
// 1e-16 times what the flow and atanh amplify, e^16 = 9e6 at most (exact_flows.c) and 1 / (1 -
// a^2).
Test(exact_policy, given_actions_have_the_log_density_that_sampling_gave_them) {
    double obs[N_ROWS * OBS_DIM];
    mr_real noise[N_ROWS * ACT_DIM], act[N_ROWS * ACT_DIM], log_prob[N_ROWS];
    mr_random random = mr_random_stream(2, MR_STREAM_TEST, 0);
    mr_random_fill_normal(&random, N_ROWS * OBS_DIM, obs);
    mr_random_fill_normal(&random, N_ROWS * ACT_DIM, noise);
    for (size_t k = 0; k < mr_flow_count(); k++) {
        mr_policy *policy = small_policy(mr_flow_at(k).name, OBS_DIM, ACT_DIM);
        mr_graph *graph = NULL;
        small_bend(policy);
        cr_assert_eq(mr_policy_prepare(policy, N_ROWS), MR_OK);
        cr_assert_eq(mr_policy_sample_units(policy, N_ROWS, obs, noise, act, log_prob), MR_OK);
        cr_assert_eq(mr_graph_new(N_ROWS, 1, &graph), MR_OK);
        mr_node *obs_in = mr_input(graph, OBS_DIM, false),
                *act_in = mr_input(graph, ACT_DIM, false);
        mr_node *given = mr_keep(
            mr_policy_build_density(policy, mr_policy_params(policy), obs_in, act_in, MR_ACTING)
                .log_prob);
        cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
        mr_input_fill(obs_in, N_ROWS, obs);
        mr_input_fill(act_in, N_ROWS, act);
        mr_graph_run(graph, N_ROWS);
        for (size_t i = 0; i < N_ROWS; i++) {
            const double a = fmax(fabs(act[i * ACT_DIM]), fabs(act[i * ACT_DIM + 1]));
            if (a > 1 - 1e-5) // counts as that
                continue;
            cr_expect_float_eq(mr_node_value(given)[i], log_prob[i], 1e-9 / (1 - a * a),
                               "%s row %zu: %.12g, sampling says %.12g", mr_flow_at(k).name, i,
                               mr_node_value(given)[i], log_prob[i]);
        }
        mr_graph_free(graph);
        mr_policy_free(policy);
    }
}

// ---- The Jacobian, in two dimensions

enum { N_POINTS = 1 + 2 * ACT_DIM };

/// A point and its neighbours on both sides, along each dimension of the noise, for one
/// observation.
typedef struct {
    double obs[N_POINTS][OBS_DIM];
    mr_real noise[N_POINTS][ACT_DIM]; // 0: the point; 1 + 2j and 2 + 2j: beyond and before it
    mr_real act[N_POINTS][ACT_DIM];
    mr_real log_prob[N_POINTS];
} stencil;

static void draw_point(mr_random *random, stencil *s) {
    for (size_t j = 0; j < OBS_DIM; j++)
        s->obs[0][j] = mr_random_normal(random);
    for (size_t j = 0; j < ACT_DIM; j++)
        s->noise[0][j] = mr_random_normal(random);
}

static void spread(stencil *s, double step) {
    for (size_t r = 1; r < N_POINTS; r++) {
        memcpy(s->obs[r], s->obs[0], sizeof s->obs[0]);
        memcpy(s->noise[r], s->noise[0], sizeof s->noise[0]);
        s->noise[r][(r - 1) / 2] += r % 2 == 1 ? step : -step;
    }
}

static double slope(const stencil *s, size_t i, size_t j) {
    const double width = (double)(s->noise[1 + 2 * j][j] - s->noise[2 + 2 * j][j]);
    return (s->act[1 + 2 * j][i] - s->act[2 + 2 * j][i]) / width;
}

static double log_prob_by_jacobian(const stencil *s) {
    const double det = slope(s, 0, 0) * slope(s, 1, 1) - slope(s, 0, 1) * slope(s, 1, 0);
    double log_noise = -log_2_pi;
    for (size_t j = 0; j < ACT_DIM; j++)
        log_noise -= s->noise[0][j] * s->noise[0][j] / 2;
    return log_noise - log(fabs(det));
}

// Where actions are within 1% of their bounds, the differences lose too many digits.
static bool is_clear(const stencil *s) {
    return fabs(s->act[0][0]) < 0.99 && fabs(s->act[0][1]) < 0.99;
}

static void sample(mr_policy *policy, stencil *s, double step) {
    spread(s, step);
    cr_assert_eq(
        mr_policy_sample_units(policy, N_POINTS, s->obs[0], s->noise[0], s->act[0], s->log_prob),
        MR_OK);
}

// How far the policy's log-density is from that by differences. The better of two steps counts: the
// kink of a ReLU may lie within the larger one.
static double miss(mr_policy *policy, stencil *s) {
    static const double steps[] = {1e-5, 1e-6};
    double best = INFINITY;
    for (size_t k = 0; k < MR_COUNT(steps); k++) {
        sample(policy, s, steps[k]);
        best = fmin(best, fabs(s->log_prob[0] - log_prob_by_jacobian(s)));
    }
    return best;
}

// The density of what noise makes is the noise's own divided by |det da/dnoise|, here by central
// differences: these err by h^2/6 = 2e-11 times the third derivative and by 2^-53/h = 1e-11, both
// over slopes that are above 1e-4 (sigma is above e^-5, 1 - a^2 above 0.02).
Test(exact_policy, the_log_density_is_the_noises_less_the_log_jacobian_for_every_flow) {
    for (size_t k = 0; k < mr_flow_count(); k++) {
        const char *flow = mr_flow_at(k).name;
        mr_policy *policy = small_policy(flow, OBS_DIM, ACT_DIM);
        mr_random random = mr_random_stream(2, MR_STREAM_TEST, 0);
        int n_checked = 0;
        small_bend(policy);
        cr_assert_eq(mr_policy_prepare(policy, N_POINTS), MR_OK);
        for (int t = 0; t < 100; t++) {
            stencil s;
            draw_point(&random, &s);
            const double missed = miss(policy, &s);
            if (!is_clear(&s))
                continue;
            n_checked++;
            cr_expect(missed <= 1e-6, "%s: %.10g misses the Jacobian's by %g", flow, s.log_prob[0],
                      missed);
        }
        cr_expect_gt(n_checked, 20, "%s: %d points", flow, n_checked);
        mr_policy_free(policy);
    }
}
