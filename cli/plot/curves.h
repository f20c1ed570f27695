/// Curves of several runs: their mean, between the lowest and the highest.
#pragma once

#include "cli/plot/series.h"

enum { MR_CURVE_NAME_SIZE = 1088 };

typedef struct {
    double x, mean, low, high;
} mr_curve_point;

/// The curve of runs that are counted as one. It goes from where the last of them begins to where
/// the first of them ends: a mean over only some of them would jump there.
typedef struct {
    const char *env;               // the task, borrowed from the runs
    char name[MR_CURVE_NAME_SIZE]; // "gaussian (3 runs)", the same for the same label elsewhere
    size_t label;                  // the number of its label among all, from 0, for its colour
    size_t n_runs;
    size_t n;
    mr_curve_point *at; // [n] owned, x ascending
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
} mr_curve_options;

/// Makes curves of the runs [n_runs]: runs on one task whose settings group_by are the same, or
/// that differ in no more than their seeds and their length (mr_runs_alike). Fails as
/// mr_series_read does, with MR_ERR_USAGE on an unknown setting, and with MR_ERR_INPUT if runs of
/// one curve have no x in common. mr_curve_list_free releases it, also after a failure.
mr_status mr_curves_make(size_t n_runs, const mr_run_data *runs, const mr_curve_options *options,
                         mr_curve_list *out);
void mr_curve_list_free(mr_curve_list *list);
