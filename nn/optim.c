// Adam, Polyak averaging, the check of the gradient.

#include "nn/optim.h"

#include <math.h>

mr_adam mr_adam_new(double lr) {
    return (mr_adam){.lr = lr, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
}

void mr_adam_step(mr_adam *adam, mr_params *params, int n_threads) {
    const size_t n = mr_params_size(params);
    const double t = (double)++adam->n_steps;
    // theta -= lr mhat / (sqrt(vhat) + epsilon), mhat = m / (1 - beta1^t), vhat = v / (1 -
    // beta2^t).
    const mr_real step = (mr_real)(adam->lr / (1 - pow(adam->beta1, t)));
    const mr_real scale = (mr_real)(1 / sqrt(1 - pow(adam->beta2, t)));
    const mr_real beta1 = (mr_real)adam->beta1, beta2 = (mr_real)adam->beta2;
    const mr_real epsilon = (mr_real)adam->epsilon;
    const mr_real *restrict g = mr_params_grad(params);
    mr_real *restrict m = mr_params_moment(params, 1);
    mr_real *restrict v = mr_params_moment(params, 2);
    mr_real *restrict theta = mr_params_value(params);
#pragma omp parallel for simd schedule(static) num_threads(n_threads) if (n_threads > 1)
    for (size_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
        theta[i] -= step * m[i] / (mr_sqrt(v[i]) * scale + epsilon);
    }
}

void mr_polyak(mr_params *target, const mr_params *source, double tau, int n_threads) {
    const size_t n = mr_params_size(source);
    const mr_real rate = (mr_real)tau;
    const mr_real *restrict from = mr_params_read(source);
    mr_real *restrict to = mr_params_value(target);
#pragma omp parallel for simd schedule(static) num_threads(n_threads) if (n_threads > 1)
    for (size_t i = 0; i < n; i++)
        to[i] += rate * (from[i] - to[i]);
}

// 0 times anything finite is 0, times infinity or NaN it is NaN: one multiply-add a component, no
// branch.
bool mr_grad_is_finite(const mr_params *params) {
    const mr_real *g = mr_params_grad(params);
    const size_t n = mr_params_size(params);
    mr_real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += 0 * g[i];
    return sum == 0;
}
