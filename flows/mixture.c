// A mixture of diagonal Gaussians as a base distribution, for data in separate modes.
//
//     p(z) = sum_k w_k N(z; mean_k, sigma_k^2),   w = softmax(logits)
//
// Weights, means and deviations are trained; they do not depend on a context.

#include "flows/distribution.h"

#include <math.h>
#include <stdio.h>

// Log-deviations are log_std_bound tanh(raw / log_std_bound): none collapses onto a single point.
static const double log_std_bound = 5;

static const double half_log_2_pi = 0.91893853320467274178;

typedef struct {
    size_t components;
} mixture_options;

typedef struct {
    mr_param logits;         // [1 x components]
    mr_param means, log_std; // [1 x components dim]
} mixture;

static size_t n_of(const mr_distribution *d) {
    return ((const mixture_options *)d->options)->components;
}

// The means start uniform on [-1, 1], so that components differ.
static mr_status mixture_declare(mr_distribution *d, mr_params *params, const char *prefix) {
    mixture *m = d->state;
    const size_t n = n_of(d);
    char name[256];
    snprintf(name, sizeof name, "%s.logits", prefix);
    m->logits = mr_params_add(params, name, 1, n, MR_INIT_ZERO, 1, NULL);
    snprintf(name, sizeof name, "%s.means", prefix);
    m->means = mr_params_add(params, name, 1, n * d->dim, MR_INIT_FAN_IN, 1, NULL);
    snprintf(name, sizeof name, "%s.log_std", prefix);
    m->log_std = mr_params_add(params, name, 1, n * d->dim, MR_INIT_ZERO, 1, NULL);
    return MR_OK;
}

static mr_node *log_sum_exp(mr_node *sum, mr_node *next) {
    return sum ? mr_log_add_exp(sum, next) : next;
}

static mr_node *mixture_log_prob(const mr_distribution *d, mr_params *params, mr_node *z,
                                 mr_node *context) {
    (void)context;
    const mixture *m = d->state;
    mr_graph *graph = mr_node_graph(z);
    mr_node *logits = mr_param_rows(graph, params, m->logits);
    mr_node *means = mr_param_rows(graph, params, m->means);
    mr_node *raw = mr_param_rows(graph, params, m->log_std);
    mr_node *log_std = mr_affine(mr_tanh(mr_affine(raw, 1 / log_std_bound, 0)), log_std_bound, 0);
    mr_node *weights = NULL, *sum = NULL; // of exp(logits); of exp(logits) N(z)
    if (!logits || !means || !log_std)
        return NULL;
    for (size_t k = 0; k < n_of(d); k++) {
        mr_node *logit = mr_slice(logits, k, 1);
        mr_node *mean = mr_slice(means, k * d->dim, d->dim);
        mr_node *s = mr_slice(log_std, k * d->dim, d->dim);
        mr_node *noise = mr_mul(mr_sub(z, mean), mr_exp(mr_affine(s, -1, 0)));
        mr_node *log_normal = mr_row_sum(mr_sub(mr_affine(mr_square(noise), -0.5, 0), s));
        weights = log_sum_exp(weights, logit);
        sum = log_sum_exp(sum, mr_add(logit, log_normal));
    }
    return mr_affine(mr_sub(sum, weights), 1, -(double)d->dim * half_log_2_pi);
}

// The component of a uniform number u.
static size_t choose(const mr_real *logits, size_t n, double u) {
    double largest = (double)logits[0], total = 0, sum = 0;
    for (size_t k = 1; k < n; k++)
        largest = fmax(largest, (double)logits[k]);
    for (size_t k = 0; k < n; k++)
        total += exp((double)logits[k] - largest);
    for (size_t k = 0; k + 1 < n; k++) {
        sum += exp((double)logits[k] - largest);
        if (u * total < sum)
            return k;
    }
    return n - 1;
}

static void mixture_draw(const mr_distribution *d, const mr_params *params, mr_random *random,
                         size_t n, mr_real *noise) {
    const mixture *m = d->state;
    const mr_real *value = mr_params_read(params);
    for (size_t i = 0; i < n; i++) {
        const size_t k = choose(value + m->logits.offset, n_of(d), mr_random_uniform(random));
        const mr_real *mean = value + m->means.offset + k * d->dim;
        const mr_real *raw = value + m->log_std.offset + k * d->dim;
        for (size_t j = 0; j < d->dim; j++) {
            const double log_std = log_std_bound * tanh((double)raw[j] / log_std_bound);
            noise[i * d->dim + j] = mean[j] + (mr_real)(exp(log_std) * mr_random_normal(random));
        }
    }
}

static mr_node *mixture_sample(const mr_distribution *d, mr_params *params, mr_node *noise,
                               mr_node *context, mr_node **log_prob) {
    *log_prob = mixture_log_prob(d, params, noise, context);
    return noise;
}

static const mr_flow_option rows[] = {
    {"components", MR_FLOW_OPTION_COUNT, offsetof(mixture_options, components), "8", 1, 256, NULL,
     "Gaussians"},
};

const mr_distribution_ops mr_distribution_mixture = {
    .name = "mixture",
    .summary = "a mixture of diagonal Gaussians, for separate modes",
    .options = {rows, MR_COUNT(rows), sizeof(mixture_options)},
    .state_size = sizeof(mixture),
    .declare = mixture_declare,
    .log_prob = mixture_log_prob,
    .draw = mixture_draw,
    .sample = mixture_sample,
};
