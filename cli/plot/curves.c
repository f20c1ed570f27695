// Curves of several runs.

#include "cli/plot/curves.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/statistics.h"
#include "cli/plot/run_label.h"

enum { MAX_GROUP_SETTINGS = 16 };

/// How runs are grouped.
typedef struct {
    size_t n; // settings; 0: by mr_runs_alike
    const mr_setting *setting[MAX_GROUP_SETTINGS];
} grouping;

/// A run on its way into a curve.
typedef struct {
    const mr_settings *settings;
    mr_series series; // owned
    size_t curve;
} member;

// ---- Grouping

static const char *setting_name_at(const void *unused, size_t i) {
    (void)unused;
    return mr_setting_at(i)->name;
}

static mr_status find_setting(const char *name, const mr_setting **out) {
    *out = mr_setting_find(name);
    if (*out != NULL)
        return MR_OK;
    const char *nearest = mr_nearest(name, mr_setting_count(), setting_name_at, NULL);
    if (nearest != NULL)
        return mr_fail(MR_ERR_USAGE, "--group-by: there is no setting %.60s; did you mean %s?",
                       name, nearest);
    return mr_fail(MR_ERR_USAGE,
                   "--group-by: there is no setting %.60s; `millrace help train` lists them", name);
}

static mr_status read_grouping(const char *text, grouping *out) {
    mr_status status = MR_OK;
    char names[MR_MAX_TEXT], *rest = NULL;
    snprintf(names, sizeof names, "%s", text);
    out->n = 0;
    for (const char *name = strtok_r(names, ",", &rest); name != NULL;
         name = strtok_r(NULL, ",", &rest)) {
        if (out->n == MAX_GROUP_SETTINGS)
            return mr_fail(MR_ERR_USAGE, "--group-by takes at most %d settings",
                           MAX_GROUP_SETTINGS);
        MR_TRY(find_setting(name, &out->setting[out->n]));
        out->n++;
    }
done:
    return status;
}

static bool has_same_settings(const grouping *by, const mr_settings *a, const mr_settings *b) {
    for (size_t i = 0; i < by->n; i++)
        if (!mr_runs_agree(by->setting[i], a, b))
            return false;
    return true;
}

static bool is_same_curve(const grouping *by, const mr_settings *a, const mr_settings *b) {
    return strcmp(a->env, b->env) == 0 &&
           (by->n > 0 ? has_same_settings(by, a, b) : mr_runs_alike(a, b));
}

static void write_label(const grouping *by, const mr_settings *run, size_t n,
                        const mr_settings *const *all, char text[MR_CURVE_LABEL_SIZE]) {
    if (by->n > 0)
        mr_run_label_of(run, by->n, by->setting, text, MR_CURVE_LABEL_SIZE);
    else
        mr_run_label(run, n, all, text, MR_CURVE_LABEL_SIZE);
}

// ---- Means

// A run's value between its first and its last point, interpolated.
static double value_at(const mr_series *s, double x, size_t *from) {
    while (s->at[*from].x < x)
        (*from)++;
    const mr_point *p = &s->at[*from];
    return p->x == x ? p->y : p[-1].y + (p->y - p[-1].y) * (x - p[-1].x) / (p->x - p[-1].x);
}

/// The range of x that all runs of a curve cover.
typedef struct {
    double first, last;
    double longest; // the last x of any of them
    size_t n_points;
} extent;

static extent extent_of(size_t curve, size_t n, const member *members) {
    extent e = {.first = -INFINITY, .last = INFINITY, .longest = -INFINITY};
    for (size_t i = 0; i < n; i++) {
        const mr_series *s = &members[i].series;
        if (members[i].curve != curve || s->n == 0)
            continue;
        e.first = fmax(e.first, s->at[0].x);
        e.last = fmin(e.last, s->at[s->n - 1].x);
        e.longest = fmax(e.longest, s->at[s->n - 1].x);
        e.n_points += s->n;
    }
    return e;
}

// Every x at which a run of the curve has a point, once, within the range that all cover.
static size_t list_x(size_t curve, size_t n, const member *members, const extent *e, double *x) {
    size_t k = 0, n_distinct = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < members[i].series.n && members[i].curve == curve; j++)
            if (members[i].series.at[j].x >= e->first && members[i].series.at[j].x <= e->last)
                x[k++] = members[i].series.at[j].x;
    qsort(x, k, sizeof *x, mr_ascending);
    for (size_t j = 0; j < k; j++)
        if (j == 0 || x[j] > x[n_distinct - 1])
            x[n_distinct++] = x[j];
    return n_distinct;
}

static mr_status average(size_t curve, size_t n, const member *members, const extent *e,
                         mr_curve *out) {
    double *x = calloc(e->n_points + 1, sizeof *x);
    size_t *from = calloc(n + 1, sizeof *from);
    out->at = calloc(e->n_points + 1, sizeof *out->at);
    if (x == NULL || from == NULL || out->at == NULL) {
        free(x);
        free(from);
        return mr_fail_memory("the curves");
    }
    out->n = list_x(curve, n, members, e, x);
    for (size_t j = 0; j < out->n; j++) {
        mr_curve_point *p = &out->at[j];
        *p = (mr_curve_point){.x = x[j], .low = INFINITY, .high = -INFINITY};
        for (size_t i = 0; i < n; i++) {
            if (members[i].curve != curve || members[i].series.n == 0)
                continue;
            const double y = value_at(&members[i].series, x[j], &from[i]);
            p->mean += y / (double)out->n_runs;
            p->low = fmin(p->low, y);
            p->high = fmax(p->high, y);
        }
    }
    free(x);
    free(from);
    return MR_OK;
}

// ---- All

static void write_name(mr_curve *curve, const extent *e, mr_x_axis x) {
    const char *label = curve->label;
    static const char *const units[] = {
        [MR_X_STEPS] = "step ", [MR_X_TIME] = "second ", [MR_X_UPDATES] = "update "};
    if (curve->n_runs > 1 && e->last < e->longest)
        snprintf(curve->name, sizeof curve->name,
                 "%s (%zu runs, up to %s%.0f, the last that all have reached)", label,
                 curve->n_runs, units[x], e->last);
    else if (curve->n_runs > 1)
        snprintf(curve->name, sizeof curve->name, "%s (%zu runs)", label, curve->n_runs);
    else
        snprintf(curve->name, sizeof curve->name, "%s", label);
}

static mr_status read_members(size_t n, const mr_run_data *runs, const mr_curve_options *options,
                              const grouping *by, member *members, mr_curve_list *list) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < n; i++) {
        member *m = &members[i];
        m->settings = &runs[i].settings;
        size_t before = 0;
        while (before < i && !is_same_curve(by, members[before].settings, m->settings))
            before++;
        m->curve = before < i ? members[before].curve : list->n++;
        list->curve[m->curve].env = m->settings->env;
        MR_TRY(mr_series_read(&runs[i], options->x, options->column, &m->series));
        if (m->series.n == 0 && !options->skips_missing)
            MR_TRY(mr_series_fail_missing(&runs[i], options->x, options->column));
        list->curve[m->curve].n_runs += m->series.n > 0;
    }
done:
    return status;
}

static size_t first_of(size_t curve, const member *members) {
    size_t i = 0;
    while (members[i].curve != curve)
        i++;
    return i;
}

static mr_status make_curve(size_t k, size_t n, const mr_run_data *runs, const member *members,
                            const mr_curve_options *options, mr_curve *curve) {
    const extent e = extent_of(k, n, members);
    write_name(curve, &e, options->x);
    if (options->skips_missing && (curve->n_runs == 0 || e.first > e.last))
        return MR_OK;
    if (e.first > e.last)
        return mr_fail(MR_ERR_INPUT,
                       "%s and other runs of its kind have no common range (one begins at %.0f, "
                       "one ends at %.0f); draw them one by one",
                       runs[first_of(k, members)].dir, e.first, e.last);
    return average(k, n, members, &e, curve);
}

// Curves of different tasks with the same label have the same colour.
static void choose_colours(mr_curve_list *list) {
    size_t n_colours = 0;
    for (size_t k = 0; k < list->n; k++) {
        size_t before = 0;
        while (before < k && strcmp(list->curve[before].label, list->curve[k].label) != 0)
            before++;
        list->curve[k].colour = before < k ? list->curve[before].colour : n_colours++;
    }
}

mr_status mr_curves_make(size_t n, const mr_run_data *runs, const mr_curve_options *options,
                         size_t *curve_of, mr_curve_list *out) {
    mr_status status;
    grouping by = {0};
    member *members = calloc(n + 1, sizeof *members);
    const mr_settings **all = calloc(n + 1, sizeof(const mr_settings *));
    *out = (mr_curve_list){.curve = calloc(n + 1, sizeof *out->curve)};
    if (members == NULL || all == NULL || out->curve == NULL) {
        status = mr_fail_memory("the curves");
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        all[i] = &runs[i].settings;
    MR_TRY(read_grouping(options->group_by, &by));
    MR_TRY(read_members(n, runs, options, &by, members, out));
    for (size_t k = 0; k < out->n; k++) {
        write_label(&by, members[first_of(k, members)].settings, n, all, out->curve[k].label);
        MR_TRY(make_curve(k, n, runs, members, options, &out->curve[k]));
    }
    choose_colours(out);
    for (size_t i = 0; i < n && curve_of != NULL; i++)
        curve_of[i] = members[i].curve;
done:
    for (size_t i = 0; i < n && members != NULL; i++)
        free(members[i].series.at);
    free(members);
    free(all);
    return status;
}

void mr_curve_list_free(mr_curve_list *list) {
    for (size_t k = 0; k < list->n && list->curve != NULL; k++)
        free(list->curve[k].at);
    free(list->curve);
    *list = (mr_curve_list){0};
}
