/// Curves of several runs: their mean, between the lowest and the highest.
#pragma once

#include "cli/plot/series.h"

enum { MR_CURVE_LABEL_SIZE = 1024, MR_CURVE_NAME_SIZE = MR_CURVE_LABEL_SIZE + 512 };

typedef struct {
    double x, mean, low, high;
} mr_curve_point;

/// The curve of runs that are counted as one. It goes from where the last of them begins to where
/// the first of them ends: a mean over only some of them would jump there.
typedef struct {
    const char *env;                 // the task, borrowed from the runs
    char label[MR_CURVE_LABEL_SIZE]; // "gaussian"
    char name[MR_CURVE_NAME_SIZE];   // "gaussian (3 runs)"
    size_t colour;                   // the number of its label among all, from 0
    size_t n_runs;                   // that it is the mean of
    size_t n;                        // 0: none (mr_curve_options.skips_missing)
    mr_curve_point *at;              // [n] owned, x ascending
} mr_curve;

typedef struct {
    size_t n;
    mr_curve *curve; // [n] owned, in the order of their first runs
} mr_curve_list;

/// What is drawn.
typedef struct {
    mr_x_axis x;
    const char *column;
    const char *group_by; // settings, with commas between; "": all that change what is learned
    bool skips_missing;   // runs without a value are left out, and so are curves without any x that
                          // all of their runs have: they have no point
} mr_curve_options;

/// Makes curves of the runs [n_runs]: runs on one task whose settings group_by are the same, or
/// that differ in no more than their seeds and their length (mr_runs_alike). Fails as
/// mr_series_read and mr_series_fail_missing do, with MR_ERR_USAGE on an unknown setting, and with
/// MR_ERR_INPUT if runs of one curve have no x in common. mr_curve_list_free releases it, also
/// after a failure.
///
///   curve_of  [n_runs] out, the curve of each run; NULL: not asked for
mr_status mr_curves_make(size_t n_runs, const mr_run_data *runs, const mr_curve_options *options,
                         size_t *curve_of, mr_curve_list *out);
void mr_curve_list_free(mr_curve_list *list);
