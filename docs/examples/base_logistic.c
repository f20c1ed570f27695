// The logistic distribution as a base: docs/extending.md goes through this file.
//
//     log p(z) = sum_j (-z_j - 2 softplus(-z_j))

#include "flows/distribution.h"

#include <math.h>

static mr_status logistic_declare(mr_distribution *d, mr_params *params, const char *prefix) {
    (void)d, (void)params, (void)prefix; // it has no parameters
    return MR_OK;
}

static mr_node *logistic_log_prob(const mr_distribution *d, mr_params *params, mr_node *z,
                                  mr_node *context) {
    (void)d, (void)params, (void)context;
    mr_node *minus_z = mr_affine(z, -1, 0);
    return mr_row_sum(mr_sub(minus_z, mr_affine(mr_softplus(minus_z), 2, 0)));
}

// z = log(u / (1 - u)), u uniform in (0, 1).
static void logistic_draw(const mr_distribution *d, const mr_params *params, mr_random *random,
                          size_t n, mr_real *noise) {
    (void)params;
    for (size_t i = 0; i < n * d->dim; i++) {
        const double u = mr_random_between(random, 1e-12, 1 - 1e-12);
        noise[i] = (mr_real)(log(u) - log1p(-u));
    }
}

static mr_node *logistic_sample(const mr_distribution *d, mr_params *params, mr_node *noise,
                                mr_node *context, mr_node **log_prob) {
    *log_prob = logistic_log_prob(d, params, noise, context);
    return noise;
}

extern const mr_distribution_ops mr_distribution_logistic;

const mr_distribution_ops mr_distribution_logistic = {
    .name = "logistic",
    .summary = "the logistic distribution, whose tails fall as exp(-|z|)",
    .declare = logistic_declare,
    .log_prob = logistic_log_prob,
    .draw = logistic_draw,
    .sample = logistic_sample,
};
