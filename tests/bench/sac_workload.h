/// SAC on random transitions, of the sizes of a task: what benchmarks of updates share.
#pragma once

#include "agents/agent.h"

/// The sizes that an update's cost depends on.
typedef struct {
    const char *name; // of a task that has them
    size_t obs_dim, act_dim, hidden, batch_size;
} workload_sizes;

/// The choices that an update's cost depends on.
typedef struct {
    const char *policy;
    const char *critic_norm, *actor_norm; // NULL: none
    const char *critic_head;              // NULL: scalar
    bool no_targets;
    int n_threads; // 0: the default
} workload_choices;

typedef struct {
    mr_agent *agent;
    mr_batch_maker *batches;
    mr_replay *replay;
} workload;

/// Ends the benchmark with the library's message if `status` says that a call failed.
void workload_check(mr_status status);

/// Makes an agent with two hidden layers and 20,000 transitions for it. workload_free releases
/// them. Ends the benchmark with exit code 2 if a name is unknown.
workload workload_new(const workload_sizes *sizes, const workload_choices *choices);
void workload_free(workload *w);

/// Draws a batch and updates the agent on it.
void workload_update(workload *w);

/// Updates a second, over `n` of them.
double workload_time(workload *w, int n);
