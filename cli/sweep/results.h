/// What the runs of a sweep have reached, as their directories say.
#pragma once

#include "cli/sweep/plan.h"

/// A run at a number of steps.
typedef struct {
    double steps;       // that it has done
    bool is_done;       // all of these steps
    double mean_return; // of its last evaluation up to then; NaN: none yet
} mr_sweep_result;

/// Reads the result of a run, at the steps of a round. A run that has not begun has none.
mr_status mr_sweep_result_read(const mr_sweep_plan *plan, size_t run, size_t round,
                               mr_sweep_result *out);

/// Which points are in a round: all in the first; then those with the largest mean return over
/// their seeds at the end of the round before, which is over. A point with a run that has no return
/// is the last.
///
///   is_in  [n_points] out
mr_status mr_sweep_points_of_round(const mr_sweep_plan *plan, size_t round, bool *is_in);

/// Prints a table of all points on stdout, the best first, with what their runs have reached.
///
///   format  "csv" or "markdown"
mr_status mr_sweep_print_table(const mr_sweep_plan *plan, const char *format);
