// Adam, Polyak averaging, the check of the gradient.

#include "nn/optim.h"

#include "nn/denormals.h"

#include <math.h>
#include <omp.h>
#include <string.h>

mr_adam mr_adam_new(double lr) {
    return (mr_adam){.lr = lr, .lr_factor = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
}

/// The numbers [first, end) of a block that a thread works on.
typedef struct {
    size_t first, end;
} slice;

static slice slice_of(size_t n) {
    const size_t thread = (size_t)omp_get_thread_num(), n_threads = (size_t)omp_get_num_threads();
    return (slice){n * thread / n_threads, n * (thread + 1) / n_threads};
}

/// Adam's constants at one step.
typedef struct {
    mr_real beta1, beta2, epsilon;
    mr_real step;  // lr / (1 - beta1^t)
    mr_real scale; // 1 / sqrt(1 - beta2^t)
    mr_real keep;  // 1 - lr weight_decay
} adam_constants;

// theta -= lr mhat / (sqrt(vhat) + epsilon), mhat = m / (1 - beta1^t), vhat = v / (1 - beta2^t).
static void adam_slice(adam_constants c, slice s, const mr_real *restrict g, mr_real *restrict m,
                       mr_real *restrict v, mr_real *restrict theta) {
    for (size_t i = s.first; i < s.end; i++) {
        m[i] = c.beta1 * m[i] + (1 - c.beta1) * g[i];
        v[i] = c.beta2 * v[i] + (1 - c.beta2) * g[i] * g[i];
        theta[i] -= c.step * m[i] / (mr_sqrt(v[i]) * c.scale + c.epsilon);
    }
}

static void decay_slice(adam_constants c, slice s, mr_real *restrict theta) {
    for (size_t i = s.first; i < s.end; i++)
        theta[i] *= c.keep;
}

// The calling thread's share.
static void adam_share(adam_constants c, mr_params *params) {
    const mr_denormals kept = mr_denormals_flush();
    const slice s = slice_of(mr_params_trained_size(params));
    if (c.keep < 1)
        decay_slice(c, s, mr_params_value(params));
    adam_slice(c, s, mr_params_grad(params), mr_params_moment(params, 1),
               mr_params_moment(params, 2), mr_params_value(params));
    mr_denormals_restore(kept);
}

// A parallel region of one thread would still have OpenMP allocate a team.
void mr_adam_step(mr_adam *adam, mr_params *params, int n_threads) {
    const double t = (double)++adam->n_steps, lr = adam->lr * adam->lr_factor;
    const adam_constants c = {.beta1 = (mr_real)adam->beta1,
                              .beta2 = (mr_real)adam->beta2,
                              .epsilon = (mr_real)adam->epsilon,
                              .step = (mr_real)(lr / (1 - pow(adam->beta1, t))),
                              .scale = (mr_real)(1 / sqrt(1 - pow(adam->beta2, t))),
                              .keep = (mr_real)(1 - lr * adam->weight_decay)};
    if (n_threads == 1) {
        adam_share(c, params);
        return;
    }
#pragma omp parallel num_threads(n_threads)
    adam_share(c, params);
}

static void polyak_slice(mr_real rate, slice s, const mr_real *restrict from,
                         mr_real *restrict to) {
    for (size_t i = s.first; i < s.end; i++)
        to[i] += rate * (from[i] - to[i]);
}

static void polyak_share(mr_real rate, const mr_params *source, mr_params *target) {
    const mr_denormals kept = mr_denormals_flush();
    const size_t n_trained = mr_params_trained_size(source);
    const slice buffers = slice_of(mr_params_size(source) - n_trained);
    polyak_slice(rate, slice_of(n_trained), mr_params_read(source), mr_params_value(target));
    memcpy(mr_params_value(target) + n_trained + buffers.first,
           mr_params_read(source) + n_trained + buffers.first,
           (buffers.end - buffers.first) * sizeof(mr_real));
    mr_denormals_restore(kept);
}

void mr_polyak(mr_params *target, const mr_params *source, double tau, int n_threads) {
    if (n_threads == 1) {
        polyak_share((mr_real)tau, source, target);
        return;
    }
#pragma omp parallel num_threads(n_threads)
    polyak_share((mr_real)tau, source, target);
}

// 0 times anything finite is 0, times infinity or NaN it is NaN: two multiplications and an
// addition a component, no branch.
bool mr_grad_is_finite(const mr_params *params) {
    const mr_real *g = mr_params_grad(params);
    const size_t n = mr_params_trained_size(params);
    mr_real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += 0 * (g[i] * g[i]);
    return sum == 0;
}

double mr_grad_clip(mr_params *params, double max_norm) {
    mr_real *g = mr_params_grad(params);
    const size_t n = mr_params_trained_size(params);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)g[i] * (double)g[i];
    const double norm = sqrt(sum);
    for (size_t i = 0; i < n && norm > max_norm; i++)
        g[i] *= (mr_real)(max_norm / norm);
    return norm;
}
