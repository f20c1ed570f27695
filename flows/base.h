/// The diagonal Gaussian that flows start from, with learned or conditional mean and scale, and the
/// tanh that ends a policy.
#pragma once

#include "nn/graph.h"

/// A base distribution over `dim` features: the handles of its parameters.
typedef struct {
    size_t dim;
    size_t context_dim; // 0: mean and log-deviation are free parameters
    double log_std_low, log_std_high;
    mr_param weight, bias; // context -> (mean, log-deviation before bounding), side by side
} mr_base;

/// Declares the base's parameters in `params` as PREFIX.weight and PREFIX.bias (free: PREFIX.bias
/// alone).
///
///   log_std_low, log_std_high  smooth bounds of log sigma
///
/// A free base starts with mean 0 and log sigma in the middle of its bounds; a conditional one as a
/// linear layer of PyTorch would.
mr_base mr_base_declare(mr_params *params, const char *prefix, size_t dim, size_t context_dim,
                        double log_std_low, double log_std_high);

/// The same for standardised data: log sigma in [-5, 5], and mean 0 and sigma 1 at the start,
/// whatever the context.
mr_base mr_base_declare_standard(mr_params *params, const char *prefix, size_t dim,
                                 size_t context_dim);

/// The base in a graph.
typedef struct {
    mr_node *mean;    // [rows x dim]
    mr_node *log_std; // [rows x dim] lo + (hi - lo) (tanh(raw) + 1) / 2
} mr_gaussian;

/// Adds mean and log-deviation to a graph; `context` [rows x context_dim], or NULL if there is
/// none.
mr_gaussian mr_base_build(const mr_base *base, mr_params *params, mr_graph *graph,
                          mr_node *context);

/// A sample, mean + exp(log_std) noise, and its log-density [rows x 1] in nats.
///
///   noise  [rows x dim] standard normals
mr_node *mr_gaussian_sample(mr_gaussian gaussian, mr_node *noise, mr_node **log_prob);

/// The log-density [rows x 1] of given points z [rows x dim], nats.
mr_node *mr_gaussian_log_prob(mr_gaussian gaussian, mr_node *z);

/// The largest log-density [rows x 1], that of the mean: -sum log sigma - dim/2 log(2 pi).
mr_node *mr_gaussian_log_peak(mr_gaussian gaussian);

/// tanh(x), and log |det| of that map subtracted from `log_prob` [rows x 1].
mr_node *mr_squash(mr_node *x, mr_node **log_prob);

/// Its inverse: x = atanh(a) of actions a [rows x dim], and log |det dx/da| [rows x 1]. Actions
/// beyond +-(1 - 1e-5) count as these: rounding took the rest of their digits.
mr_node *mr_unsquash(mr_node *act, mr_node **log_det);
