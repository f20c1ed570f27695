// Categories in a flow: encoders and the decoder by Bayes' rule.

#include "flows/categories.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// Uniform numbers stay this far from 0 and 1, so that a logistic one is finite in float32; it cuts
// off a mass of 2e-7.
static const double least = 1e-7;

mr_status mr_categories_declare(mr_categories *c, mr_params *params, const char *prefix, size_t n,
                                size_t latent, double log_scale) {
    char name[256];
    mr_status status = mr_params_check_room(params, n * latent);
    if (status != MR_OK)
        return status;
    mr_real *start = malloc(n * latent * sizeof *start);
    if (!start)
        return mr_fail_memory("the categories");
    for (size_t i = 0; i < n * latent; i++)
        start[i] = (mr_real)log_scale;
    *c = (mr_categories){.n = n, .latent = latent};
    snprintf(name, sizeof name, "%s.mean", prefix);
    c->mean = mr_params_add(params, name, n, latent, MR_INIT_FAN_IN, 1, NULL);
    snprintf(name, sizeof name, "%s.log_scale", prefix);
    c->log_scale = mr_params_add_values(params, name, n, latent, start);
    free(start);
    return MR_OK;
}

mr_node *mr_categories_encode(const mr_categories *c, mr_params *params, mr_node *code) {
    mr_node *mean = mr_embed(code, params, c->mean);
    mr_node *scale = mr_exp(mr_embed(code, params, c->log_scale));
    mr_node *uniform = mr_clamp(mr_uniform_like(mean), least, 1 - least);
    mr_node *noise = mr_sub(mr_log(uniform), mr_log(mr_affine(uniform, -1, 1)));
    return mr_add(mean, mr_mul(scale, noise));
}

mr_node *mr_categories_decode(const mr_categories *c, mr_params *params, mr_node *z,
                              mr_node **log_total) {
    mr_node *log_density = mr_logistic_log_density(z, params, c->mean, c->log_scale);
    mr_node *total = mr_row_log_sum_exp(log_density);
    if (log_total)
        *log_total = total;
    return mr_sub(log_density, total);
}

void mr_categories_draw(const mr_categories *c, const mr_params *params, mr_random *random,
                        size_t code, mr_real *z) {
    const mr_real *mean = mr_params_read(params) + c->mean.offset + code * c->latent;
    const mr_real *log_scale = mr_params_read(params) + c->log_scale.offset + code * c->latent;
    for (size_t j = 0; j < c->latent; j++) {
        const double u = mr_random_between(random, least, 1 - least);
        z[j] = mean[j] + (mr_real)(exp((double)log_scale[j]) * (log(u) - log1p(-u)));
    }
}
