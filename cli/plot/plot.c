// `millrace plot`: learning curves as a picture, drawn by gnuplot.
//
// Runs that differ only in their seeds are one curve: their mean, with a band from the lowest to
// the highest.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "base/path.h"
#include "cli/command_line.h"
#include "cli/plot/density_history.h"
#include "cli/plot/gnuplot.h"
#include "cli/plot/legend.h"
#include "cli/plot/run_label.h"

enum { LABEL_SIZE = 1024, NAME_SIZE = LABEL_SIZE + 64 };

typedef struct {
    char out[MR_MAX_TEXT];
    char title[MR_MAX_TEXT];
    size_t width;
    size_t height;
    bool density;
} plot_options;

#define AT(field) offsetof(plot_options, field)

static const mr_setting options[] = {
    {"out", MR_SETTING_OUT_FILE, AT(out), "curve.png", 0, 0, "FILE.png", "where the picture goes",
     false},
    {"density", MR_SETTING_SWITCH, AT(density), "false", 0, 0, NULL,
     "draw how the state density of a run with --bonus density went, instead", false},
    {"title", MR_SETTING_TEXT, AT(title), "", 0, 0, "TEXT",
     "what stands above it; default: the task, where there is but one", false},
    {"width", MR_SETTING_COUNT, AT(width), "1000", 200, 10000, "N",
     "its width in pixels (of curves)", false},
    {"height", MR_SETTING_COUNT, AT(height), "600", 150, 10000, "N",
     "its height in pixels (of curves)", false},
};

typedef struct {
    double step;
    double mean;
} point;

typedef struct {
    mr_settings settings;
    const mr_settings *curve; // the settings of the first run that is alike
    size_t n_points;
    point *points; // [n_points], steps ascending
} run;

static bool same_curve(const run *a, const run *b) {
    return a->curve == b->curve;
}

static bool parse_row(const char *row, point *p) {
    char *end;
    p->step = mr_number_read(row, &end);
    if (end == row || *end != ',')
        return false;
    row = end + 1;
    p->mean = mr_number_read(row, &end);
    return end > row && *end == ',' && isfinite(p->mean);
}

// The first two columns of evaluations.csv are the step and the mean return. A last row without a
// newline is still being written and is left out.
static mr_status parse_points(const char *path, char *text, run *r) {
    size_t n_lines = 0;
    for (const char *c = strchr(text, '\n'); c != NULL; c = strchr(c + 1, '\n'))
        n_lines++;
    r->points = calloc(n_lines + 1, sizeof *r->points);
    if (r->points == NULL)
        return mr_fail_memory("the curves");
    char *row = strchr(text, '\n');
    for (size_t i = 2; row != NULL && i <= n_lines; i++) {
        point *p = &r->points[r->n_points++];
        row++;
        if (!parse_row(row, p))
            return mr_fail(MR_ERR_INPUT, "%s:%zu: expected a step and a mean return", path, i);
        if (r->n_points > 1 && p->step <= p[-1].step)
            return mr_fail(MR_ERR_INPUT, "%s:%zu: the steps do not go up", path, i);
        row = strchr(row, '\n');
    }
    if (r->n_points == 0)
        return mr_fail(MR_ERR_INPUT, "%s: no evaluation yet; let the run go on for longer", path);
    return MR_OK;
}

static mr_status read_points(const char *dir, run *r) {
    mr_status status;
    char *path = NULL, *text = NULL;
    size_t n_bytes;

    if (asprintf(&path, "%s/evaluations.csv", dir) < 0)
        return mr_fail_memory("a file name");
    MR_TRY(mr_file_read(path, &text, &n_bytes));
    status = parse_points(path, text, r);
done:
    free(text);
    free(path);
    return status;
}

static mr_status read_config(const char *dir, mr_settings *settings) {
    char *path;
    if (asprintf(&path, "%s/config.yaml", dir) < 0)
        return mr_fail_memory("a file name");
    mr_settings_init(settings);
    const mr_status status = mr_settings_read(settings, path);
    free(path);
    return status;
}

static mr_status read_run(const char *dir, run *r) {
    const mr_status status = read_config(dir, &r->settings);
    return status == MR_OK ? read_points(dir, r) : status;
}

// A run's mean return at a step between its first and its last evaluation, interpolated.
static double value_at(const run *r, double step) {
    const point *p = r->points;
    while (p->step < step)
        p++;
    if (p->step == step)
        return p->mean;
    return p[-1].mean + (p->mean - p[-1].mean) * (step - p[-1].step) / (p->step - p[-1].step);
}

static double last_step(const run *r) {
    return r->points[r->n_points - 1].step;
}

// The range of steps that all runs of a curve cover: a mean over only some of them would jump at
// the step where a run begins or ends.
typedef struct {
    double first, last;
    double longest; // the last step of any of them
    size_t n_runs;
} extent;

static extent extent_of(const run *first, const run *end) {
    extent e = {.first = -INFINITY, .last = INFINITY};
    for (const run *r = first; r < end; r++) {
        if (!same_curve(first, r))
            continue;
        e.first = fmax(e.first, r->points[0].step);
        e.last = fmin(e.last, last_step(r));
        e.longest = fmax(e.longest, last_step(r));
        e.n_runs++;
    }
    return e;
}

// Writes a row of the curve of `first`: step in the picture's unit; mean, lowest and highest
// return.
static void write_row(FILE *script, const run *first, const run *end, double step, double unit) {
    double sum = 0, low = INFINITY, high = -INFINITY;
    size_t n = 0;
    for (const run *r = first; r < end; r++) {
        if (!same_curve(first, r))
            continue;
        const double value = value_at(r, step);
        sum += value;
        low = fmin(low, value);
        high = fmax(high, value);
        n++;
    }
    fprintf(script, "%.10g %.10g %.10g %.10g\n", step / unit, sum / (double)n, low, high);
}

// Writes rows, ascending, at every step at which a run of the curve was evaluated, within the range
// that all of its runs cover.
static void write_rows(FILE *script, const run *first, const run *end, double unit) {
    const extent e = extent_of(first, end);
    double step = e.first;
    while (step <= e.last) {
        double next = INFINITY;
        write_row(script, first, end, step, unit);
        for (const run *r = first; r < end; r++)
            for (size_t i = 0; i < r->n_points && same_curve(first, r); i++)
                if (r->points[i].step > step)
                    next = fmin(next, r->points[i].step);
        step = next;
    }
}

// Lists the first run of each curve.
static bool begins_curve(const run *r) {
    return r->curve == &r->settings;
}

static void find_curve(const run *runs, run *r) {
    r->curve = &r->settings;
    for (const run *before = runs; before < r; before++)
        if (begins_curve(before) && mr_runs_alike(&before->settings, &r->settings)) {
            r->curve = &before->settings;
            return;
        }
}

static bool is_one_task(const run *runs, const run *end) {
    for (const run *r = runs; r < end; r++)
        if (strcmp(r->settings.env, runs->settings.env) != 0)
            return false;
    return true;
}

// The legend's name of the curve of `first`: "gaussian (3 runs)".
static void name_curve(const run *first, const run *end, size_t n_all,
                       const mr_settings *const *all, char name[NAME_SIZE]) {
    const extent e = extent_of(first, end);
    mr_run_label(&first->settings, n_all, all, name, LABEL_SIZE);
    const size_t length = strlen(name);
    if (e.n_runs > 1 && e.last < e.longest)
        snprintf(name + length, NAME_SIZE - length, " (%zu runs, up to step %.0f, as far as all)",
                 e.n_runs, e.last);
    else if (e.n_runs > 1)
        snprintf(name + length, NAME_SIZE - length, " (%zu runs)", e.n_runs);
}

// The further lines of a long name are entries of invisible curves, because gnuplot's legend has no
// line breaks.
static void write_name(FILE *script, const mr_legend_name *name) {
    mr_picture_quote(script, name->line[0]);
    for (size_t k = 1; k < name->n; k++) {
        fputs(", NaN with lines linecolor rgb '#ffffff' title ", script);
        mr_picture_quote(script, name->line[k]);
    }
}

static void write_curve(FILE *script, size_t i, const mr_legend_name *name) {
    const char *colour = mr_colours[i % MR_N_COLOURS];
    fprintf(script,
            "%s$curve%zu using 1:3:4 with filledcurves fillcolor rgb '%s' "
            "fillstyle transparent solid 0.2 noborder notitle, "
            "$curve%zu using 1:2 with linespoints linewidth 2 pointtype 7 pointsize 0.4 "
            "linecolor rgb '%s' title ",
            i > 0 ? ", " : "plot ", i, colour, i, colour);
    write_name(script, name);
}

// The unit of the x axis of a picture whose last step is `last`.
typedef struct {
    double last;
    double steps;
    const char *label;
} step_unit;

static step_unit unit_for(const run *runs, const run *end) {
    static const step_unit units[] = {
        {2e6, 1e6, "million environment steps"},
        {1e4, 1e3, "thousand environment steps"},
        {0, 1, "environment steps"},
    };
    double last = 0;
    for (const run *r = runs; r < end; r++)
        if (begins_curve(r))
            last = fmax(last, extent_of(r, end).last);
    size_t i = 0;
    while (last < units[i].last)
        i++;
    return (step_unit){last, units[i].steps, units[i].label};
}

/// The contents of a picture.
typedef struct {
    const plot_options *chosen;
    const run *runs, *end;
    const mr_settings *const *settings; // of the runs
} curves;

static mr_legend choose_legend(const curves *c) {
    size_t n = 0, longest = 0;
    for (const run *r = c->runs; r < c->end; r++) {
        char name[NAME_SIZE];
        if (!begins_curve(r))
            continue;
        name_curve(r, c->end, (size_t)(c->end - c->runs), c->settings, name);
        const size_t n_letters = mr_count_letters(name);
        longest = n_letters > longest ? n_letters : longest;
        n++;
    }
    return mr_legend_choose(n, longest, c->chosen->width, c->chosen->height);
}

static void write_curves(FILE *script, const curves *c, const mr_legend *legend) {
    size_t n_curves = 0;
    for (const run *r = c->runs; r < c->end; r++) {
        char name[NAME_SIZE];
        mr_legend_name broken;
        if (!begins_curve(r))
            continue;
        name_curve(r, c->end, (size_t)(c->end - c->runs), c->settings, name);
        mr_legend_break(legend, name, &broken);
        write_curve(script, n_curves++, &broken);
    }
    fputc('\n', script);
}

static void write_title(FILE *script, const curves *c) {
    char title[MR_MAX_TEXT];
    const bool is_one = is_one_task(c->runs, c->end);
    mr_title_fit(c->chosen->title[0] == '\0' && is_one ? c->runs->settings.env : c->chosen->title,
                 c->chosen->width, title, sizeof title);
    fputs("set title ", script);
    mr_picture_quote(script, title);
}

static void write_script(FILE *script, const void *self) {
    const curves *c = self;
    const run *runs = c->runs, *end = c->end;
    const mr_legend legend = choose_legend(c);
    write_title(script, c);
    const step_unit unit = unit_for(runs, end);
    fprintf(script, "\nset xlabel '%s'\nset xrange [0:%.10g]\n", unit.label,
            unit.last / unit.steps);
    fputs("set ylabel 'mean return'\n"
          "set border 3 linecolor rgb '#555555'\n"
          "set tics nomirror out\n"
          "set grid linecolor rgb '#dddddd' linetype 1\n"
          "set offsets 0, 0, graph 0.05, graph 0.02\n",
          script);
    fprintf(script, "set key %s reverse Left noenhanced\n",
            legend.is_below ? "below left vertical maxcols 1 height 1" : "left top");
    size_t n_curves = 0;
    for (const run *r = runs; r < end; r++) {
        if (begins_curve(r)) {
            fprintf(script, "$curve%zu << END\n", n_curves++);
            write_rows(script, r, end, unit.steps);
            fputs("END\n", script);
        }
    }
    write_curves(script, c, &legend);
}

static mr_status draw_density(const mr_command_line *line, const plot_options *chosen) {
    mr_settings settings;
    if (line->n_arguments > 1)
        return mr_fail(MR_ERR_USAGE, "--density draws one run at a time, not %zu",
                       line->n_arguments);
    const mr_status status = read_config(line->arguments[0], &settings);
    if (status != MR_OK)
        return status;
    return mr_density_history_draw(
        &(mr_density_history){.dir = line->arguments[0],
                              .settings = &settings,
                              .title = chosen->title[0] != '\0' ? chosen->title : settings.env,
                              .out = chosen->out});
}

// Fails if runs of one curve have no range of steps in common.
static mr_status check_extents(const mr_command_line *line, const run *runs) {
    const run *end = runs + line->n_arguments;
    for (const run *r = runs; r < end; r++) {
        const extent e = extent_of(r, end);
        if (begins_curve(r) && e.first > e.last)
            return mr_fail(MR_ERR_INPUT,
                           "%s and other runs of its kind were evaluated at no common steps (one "
                           "from step %.0f on, one up to step %.0f); draw them one by one",
                           line->arguments[r - runs], e.first, e.last);
    }
    return MR_OK;
}

// Fails if a run is named twice: it would count as two.
static mr_status check_distinct(const mr_command_line *line) {
    for (size_t i = 0; i < line->n_arguments; i++)
        for (size_t j = 0; j < i; j++)
            if (mr_path_is_same(line->arguments[i], line->arguments[j]))
                return mr_fail(MR_ERR_USAGE, "%s and %s are the same run; leave out one of them",
                               line->arguments[j], line->arguments[i]);
    return MR_OK;
}

static mr_status draw_curves(const mr_command_line *line, const plot_options *chosen) {
    mr_status status = MR_OK;
    const size_t n = line->n_arguments;
    run *runs = calloc(n, sizeof *runs);
    const mr_settings **settings = calloc(n, sizeof(const mr_settings *));
    if (runs == NULL || settings == NULL) {
        status = mr_fail_memory("the curves");
        goto done;
    }
    MR_TRY(check_distinct(line));
    for (size_t i = 0; i < n; i++) {
        MR_TRY(read_run(line->arguments[i], &runs[i]));
        find_curve(runs, &runs[i]);
        settings[i] = &runs[i].settings;
    }
    MR_TRY(check_extents(line, runs));
    status = mr_picture_draw(chosen->out, chosen->width, chosen->height, write_script,
                             &(curves){chosen, runs, runs + n, settings});
done:
    for (size_t i = 0; i < n && runs != NULL; i++)
        free(runs[i].points);
    free(settings);
    free(runs);
    return status;
}

static mr_status run_plot(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    plot_options chosen;
    MR_TRY(mr_command_line_store(&mr_command_plot, line, &chosen));
    MR_TRY(mr_picture_check_name(chosen.out));
    MR_TRY(chosen.density ? draw_density(line, &chosen) : draw_curves(line, &chosen));
    printf("%s\n", chosen.out);
done:
    return status;
}

const mr_command mr_command_plot = {
    .name = "plot",
    .usage = "RUN_DIR... [options]",
    .summary = "draw the learning curves of runs, or a run's state density over time",
    .details = "Draws the mean return of the evaluations against the environment steps.\n"
               "Runs that differ in no more than their seeds and their length are one curve:\n"
               "their mean, in a band from the lowest to the highest, as far as all of them go.\n"
               "With --density, the state density of a run with --bonus density at its\n"
               "evaluations, as maps with the same colours. Needs gnuplot.",
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_plot,
};
