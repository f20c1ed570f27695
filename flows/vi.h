/// Variational inference: fits a flow to a density known up to a constant, by stochastic gradients
/// of the evidence lower bound, E_q[log p~(x) - log q(x)], through reparameterised samples. Source:
/// Rezende and Mohamed 2015 (arXiv:1505.05770).
#pragma once

#include "flows/density.h"

#include <signal.h>

/// A target: an unnormalised log-density over R^dim, as a formula over graph nodes.
typedef struct mr_target mr_target;
struct mr_target {
    const char *name;
    size_t dim;
    double log_z; // log of its integral, NAN where not known
    void *self;   // for `build`
    /// Adds log p~ [rows x 1] of x [rows x dim] to x's graph.
    mr_node *(*build)(const mr_target *target, mr_node *x);
};

typedef struct {
    double lr;
    size_t batch_size; // samples in a step
    size_t n_steps;
    double anneal; // share of the steps over which the target's weight grows from 0.01 to 1
    uint64_t seed;
    int n_threads;
} mr_vi_options;

typedef struct {
    size_t step;
    double elbo;        // mean over the latest steps; at the end, over fresh samples
    double elbo_stderr; // of that mean
} mr_vi_progress;

typedef void (*mr_vi_watcher)(void *self, const mr_vi_progress *now);

/// Fits `density` (made with MR_FLOW_TO_SAMPLE) to the target.
mr_status mr_vi(mr_density *density, const mr_target *target, const mr_vi_options *options,
                mr_vi_watcher watcher, void *self, const volatile sig_atomic_t *stop,
                mr_vi_progress *result);

/// A target given as a C function: log p~ and its gradient in x for rows of points. It becomes a
/// graph op.
///
///   x         [n x dim]
///   log_prob  [n] out
///   gradient  [n x dim] out
///
/// Called by several threads at once, each for its own rows.
typedef void (*mr_log_density)(void *self, size_t n, size_t dim, const mr_real *x,
                               mr_real *log_prob, mr_real *gradient);

/// Adds such a function to a graph: [rows x 1].
mr_node *mr_callback_log_density(mr_node *x, mr_log_density function, void *self);
