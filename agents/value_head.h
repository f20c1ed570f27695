/// Value heads: what the outputs of a critic's net say about the return of (obs, act).
///
/// A head is a table of functions, which knows nothing of nets: it takes nodes of outputs [rows x
/// n_outputs], from whatever pass they come. A critic (critic.h) makes those and knows nothing of
/// their meaning.
#pragma once

#include "nn/graph.h"

/// A step of the Bellman backup: y = reward + discount (Z(next_obs, next_act) - entropy_cost), with
/// the value Z of the head's kind: a number or a distribution. All nodes are [rows x 1].
typedef struct {
    mr_node *reward, *discount;
    mr_node *entropy_cost; // alpha log pi(next_act | next_obs); NULL: none
} mr_backup;

/// The options of all heads; each looks at its own.
typedef struct {
    size_t n_atoms;     // of the categorical head
    mr_atoms atoms;     // likewise: the support
    size_t n_quantiles; // of each critic with the quantile head
    size_t n_dropped;   // likewise: of the largest quantiles in a target, for each critic
} mr_value_options;

typedef struct {
    const char *name; // "scalar"

    /// The policy is trained on the mean of all critics, unless the user has chosen; else on the
    /// least.
    bool policy_takes_mean;

    /// The number of outputs of a net.
    size_t (*n_outputs)(const mr_value_options *options);

    /// The expected return of some outputs [rows x 1].
    mr_node *(*value)(const mr_value_options *options, mr_node *outputs);

    /// The target of all critics, made of the outputs of `n` critics at the next observation and
    /// action. The caller stops the gradient.
    mr_node *(*target)(const mr_value_options *options, size_t n, mr_node *const *next,
                       const mr_backup *backup);

    /// The loss of one critic's outputs on that target [rows x 1].
    mr_node *(*loss)(mr_node *outputs, mr_node *target);
} mr_value_head;

/// Q itself: one output, half the squared error, and the minimum of all critics in the target.
/// Source: Fujimoto et al. 2018 (arXiv:1802.09477).
extern const mr_value_head mr_value_head_scalar;

/// The head of that name: "scalar", "quantile" or "categorical"; NULL: there is none.
const mr_value_head *mr_value_head_find(const char *name);
