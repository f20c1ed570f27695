// Student's t as a base distribution, feature by feature, for data with heavy tails (Jaini et al.
// 2020, arXiv:1907.04481).
//
//     z = mean + sigma t,   log p(t) = c(nu) - (nu + 1)/2 log(1 + t^2 / nu),
//     c(nu) = log Gamma((nu + 1)/2) - log Gamma(nu/2) - log(pi nu)/2
//
// Mean, sigma and the degrees of freedom nu of each feature are trained; mean and log sigma may be
// linear in the context.

#include "flows/distribution.h"

#include "flows/base.h"

#include <math.h>
#include <stdio.h>

// log nu lies smoothly between these bounds, and starts in their middle: nu = 10.
static const double log_df_low = -0.69314718055994531; // nu = 1/2
static const double log_df_high = 5.298317366548036;   // nu = 200

static const double log_pi = 1.1447298858494002;

typedef struct {
    mr_base location; // mean and log sigma
    mr_param df;      // [1 x dim] before it is bounded
} student_t;

static mr_status student_t_declare(mr_distribution *d, mr_params *params, const char *prefix) {
    student_t *s = d->state;
    char name[256];
    s->location = mr_base_declare_standard(params, prefix, d->dim, d->context_dim);
    snprintf(name, sizeof name, "%s.df", prefix);
    s->df = mr_params_add(params, name, 1, d->dim, MR_INIT_ZERO, 1, NULL);
    return MR_OK;
}

// ---- Log-density

// psi, the derivative of log Gamma: by psi(x) = psi(x + 1) - 1/x to x >= 6, and there by its
// asymptotic series, whose next term is below 1e-10 (Abramowitz and Stegun 6.3.18).
static double digamma(double x) {
    double sum = 0;
    while (x < 6) {
        sum -= 1 / x;
        x++;
    }
    const double r = 1 / (x * x);
    return sum + log(x) - 0.5 / x - r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r / 240)));
}

static double log_gamma(double x) {
    int sign;
    return lgamma_r(x, &sign);
}

// sum of c(nu_j) over a row's features, and its gradient.
static void sum_of_constants(void *self, size_t n, size_t cols, const mr_real *df, mr_real *y,
                             mr_real *gradient) {
    (void)self;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = i * cols; j < (i + 1) * cols; j++) {
            const double nu = (double)df[j], half = nu / 2;
            sum += log_gamma(half + 0.5) - log_gamma(half) - (log_pi + log(nu)) / 2;
            gradient[j] = (mr_real)((digamma(half + 0.5) - digamma(half) - 1 / nu) / 2);
        }
        y[i] = (mr_real)sum;
    }
}

static double df_of(double raw) {
    const double half_range = (log_df_high - log_df_low) / 2;
    return exp(log_df_low + half_range * (1 + tanh(raw)));
}

static mr_node *df_node(const student_t *s, mr_params *params, mr_graph *graph) {
    const double half_range = (log_df_high - log_df_low) / 2;
    mr_node *raw = mr_param_rows(graph, params, s->df);
    return mr_exp(mr_affine(mr_tanh(raw), half_range, log_df_low + half_range));
}

static mr_node *log_prob_of_t(const student_t *s, mr_params *params, mr_gaussian location,
                              mr_node *t) {
    mr_node *nu = df_node(s, params, mr_node_graph(t));
    if (!nu || !t)
        return NULL;
    mr_node *logs = mr_log1p(mr_div(mr_square(t), nu));
    mr_node *of_tails = mr_row_sum(mr_mul(mr_affine(nu, -0.5, -0.5), logs));
    mr_node *constants = mr_callback(nu, sum_of_constants, NULL);
    return mr_sub(mr_add(constants, of_tails), mr_row_sum(location.log_std));
}

static mr_node *student_t_log_prob(const mr_distribution *d, mr_params *params, mr_node *z,
                                   mr_node *context) {
    const student_t *s = d->state;
    const mr_gaussian location = mr_base_build(&s->location, params, mr_node_graph(z), context);
    mr_node *precision = mr_exp(mr_affine(location.log_std, -1, 0));
    return log_prob_of_t(s, params, location, mr_mul(mr_sub(z, location.mean), precision));
}

// ---- Samples

// A Gamma variate of shape a and scale 1 (Marsaglia and Tsang 2000, ACM TOMS 26, 363-372; below
// shape 1 by one of a + 1 times U^(1/a)).
static double draw_gamma(mr_random *random, double a) {
    const double boost = a < 1 ? pow(1 - mr_random_uniform(random), 1 / a) : 1;
    const double d = (a < 1 ? a + 1 : a) - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = mr_random_normal(random), v = pow(1 + c * x, 3);
        if (v > 0 && log(1 - mr_random_uniform(random)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v * boost;
    }
}

// t = normal / sqrt(chi^2_nu / nu), chi^2_nu / 2 being a Gamma variate of shape nu / 2.
static void student_t_draw(const mr_distribution *d, const mr_params *params, mr_random *random,
                           size_t n, mr_real *noise) {
    const student_t *s = d->state;
    const mr_real *raw = mr_params_read(params) + s->df.offset;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d->dim; j++) {
            const double half = df_of((double)raw[j]) / 2, normal = mr_random_normal(random);
            noise[i * d->dim + j] = (mr_real)(normal * sqrt(half / draw_gamma(random, half)));
        }
}

static mr_node *student_t_sample(const mr_distribution *d, mr_params *params, mr_node *noise,
                                 mr_node *context, mr_node **log_prob) {
    const student_t *s = d->state;
    const mr_gaussian location = mr_base_build(&s->location, params, mr_node_graph(noise), context);
    *log_prob = log_prob_of_t(s, params, location, noise);
    return mr_add(location.mean, mr_mul(mr_exp(location.log_std), noise));
}

const mr_distribution_ops mr_distribution_student_t = {
    .name = "student_t",
    .summary = "Student's t with trained degrees of freedom, for heavy tails",
    .state_size = sizeof(student_t),
    .declare = student_t_declare,
    .log_prob = student_t_log_prob,
    .draw = student_t_draw,
    .sample = student_t_sample,
};
