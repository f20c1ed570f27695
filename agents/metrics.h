/// The metrics of a run, under the names that users of Stable-Baselines3 know.
///
/// The columns of progress.csv, the scalars for TensorBoard and the numbers of a checkpoint are all
/// made from the run's list of metrics. A metric that has no value yet is NaN: an empty cell.
#pragma once

#include "agents/agent.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    double total_timesteps; // environment steps, all copies counted
    double time_elapsed;    // seconds
    double fps;             // environment steps a second since the start
    double cpu_seconds;     // of all threads of the process, evaluations included
    double episodes;
    double ep_rew_mean; // over the last 100 training episodes
    double ep_len_mean;
    double ep_rew_last;
    double n_diverged; // training episodes that ended because the simulation broke down
    double n_warnings; // training steps whose physics was not the model's (mr_step.warning)
    double n_updates;
    double eval_mean_reward; // of the latest evaluation
    double eval_std_reward;
    double eval_mean_ep_length;
    double bonus_state_log_prob; // of an exploration bonus (mr_bonus_metrics), since the last row
    double bonus_mean;
    double bonus_std;
    double bonus_beta;
    double bonus_coverage;
    double bonus_restarts;
    double agent[MR_MAX_AGENT_METRICS]; // the agent's own, in its order
} mr_metrics;

typedef struct {
    const char *name;   // "rollout/ep_rew_mean"
    size_t offset;      // of the double in mr_metrics
    bool of_evaluation; // measured in evaluations; a row repeats the latest value
} mr_metric;

enum { MR_MAX_METRICS = 32 + MR_MAX_AGENT_METRICS };

/// The metrics of the runs of one kind of agent, in the order of columns.
typedef struct {
    size_t n;
    mr_metric at[MR_MAX_METRICS];
} mr_metric_list;

void mr_metric_list_of(const mr_agent_ops *agent, mr_metric_list *out);

/// The one of that name; NULL: there is none.
const mr_metric *mr_metric_find(const mr_metric_list *list, const char *name);

/// Its value in `metrics`.
double *mr_metric_value(const mr_metric *metric, mr_metrics *metrics);
