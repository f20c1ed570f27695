// MEow's soft value is that of its Q function, in double precision.

#include "tests/agents/meow_case.h"

#include <math.h>

enum { OBS_DIM = 3, MAX_ACT_DIM = 2 };

static const mr_real obs[OBS_DIM] = {0.3, -1.1, 0.7};

/// A box of x, the actions before the tanh.
typedef struct {
    double low[MAX_ACT_DIM], high[MAX_ACT_DIM];
} box;

// Around the actions whose noise is 6 long: beyond lies e^(-6^2/2) = 2e-8 of the mass in two
// dimensions. A continuous map takes the circle of noise to the boundary of the circle's image.
static box find_box(mr_agent *agent, size_t act_dim) {
    enum { N_POINTS = 400 };
    const double radius = 6;
    const mr_policy *policy = mr_agent_policy(agent);
    box b = {{INFINITY, INFINITY}, {-INFINITY, -INFINITY}};
    for (size_t k = 0; k < N_POINTS; k++) {
        const double angle = 2 * M_PI * (double)k / N_POINTS;
        const mr_real noise[MAX_ACT_DIM] = {radius * cos(angle), radius * sin(angle)};
        mr_real act[MAX_ACT_DIM];
        cr_assert_eq(mr_policy_act_units(policy, obs, noise, act), MR_OK);
        for (size_t j = 0; j < act_dim; j++) {
            b.low[j] = fmin(b.low[j], atanh(act[j]));
            b.high[j] = fmax(b.high[j], atanh(act[j]));
        }
    }
    return b;
}

// exp((Q(s, a) - V(s)) / alpha) at a = tanh(x), times da / dx.
static double density_at(mr_agent *agent, size_t act_dim, const double *x) {
    mr_real act[MAX_ACT_DIM];
    double volume = 1;
    for (size_t j = 0; j < act_dim; j++) {
        act[j] = tanh(x[j]);
        volume /= cosh(x[j]) * cosh(x[j]);
    }
    const meow_values at = meow_values_at(agent, obs, act);
    return volume * exp((at.q - at.v) / small_meow_options.alpha.value);
}

// By the midpoint rule on a grid of `n` cells along each dimension.
static double integrate(mr_agent *agent, size_t act_dim, size_t n) {
    const box b = find_box(agent, act_dim);
    double sum = 0, area = 1;
    for (size_t j = 0; j < act_dim; j++)
        area *= (b.high[j] - b.low[j]) / (double)n;
    for (size_t i = 0; i < (act_dim == 1 ? n : n * n); i++) {
        const double at[MAX_ACT_DIM] = {(double)(i % n) + 0.5, (double)(i / n) + 0.5};
        double x[MAX_ACT_DIM];
        for (size_t j = 0; j < act_dim; j++)
            x[j] = b.low[j] + at[j] * (b.high[j] - b.low[j]) / (double)n;
        sum += density_at(agent, act_dim, x);
    }
    return sum * area;
}

// Over one action x is Gaussian, for which the rule is exact but for the tails: 2e-9. Over two, the
// kinks of the couplings' ReLU nets leave an error of the square of a cell's width (12 / 160
// deviations) times the changes of slope there, which the weights' noise of 0.1 makes small.
Test(exact_meow, the_soft_value_is_the_integral_over_actions) {
    static const struct {
        size_t n;
        double tolerance;
    } grids[MAX_ACT_DIM] = {{160, 1e-8}, {160, 1e-5}};
    for (size_t act_dim = 1; act_dim <= MAX_ACT_DIM; act_dim++) {
        mr_agent *agent = small_meow(&small_meow_options, OBS_DIM, act_dim);
        small_bend_agent(agent);
        const double integral = integrate(agent, act_dim, grids[act_dim - 1].n);
        cr_expect_float_eq(integral, 1, grids[act_dim - 1].tolerance,
                           "%zu actions: the integral of exp(Q / alpha) is %.12g exp(V / alpha)",
                           act_dim, integral);
        mr_agent_free(agent);
    }
}
