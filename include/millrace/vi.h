/// Variational inference: fits a flow to a density known up to a constant, by stochastic gradients
/// of the evidence lower bound, E_q[log p~(x) - log q(x)], through reparameterised samples. Source:
/// Rezende and Mohamed 2015 (arXiv:1505.05770).
///
/// The bound is log Z - KL(q || p): never above log Z, and equal to it if q is p.
#pragma once

#include <millrace/density.h>

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/// An unnormalised log-density log p~ and its gradient in x, for rows of points.
///
///   x         [n x dim] in
///   log_prob  [n] out
///   gradient  [n x dim] out
///
/// Called by several threads at once, each for its own rows.
typedef void (*mr_log_density)(void *self, size_t n, size_t dim, const float *x, float *log_prob,
                               float *gradient);

/// What a density is fitted to.
typedef struct {
    size_t dim;
    mr_log_density log_density;
    void *self; // first argument of log_density
    /// [dim each] Where it lies and how wide it is, roughly: the density starts there. Both NULL:
    /// around 0, of width 1.
    const double *shift, *scale;
} mr_vi_target;

/// How to fit. A later version may add fields: begin with mr_vi_defaults.
typedef struct {
    double lr;         // Adam's at the start; falls to 0 along half a cosine
    double clip_norm;  // of the gradient
    size_t batch_size; // samples in a step
    size_t n_steps;
    double anneal; // fraction of the steps over which the target's weight grows from 0.01 to 1, so
                   // that q finds all modes before it settles; 0: weight 1 throughout
    uint64_t seed; // of the samples
    int n_threads;
} mr_vi_options;

/// What `millrace flow vi` uses: 10,000 steps, seed 1, one thread.
MR_API mr_vi_options mr_vi_defaults(void);

/// Where fitting is: told every 100 steps.
typedef struct {
    size_t n_steps; // done
    double elbo;    // mean over the samples of the latest steps, nats
} mr_vi_progress;

/// Is told of it.
typedef void (*mr_vi_watcher)(void *self, const mr_vi_progress *now);

/// How good the fit is, by 50,000 fresh samples. Nats.
typedef struct {
    size_t n_steps; // done
    double elbo;
    double elbo_stderr;
    double log_z; // estimated by importance sampling from q: log mean p~/q
    double log_z_stderr;
    double n_effective; // of the samples: (sum p~/q)^2 / sum (p~/q)^2
    double pareto_k;    // shape of the ratios' tail; above 0.7 the estimates can't be trusted
    // The same from a proposal that is half q, half q with its base three times as wide: it goes
    // where the target may have mass and q has none, which q's own samples cannot show.
    double wide_log_z;
    double wide_log_z_stderr;
    double wide_pareto_k;
} mr_vi_result;

/// Why log_z and its standard error cannot be trusted, as part of a sentence; NULL: they can. They
/// cannot if a tail has k above 0.7, or if the two estimates differ by more than four
/// standard errors and a hundredth.
MR_API const char *mr_vi_doubt(const mr_vi_result *result);

/// Fits `density` (made with MR_FLOW_TO_SAMPLE) to the target.
///
///   options  NULL: mr_vi_defaults
///   watcher  called with `self` every 100 steps; may be NULL
///   stop     may be NULL; when it becomes non-zero, fitting stops after the present step
///   result   out
///
/// Fails with MR_ERR_USAGE if density and target differ in their number of features, and with
/// MR_ERR_NUMERIC when the bound or its gradient stops being finite.
MR_API mr_status mr_vi_fit(mr_density *density, const mr_vi_target *target,
                           const mr_vi_options *options, mr_vi_watcher watcher, void *self,
                           const volatile sig_atomic_t *stop, mr_vi_result *result);

#ifdef __cplusplus
}
#endif
