// Columns of a run's tables as series of points.

#include "cli/plot/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

static const char steps_column[] = "time/total_timesteps";

/// A choice of the x axis, and its column of progress.csv.
typedef struct {
    const char *name, *column;
} axis_row;

static const axis_row axes[] = {[MR_X_STEPS] = {"steps", steps_column},
                                [MR_X_TIME] = {"time", "time/time_elapsed"},
                                [MR_X_UPDATES] = {"updates", "train/n_updates"}};

mr_x_axis mr_x_axis_of(const char *name) {
    size_t i = 0;
    while (i + 1 < MR_COUNT(axes) && strcmp(axes[i].name, name) != 0)
        i++;
    return (mr_x_axis)i;
}

static const mr_axis_unit units[][3] = {
    [MR_X_STEPS] = {{2e6, 1e6, "million environment steps"},
                    {1e4, 1e3, "thousand environment steps"},
                    {-INFINITY, 1, "environment steps"}},
    [MR_X_TIME] = {{7200, 3600, "hours"}, {120, 60, "minutes"}, {-INFINITY, 1, "seconds"}},
    [MR_X_UPDATES] = {{2e6, 1e6, "million updates"},
                      {1e4, 1e3, "thousand updates"},
                      {-INFINITY, 1, "updates"}},
};

const mr_axis_unit *mr_axis_unit_for(mr_x_axis x, double last) {
    const mr_axis_unit *unit = units[x];
    while (last < unit->last)
        unit++;
    return unit;
}

// ---- Columns

/// Column names of both tables, for messages.
typedef struct {
    const mr_run_data *run;
} all_columns;

static const char *column_at(const void *self, size_t i) {
    const mr_run_data *run = ((const all_columns *)self)->run;
    const size_t n = run->progress.n_columns;
    return i < n ? run->progress.names[i] : run->evaluations.names[i - n];
}

static mr_status fail_unknown(const mr_run_data *run, const char *column) {
    const all_columns all = {run};
    const char *nearest =
        mr_nearest(column, run->progress.n_columns + run->evaluations.n_columns, column_at, &all);
    if (nearest != NULL)
        return mr_fail(MR_ERR_USAGE, "%s has no column %.100s; did you mean %s?", run->dir, column,
                       nearest);
    return mr_fail(MR_ERR_USAGE,
                   "%s has no column %.100s; the first lines of its progress.csv and "
                   "evaluations.csv list them",
                   run->dir, column);
}

// The index of a column in evaluations.csv, or else in progress.csv; MR_NO_COLUMN.
static int find_column(const mr_run_data *run, const char *name, const mr_run_table **table) {
    *table = &run->evaluations;
    int column = mr_run_table_column(*table, name);
    if (column == MR_NO_COLUMN) {
        *table = &run->progress;
        column = mr_run_table_column(*table, name);
    }
    return column;
}

// Whether progress.csv, which may be empty, is without the column of an x axis.
static bool lacks_axis(const mr_run_data *run, mr_x_axis x) {
    return x != MR_X_STEPS && run->progress.n_columns > 0 &&
           mr_run_table_column(&run->progress, axes[x].column) == MR_NO_COLUMN;
}

static mr_status read_column(const mr_run_table *table, const char *name, size_t row, double *out) {
    const int column = mr_run_table_column(table, name);
    if (column == MR_NO_COLUMN)
        return mr_fail(MR_ERR_INPUT, "%s has no column %s", table->path, name);
    return mr_run_table_number(table, row, (size_t)column, out);
}

// ---- x

/// Where the steps of evaluations are found among the rows of progress.csv.
typedef struct {
    size_t next;    // the row after
    double step, x; // before: of the row, or the origin
    double next_step, next_x;
} walk;

static mr_status walk_to(walk *w, const mr_run_table *progress, const char *column, double step) {
    mr_status status = MR_OK;
    while (w->next_step < step && w->next < progress->n_rows) {
        w->step = w->next_step;
        w->x = w->next_x;
        MR_TRY(read_column(progress, steps_column, w->next, &w->next_step));
        MR_TRY(read_column(progress, column, w->next, &w->next_x));
        w->next++;
    }
done:
    return status;
}

// NaN: beyond the last row.
static double interpolate(const walk *w, double step) {
    if (step > w->next_step)
        return NAN;
    if (step == w->next_step)
        return w->next_x;
    return w->x + (w->next_x - w->x) * (step - w->step) / (w->next_step - w->step);
}

// ---- The series

mr_status mr_series_fail_missing(const mr_run_data *run, mr_x_axis x, const char *column) {
    const mr_run_table *table;
    if (run->progress.n_columns + run->evaluations.n_columns == 0)
        return mr_fail(MR_ERR_INPUT, "%s has no results yet; let the run go on for longer",
                       run->dir);
    if (find_column(run, column, &table) == MR_NO_COLUMN)
        return fail_unknown(run, column);
    if (lacks_axis(run, x))
        return mr_fail(MR_ERR_INPUT, "%s has no column %s", run->progress.path, axes[x].column);
    if (table == &run->evaluations && table->n_rows == 0)
        return mr_fail(MR_ERR_INPUT, "%s: no evaluation yet; let the run go on for longer",
                       table->path);
    return mr_fail(MR_ERR_INPUT, "%s: no number under %s yet; let the run go on for longer",
                   table->path, column);
}

// Two rows may have the same number of updates; the later one counts.
static void add_point(mr_series *series, double x, double y) {
    if (series->n > 0 && x <= series->at[series->n - 1].x)
        series->n--;
    series->at[series->n++] = (mr_point){x, y};
}

static mr_status read_points(const mr_run_table *table, const mr_run_table *progress, mr_x_axis x,
                             size_t column, mr_series *out) {
    mr_status status = MR_OK;
    walk w = {0};
    double before = -1;
    for (size_t i = 0; i < table->n_rows; i++) {
        double step, at, y;
        MR_TRY(read_column(table, steps_column, i, &step));
        MR_TRY(mr_run_table_number(table, i, column, &y));
        if (!(step > before))
            return mr_fail(MR_ERR_INPUT, "%s:%zu: the steps do not go up", table->path, i + 2);
        before = at = step;
        if (x != MR_X_STEPS && table == progress)
            MR_TRY(read_column(table, axes[x].column, i, &at));
        if (x != MR_X_STEPS && table != progress) {
            MR_TRY(walk_to(&w, progress, axes[x].column, step));
            at = interpolate(&w, step);
        }
        if (isfinite(at) && isfinite(y))
            add_point(out, at, y);
    }
done:
    return status;
}

mr_status mr_series_read(const mr_run_data *run, mr_x_axis x, const char *column, mr_series *out) {
    const mr_run_table *table;
    const int index = find_column(run, column, &table);
    *out = (mr_series){0};
    if (index == MR_NO_COLUMN || lacks_axis(run, x))
        return MR_OK;
    out->at = calloc(table->n_rows + 1, sizeof *out->at);
    if (out->at == NULL)
        return mr_fail_memory("the curves");
    const mr_status status = read_points(table, &run->progress, x, (size_t)index, out);
    if (status != MR_OK || out->n == 0) {
        free(out->at);
        *out = (mr_series){0};
    }
    return status;
}
