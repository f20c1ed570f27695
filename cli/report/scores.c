// Scores of runs.

#include "cli/report/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

static const char mean_column[] = "eval/mean_reward", returns_column[] = "eval/returns";

/// The runs of a curve that have been evaluated.
typedef struct {
    size_t n;
    const mr_run_data **run; // [n] owned
    mr_series *series;       // [n] owned, with its points
} group;

static void group_free(group *g) {
    for (size_t i = 0; i < g->n && g->series != NULL; i++)
        free(g->series[i].at);
    free(g->run);
    free(g->series);
}

static mr_status read_group(size_t k, size_t n, const mr_run_data *runs, const size_t *curve_of,
                            group *g) {
    mr_status status = MR_OK;
    *g = (group){.run = calloc(n, sizeof(const mr_run_data *)),
                 .series = calloc(n, sizeof *g->series)};
    if (g->run == NULL || g->series == NULL)
        return mr_fail_memory("the scores of runs");
    for (size_t i = 0; i < n; i++) {
        if (curve_of[i] != k)
            continue;
        MR_TRY(mr_series_read(&runs[i], MR_X_STEPS, mean_column, &g->series[g->n]));
        if (g->series[g->n].n > 0)
            g->run[g->n++] = &runs[i];
    }
done:
    return status;
}

static double common_last(const group *g) {
    double last = INFINITY;
    for (size_t i = 0; i < g->n; i++)
        last = fmin(last, g->series[i].at[g->series[i].n - 1].x);
    return last;
}

// The last point up to a step; the first, if all come later.
static size_t point_at(const mr_series *s, double step) {
    size_t j = s->n - 1;
    while (j > 0 && s->at[j].x > step)
        j--;
    return j;
}

// The returns of the episodes of an evaluation, with spaces between. NULL without memory.
static double *read_returns(const mr_run_table *t, double step, size_t *n) {
    const int column = mr_run_table_column(t, returns_column);
    const int steps = mr_run_table_column(t, "time/total_timesteps");
    const char *text = "";
    *n = 0;
    for (size_t i = 0; i < t->n_rows && column != MR_NO_COLUMN; i++) {
        double at;
        if (mr_run_table_number(t, i, (size_t)steps, &at) == MR_OK && at == step)
            text = t->cells[i * t->n_columns + (size_t)column];
    }
    double *returns = calloc(strlen(text) / 2 + 1, sizeof *returns);
    for (char *end; returns != NULL && *text != '\0'; text = end) {
        returns[*n] = mr_number_read(text, &end);
        if (end == text)
            break;
        if (isfinite(returns[*n]))
            (*n)++;
    }
    return returns;
}

static mr_status measure_interval(const group *g, const double *scores, mr_scores *out) {
    if (g->n > 1)
        return mr_bootstrap_interval(mr_interquartile_mean, g->n, scores, &out->interval);
    size_t n;
    mr_status status = MR_OK;
    double *returns = read_returns(&g->run[0]->evaluations, out->step, &n);
    if (returns == NULL)
        return mr_fail_memory("the scores of runs");
    if (n > 1) {
        status = mr_bootstrap_interval(mr_mean, n, returns, &out->interval);
        out->n_samples = n;
    }
    free(returns);
    return status;
}

static mr_status score(const group *g, mr_scores *out) {
    double *scores = calloc(g->n, sizeof *scores);
    if (scores == NULL)
        return mr_fail_memory("the scores of runs");
    out->step = common_last(g);
    out->n_samples = out->n_runs = g->n;
    out->best = -INFINITY;
    for (size_t i = 0; i < g->n; i++)
        for (size_t j = 0; j < g->series[i].n; j++)
            out->best = fmax(out->best, g->series[i].at[j].y);
    for (size_t i = 0; i < g->n; i++)
        scores[i] = g->series[i].at[point_at(&g->series[i], out->step)].y;
    out->mean = mr_interquartile_mean(g->n, scores);
    const mr_status status = measure_interval(g, scores, out);
    free(scores);
    return status;
}

mr_status mr_scores_measure(size_t k, size_t n, const mr_run_data *runs, const size_t *curve_of,
                            mr_scores *out) {
    group g;
    *out = (mr_scores){0};
    mr_status status = read_group(k, n, runs, curve_of, &g);
    if (status == MR_OK && g.n > 0)
        status = score(&g, out);
    group_free(&g);
    return status;
}
