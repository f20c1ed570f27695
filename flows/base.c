// The Gaussian base and the tanh.

#include "flows/base.h"

#include <stdio.h>

static const double log_2_pi = 1.8378770664093454836;

// Bounds of a standard base's log-deviation, whose data have the deviation 1.
static const double standard_low = -5, standard_high = 5;

// In float32 an action this near to 1 has atanh to 0.3%, 1 - 1e-6 would have it to 3%. MEow's
// implementation clips there too.
static const double largest_action = 1 - 1e-5;

static mr_base declare(mr_params *params, const char *prefix, size_t dim, size_t context_dim,
                       double log_std_low, double log_std_high, mr_initializer init) {
    mr_base base = {.dim = dim,
                    .context_dim = context_dim,
                    .log_std_low = log_std_low,
                    .log_std_high = log_std_high};
    char name[256];
    if (context_dim > 0) {
        snprintf(name, sizeof name, "%s.weight", prefix);
        base.weight = mr_params_add(params, name, 2 * dim, context_dim, init, context_dim, NULL);
    }
    snprintf(name, sizeof name, "%s.bias", prefix);
    base.bias = mr_params_add(params, name, 1, 2 * dim, init, context_dim, NULL);
    return base;
}

mr_base mr_base_declare(mr_params *params, const char *prefix, size_t dim, size_t context_dim,
                        double log_std_low, double log_std_high) {
    const mr_initializer init = context_dim > 0 ? MR_INIT_FAN_IN : MR_INIT_ZERO;
    return declare(params, prefix, dim, context_dim, log_std_low, log_std_high, init);
}

mr_base mr_base_declare_standard(mr_params *params, const char *prefix, size_t dim,
                                 size_t context_dim) {
    return declare(params, prefix, dim, context_dim, standard_low, standard_high, MR_INIT_ZERO);
}

mr_gaussian mr_base_build(const mr_base *base, mr_params *params, mr_graph *graph,
                          mr_node *context) {
    mr_node *out = base->context_dim > 0
                       ? mr_linear(context, params, base->weight, base->bias, MR_IDENTITY)
                       : mr_param_rows(graph, params, base->bias);
    const double half_range = (base->log_std_high - base->log_std_low) / 2;
    return (mr_gaussian){
        .mean = mr_slice(out, 0, base->dim),
        .log_std = mr_affine(mr_tanh(mr_slice(out, base->dim, base->dim)), half_range,
                             base->log_std_low + half_range),
    };
}

// -1/2 sum(noise^2) - sum(log sigma) - dim/2 log(2 pi).
static mr_node *log_prob_of_noise(mr_gaussian gaussian, mr_node *noise) {
    if (!noise)
        return NULL;
    const double constant = -(double)mr_node_cols(noise) / 2 * log_2_pi;
    mr_node *halves = mr_affine(mr_square(noise), -0.5, 0);
    return mr_affine(mr_row_sum(mr_sub(halves, gaussian.log_std)), 1, constant);
}

mr_node *mr_gaussian_sample(mr_gaussian gaussian, mr_node *noise, mr_node **log_prob) {
    *log_prob = log_prob_of_noise(gaussian, noise);
    return mr_add(gaussian.mean, mr_mul(mr_exp(gaussian.log_std), noise));
}

mr_node *mr_gaussian_log_prob(mr_gaussian gaussian, mr_node *z) {
    mr_node *precision = mr_exp(mr_affine(gaussian.log_std, -1, 0));
    return log_prob_of_noise(gaussian, mr_mul(mr_sub(z, gaussian.mean), precision));
}

mr_node *mr_gaussian_log_peak(mr_gaussian gaussian) {
    if (!gaussian.log_std)
        return NULL;
    const double constant = -(double)mr_node_cols(gaussian.log_std) / 2 * log_2_pi;
    return mr_affine(mr_row_sum(gaussian.log_std), -1, constant);
}

mr_node *mr_squash(mr_node *x, mr_node **log_prob) {
    *log_prob = mr_sub(*log_prob, mr_tanh_log_det(x));
    return mr_tanh(x);
}

// atanh(a) = 1/2 (log(1 + a) - log(1 - a)).
mr_node *mr_unsquash(mr_node *act, mr_node **log_det) {
    mr_node *a = mr_clamp(act, -largest_action, largest_action);
    mr_node *x = mr_affine(mr_sub(mr_log1p(a), mr_log1p(mr_affine(a, -1, 0))), 0.5, 0);
    *log_det = mr_affine(mr_tanh_log_det(x), -1, 0);
    return x;
}
