/// What the runs of a sweep have reached, as their directories say.
#pragma once

#include "cli/sweep/plan.h"

/// A run at a number of steps.
typedef struct {
    double steps;       // that it has done
    bool is_done;       // all of these steps
    double mean_return; // of its last evaluation up to then; NaN: none yet
} mr_sweep_result;

/// Reads the result of a run, at the steps of a round. A run that has not begun has none. Fails
/// with MR_ERR_INPUT, naming the file and line, if a table of the run is damaged.
mr_status mr_sweep_result_read(const mr_sweep_plan *plan, size_t run, size_t round,
                               mr_sweep_result *out);

/// Whether a run has done the steps of a round. One with a damaged table has not: when it is
/// resumed, its tables are cut back to what they were at its checkpoint, and that mends what a
/// power cut has left at their ends.
mr_status mr_sweep_is_done(const mr_sweep_plan *plan, size_t run, size_t round, bool *out);

/// Which points are in a round: all in the first; then those with the largest mean return over
/// their seeds at the end of the round before, which is over. A point with a run that has no
/// return, or a damaged table, is the last.
///
///   is_in  [n_points] out
mr_status mr_sweep_points_of_round(const mr_sweep_plan *plan, size_t round, bool *is_in);

/// Prints a table of all points on stdout, the best first, with what their runs have reached. A
/// point with a damaged table has no return there, and a warning on stderr names the file and line.
///
///   format  "csv" or "markdown"
mr_status mr_sweep_print_table(const mr_sweep_plan *plan, const char *format);
