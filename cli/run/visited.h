/// The states that a policy visits in an evaluation, and how widely they spread.
#pragma once

#include "agents/evaluate.h"

typedef struct mr_visited mr_visited;

/// An empty record. The caller frees it.
///
///   features  parts of the observation (mr_features_parse); "": the two of the task's workspace,
///             or all if it has none
///   env       must outlive the record
mr_status mr_visited_new(const char *features, const mr_env_spec *env, mr_visited **out);
void mr_visited_free(mr_visited *visited);

/// Records a state; for mr_eval_watcher.visited.
mr_status mr_visited_add(void *self, size_t episode, const double *obs);

typedef struct {
    size_t n_states;
    double entropy;  // nats, in the features' own units; NaN if there are too few states
    double coverage; // of the task's workspace (agents/coverage.h); NaN if it has none
} mr_visited_summary;

/// Estimates the entropy by third nearest neighbours from at most 10,000 evenly spaced states, in
/// the features that vary. The result does not depend on which episodes were played in parallel.
mr_status mr_visited_summarise(const mr_visited *visited, int n_threads, mr_visited_summary *out);
