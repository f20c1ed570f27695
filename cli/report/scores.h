/// What evaluations tell of the runs of a curve, in one row of a table.
#pragma once

#include "base/statistics.h"
#include "cli/plot/curves.h"

typedef struct {
    size_t n_runs;     // with an evaluation
    size_t n_scores;   // runs; of one run: episodes of its evaluation
    bool are_episodes; // a score is an episode's return, not a run's mean
    double step;       // of the last evaluation that all of them have
    double mean;       // interquartile
    mr_interval interval;
    double best; // mean return of any of their evaluations
} mr_scores;

/// Measures the runs of curve `k`. Scores are their mean returns in the last evaluation up to where
/// all of them go; the interval of a single run is over the episodes of that evaluation. n_runs is
/// 0 if none has been evaluated.
///
///   curve_of  [n] as mr_curves_make gives it, of eval/mean_reward over steps
mr_status mr_scores_measure(size_t k, size_t n, const mr_run_data *runs, const size_t *curve_of,
                            mr_scores *out);
