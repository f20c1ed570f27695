/// The states that a policy goes through in an evaluation: how widely they spread.
#pragma once

#include "agents/evaluate.h"

typedef struct mr_visited mr_visited;

/// Nothing visited yet. The caller frees it.
///
///   features  which parts of the observation count (mr_features_parse); "": the task's arena, and
///             all where it has none
///   env       borrowed for its life
mr_status mr_visited_new(const char *features, const mr_env_spec *env, mr_visited **out);
void mr_visited_free(mr_visited *visited);

/// What is told of each state of an evaluation: for mr_eval_watcher.visited.
mr_status mr_visited_add(void *self, size_t episode, const double *obs);

typedef struct {
    size_t n_states;
    double entropy;  // nats, in the features' own units; NaN where it cannot be told
    double coverage; // of the task's arena (agents/coverage.h); NaN where it has none
} mr_visited_summary;

/// The entropy is estimated by third nearest neighbours from 10,000 states at most, evenly taken
/// from all, in those features that varied. The order in which episodes were played side by side
/// changes nothing.
mr_status mr_visited_summarise(const mr_visited *visited, int n_threads, mr_visited_summary *out);
