/// Variational inference: fits a flow to a density known up to a constant, by stochastic gradients
/// of the evidence lower bound, E_q[log p~(x) - log q(x)], through reparameterised samples. Source:
/// Rezende and Mohamed 2015 (arXiv:1505.05770).
///
/// The bound is log Z - KL(q || p): never above log Z, and equal to it where q is p.
#pragma once

#include "flows/density.h"

#include <signal.h>

/// A target: an unnormalised log-density over R^dim, as a formula over graph nodes.
typedef struct mr_target mr_target;
struct mr_target {
    const char *name;
    size_t dim;
    double log_z;   // log of its integral, NAN where not known
    bool has_data;  // it is made from a table...
    bool has_names; // ...whose first row is names
    double view;    // a picture shows +-view in each direction; 0: as the samples lie
    void *self;     // for `build`
    /// Adds log p~ [rows x 1] of x [rows x dim] to x's graph.
    mr_node *(*build)(const mr_target *target, mr_node *x);
    /// [dim each] Where it lies and how wide it is, roughly: the density starts there. NULL: around
    /// 0, of width 1.
    const double *shift, *scale;
};

/// log p~ [n] of points x [n x dim], by batches over `n_threads`. Not a number where float32 cannot
/// hold it.
mr_status mr_target_log_prob(const mr_target *target, int n_threads, size_t n, const double *x,
                             double *log_prob);

typedef struct {
    double lr;         // Adam's at the start; falls to 0 along half a cosine
    double clip_norm;  // of the gradient
    size_t batch_size; // samples in a step
    size_t n_steps;
    double anneal; // share of the steps over which the target's weight grows from 0.01 to 1, so
                   // that q finds all modes before it settles; 0: weight 1 throughout
    uint64_t seed; // of the samples
    int n_threads;
} mr_vi_options;

/// What `millrace flow vi` uses: 10,000 steps, seed 1, one thread.
mr_vi_options mr_vi_defaults(void);

/// Where fitting is: told every 100 steps.
typedef struct {
    size_t n_steps; // done
    double elbo;    // mean over the samples of the latest steps, nats
} mr_vi_progress;

typedef void (*mr_vi_watcher)(void *self, const mr_vi_progress *now);

/// How good the fit is, by 50,000 fresh samples. Nats.
typedef struct {
    size_t n_steps; // done
    double elbo;
    double elbo_stderr;
    double log_z; // estimated by importance sampling from q: log mean p~/q
    double log_z_stderr;
    double n_effective; // of the samples: (sum p~/q)^2 / sum (p~/q)^2
    double pareto_k;    // of the ratios' tail (mr_pareto_k)
    // The same from a proposal that is half q, half q with its base three times as wide: it goes
    // where the target may have mass and q has none, which q's own samples cannot show.
    double wide_log_z;
    double wide_log_z_stderr;
    double wide_pareto_k;
} mr_vi_result;

/// Why log_z and its standard error cannot be trusted, as part of a sentence; NULL: they can. They
/// cannot where a tail has k above 0.7, or where the two estimates differ by more than four
/// standard errors and a hundredth.
const char *mr_vi_doubt(const mr_vi_result *result);

/// Fits `density` (made with MR_FLOW_TO_SAMPLE) to the target.
///
///   watcher  may be NULL
///   stop     may be NULL; when it becomes non-zero, fitting stops after the present step
///
/// Fails with MR_ERR_NUMERIC when the bound or its gradient stops being finite.
mr_status mr_vi(mr_density *density, const mr_target *target, const mr_vi_options *options,
                mr_vi_watcher watcher, void *self, const volatile sig_atomic_t *stop,
                mr_vi_result *result);

/// A target given as a C function: log p~ and its gradient in x for rows of points. It becomes a
/// graph op.
///
///   x         [n x dim]
///   log_prob  [n] out
///   gradient  [n x dim] out
///
/// Called by several threads at once, each for its own rows.
typedef mr_row_function mr_log_density;

/// Adds such a function to a graph: [rows x 1]. What a target's `build` needs to do, then.
mr_node *mr_callback_log_density(mr_node *x, mr_log_density function, void *self);
