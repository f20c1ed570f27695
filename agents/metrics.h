/// The figures of a run, under the names that users of Stable-Baselines3 know.
///
/// One row a figure: the columns of progress.csv are made from this table. A figure not known yet
/// is NaN: an empty cell.
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    double total_timesteps; // environment steps, all copies counted
    double time_elapsed;    // seconds
    double fps;             // environment steps a second since the start
    double episodes;
    double ep_rew_mean; // over the last 100 training episodes
    double ep_len_mean;
    double ep_rew_last;
    double n_diverged; // training episodes that ended because the simulation broke down
    double n_warnings; // training steps whose physics was not the model's (mr_step.warning)
    double n_updates;
    double actor_loss; // this and what follows: means since the last row
    double critic_loss;
    double ent_coef; // alpha
    double ent_coef_loss;
    double entropy; // -E log pi, nats, of the squashed action
    double q_mean;
    double eval_mean_reward; // of the latest evaluation
    double eval_std_reward;
    double eval_mean_ep_length;
    double bonus_state_log_prob; // of an exploration bonus (mr_bonus_figures), since the last row
    double bonus_mean;
    double bonus_std;
    double bonus_beta;
    double bonus_coverage;
    double bonus_restarts;
} mr_metrics;

typedef struct {
    const char *name;   // "rollout/ep_rew_mean"
    size_t offset;      // of the double in mr_metrics
    bool of_evaluation; // measured there; a row repeats the latest
} mr_metric;

size_t mr_metric_count(void);
const mr_metric *mr_metric_at(size_t i);

/// The one of that name; NULL: there is none.
const mr_metric *mr_metric_find(const char *name);
