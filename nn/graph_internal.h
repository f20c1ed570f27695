/// The struct of a graph, for those files of nn/ that build, plan and run it, and for ops that
/// allocate for each of its threads.
#pragma once

#include "base/arena.h"
#include "nn/op.h"

enum { MR_MAX_SETS = 8 };

/// A set of parameters that the graph trains.
typedef struct {
    mr_params *params;
    mr_real **grad;   // [n_threads]; the first is the set's own block
    bool all_written; // every run overwrites all of them, so that none must be cleared before
} mr_trained_set;

struct mr_graph {
    mr_arena *arena; // owns the nodes and their memory
    bool failed;     // an allocation failed while building
    size_t max_rows;
    size_t tile; // rows that a thread takes through all ops at a time; 0: all of its rows
    int n_threads;
    bool is_for_one; // of mr_graph_new_for_one
    size_t n_nodes;
    mr_node *first, *last;
    mr_node *loss; // NULL: forward only
    size_t n_sets;
    mr_trained_set set[MR_MAX_SETS];
    mr_real *memory; // every value and gradient, set by the plan
};
