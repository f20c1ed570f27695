/// What a graph holds. Private to nn/graph.c, which builds and runs it, and nn/plan.c, which lays
/// out its memory.
#pragma once

#include "base/arena.h"
#include "nn/op.h"

enum { MR_MAX_SETS = 8 };

/// A set of parameters that the graph trains.
typedef struct {
    mr_params *params;
    mr_real **grad;   // [n_threads]; the first is the set's own block
    bool all_written; // by every run, so that none need be cleared before
} mr_trained_set;

struct mr_graph {
    mr_arena *arena; // the nodes and what they hold
    bool failed;     // an allocation while building
    size_t max_rows;
    size_t tile; // rows that a thread takes through all ops at a time; 0: all of its own
    int n_threads;
    bool is_for_one; // of mr_graph_new_for_one
    size_t n_nodes;
    mr_node *first, *last;
    mr_node *loss; // NULL: forward only
    size_t n_sets;
    mr_trained_set set[MR_MAX_SETS];
    mr_real *memory; // every value and gradient, set by the plan
};
