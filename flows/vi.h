/// Variational inference (millrace/vi.h) with targets that are formulas over graph nodes.
#pragma once

#include "millrace/vi.h"
#include "flows/density.h"

/// A target: an unnormalised log-density over R^dim, as a formula over graph nodes.
typedef struct mr_target mr_target;
struct mr_target {
    const char *name;
    size_t dim;
    double log_z;   // log of its integral; NAN: not known
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

/// Fits `density` (made with MR_FLOW_TO_SAMPLE) to the target, of as many features.
///
///   watcher  may be NULL
///   stop     may be NULL; when it becomes non-zero, fitting stops after the present step
///
/// Fails with MR_ERR_NUMERIC when the bound or its gradient stops being finite.
mr_status mr_vi(mr_density *density, const mr_target *target, const mr_vi_options *options,
                mr_vi_watcher watcher, void *self, const volatile sig_atomic_t *stop,
                mr_vi_result *result);

/// The shape k of the generalised Pareto distribution that fits the largest of n ratios, given by
/// their logarithms [n] (-infinity for a ratio of 0). Ratios have a finite mean below k = 1 and a
/// finite variance below 1/2; beyond 0.7 a mean of a practicable number of them, and its standard
/// error, cannot be trusted. -INFINITY where the largest ratios are all the same: there is no tail.
/// Fails with MR_ERR_MEMORY alone.
///
/// Source: Vehtari, Simpson, Gelman, Yao and Gabry 2024 (arXiv:1507.02646), sections 3.1 and 3.2.
mr_status mr_pareto_k(size_t n, const double *log_ratios, double *k);
