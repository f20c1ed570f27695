/// A column of a run's tables against steps, time or updates.
#pragma once

#include "cli/runs/run_data.h"

/// What is on the x axis.
typedef enum { MR_X_STEPS, MR_X_TIME, MR_X_UPDATES } mr_x_axis;

/// The one of that name: "steps", "time", "updates".
mr_x_axis mr_x_axis_of(const char *name);

/// A unit of that axis, for values up to about `last`.
typedef struct {
    double last, size;
    const char *label; // "thousand environment steps"
} mr_axis_unit;

const mr_axis_unit *mr_axis_unit_for(mr_x_axis x, double last);

typedef struct {
    double x, y;
} mr_point;

/// A run's values, x ascending. `at` is owned.
typedef struct {
    size_t n;
    mr_point *at; // [n]; NULL: none
} mr_series;

/// Reads a column of evaluations.csv, or else of progress.csv; empty cells are left out. x is in
/// environment steps, seconds or updates; the time of an evaluation is interpolated between rows of
/// progress.csv. A column that is missing, or has no value yet, gives an empty series. Fails with
/// MR_ERR_INPUT on a cell that is not a number and on steps that do not go up. The caller frees
/// out->at.
mr_status mr_series_read(const mr_run_data *run, mr_x_axis x, const char *column, mr_series *out);

/// Fails and says why a series is empty: MR_ERR_USAGE if no table has the column (the message has
/// the nearest), else MR_ERR_INPUT.
mr_status mr_series_fail_missing(const mr_run_data *run, mr_x_axis x, const char *column);
