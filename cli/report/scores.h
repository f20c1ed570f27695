/// What evaluations tell of the runs of a curve, in one row of a table.
#pragma once

#include "base/statistics.h"
#include "cli/plot/curves.h"

typedef struct {
    size_t n_runs;                   // with an evaluation
    double step;                     // of the last evaluation that all of them have
    double mean;                     // interquartile, over runs
    mr_confidence_interval interval; // of it; of a single run: of its mean return
    size_t n_samples; // that the interval is over: runs; of a single run: episodes; 1: none
    double best;      // mean return of any of their evaluations
} mr_scores;

/// Measures the runs of curve `k`. Scores are their mean returns in the last evaluation up to where
/// all of them go; the interval of a single run is that of its mean return, over the episodes of
/// that evaluation. n_runs is 0 if none has been evaluated.
///
///   curve_of  [n] as mr_curves_make gives it, of eval/mean_reward over steps
mr_status mr_scores_measure(size_t k, size_t n, const mr_run_data *runs, const size_t *curve_of,
                            mr_scores *out);
