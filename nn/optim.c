// Adam, Polyak averaging, the check of the gradient.

#include "nn/optim.h"

#include "base/threads.h"
#include "nn/denormals.h"

#include <math.h>
#include <string.h>

mr_adam mr_adam_new(double lr) {
    return (mr_adam){.lr = lr, .lr_factor = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
}

/// The numbers [first, end) of a block.
typedef struct {
    size_t first, end;
} slice;

static slice slice_of(size_t n, size_t i, size_t n_slices) {
    return (slice){n * i / n_slices, n * (i + 1) / n_slices};
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

/// A step of Adam, a slice a thread.
typedef struct {
    adam_constants constants;
    mr_params *params;
    size_t n_slices;
} adam_run;

static void adam_part(void *self, size_t i) {
    const adam_run *r = self;
    mr_params *params = r->params;
    const mr_denormals kept = mr_denormals_flush();
    const slice s = slice_of(mr_params_trained_size(params), i, r->n_slices);
    if (r->constants.keep < 1)
        decay_slice(r->constants, s, mr_params_value(params));
    adam_slice(r->constants, s, mr_params_grad(params), mr_params_moment(params, 1),
               mr_params_moment(params, 2), mr_params_value(params));
    mr_denormals_restore(kept);
}

void mr_adam_step(mr_adam *adam, mr_params *params, int n_threads) {
    const double t = (double)++adam->n_steps, lr = adam->lr * adam->lr_factor;
    const adam_constants c = {.beta1 = (mr_real)adam->beta1,
                              .beta2 = (mr_real)adam->beta2,
                              .epsilon = (mr_real)adam->epsilon,
                              .step = (mr_real)(lr / (1 - pow(adam->beta1, t))),
                              .scale = (mr_real)(1 / sqrt(1 - pow(adam->beta2, t))),
                              .keep = (mr_real)(1 - lr * adam->weight_decay)};
    adam_run r = {c, params, (size_t)n_threads};
    mr_threads_run(n_threads, r.n_slices, adam_part, &r);
}

static void polyak_slice(mr_real rate, slice s, const mr_real *restrict from,
                         mr_real *restrict to) {
    for (size_t i = s.first; i < s.end; i++)
        to[i] += rate * (from[i] - to[i]);
}

/// A step of Polyak averaging, a slice a thread.
typedef struct {
    mr_real rate;
    const mr_params *source;
    mr_params *target;
    size_t n_slices;
} polyak_run;

static void polyak_part(void *self, size_t i) {
    const polyak_run *r = self;
    const size_t n_trained = mr_params_trained_size(r->source);
    const slice buffers = slice_of(mr_params_size(r->source) - n_trained, i, r->n_slices);
    const mr_real *from = mr_params_read(r->source);
    mr_real *to = mr_params_value(r->target);
    const mr_denormals kept = mr_denormals_flush();
    polyak_slice(r->rate, slice_of(n_trained, i, r->n_slices), from, to);
    memcpy(to + n_trained + buffers.first, from + n_trained + buffers.first,
           (buffers.end - buffers.first) * sizeof(mr_real));
    mr_denormals_restore(kept);
}

void mr_polyak(mr_params *target, const mr_params *source, double tau, int n_threads) {
    polyak_run r = {(mr_real)tau, source, target, (size_t)n_threads};
    mr_threads_run(n_threads, r.n_slices, polyak_part, &r);
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

static double sum_squares(const mr_params *params) {
    const mr_real *g = mr_params_grad(params);
    const size_t n = mr_params_trained_size(params);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)g[i] * (double)g[i];
    return sum;
}

static void scale_grad(mr_params *params, mr_real factor) {
    mr_real *g = mr_params_grad(params);
    const size_t n = mr_params_trained_size(params);
    for (size_t i = 0; i < n; i++)
        g[i] *= factor;
}

double mr_grad_clip_all(size_t n, mr_params *const *sets, double max_norm) {
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += sum_squares(sets[k]);
    const double norm = sqrt(sum);
    for (size_t k = 0; k < n && norm > max_norm; k++)
        scale_grad(sets[k], (mr_real)(max_norm / norm));
    return norm;
}

double mr_grad_clip(mr_params *params, double max_norm) {
    return mr_grad_clip_all(1, &params, max_norm);
}
