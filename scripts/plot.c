// `millrace plot`: learning curves as a picture, drawn by gnuplot.
//
// Runs that differ in no more than their seeds are one curve: their mean, in a band from the lowest
// to the highest.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/file.h"
#include "scripts/command.h"
#include "scripts/density_history.h"
#include "scripts/gnuplot.h"
#include "scripts/run_label.h"

enum { LABEL_SIZE = 1024 };

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

// evaluations.csv begins with the step and the mean return. A last row without its line end is
// one that is being written.
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
        if (sscanf(row, "%lf,%lf,", &p->step, &p->mean) != 2 || !isfinite(p->mean))
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

// A run's mean return at a step between two evaluations; NaN outside of them all.
static double value_at(const run *r, double step) {
    for (size_t i = 0; i < r->n_points; i++) {
        const point *p = &r->points[i];
        if (p->step == step)
            return p->mean;
        if (i > 0 && p->step > step && p[-1].step < step)
            return p[-1].mean +
                   (p->mean - p[-1].mean) * (step - p[-1].step) / (p->step - p[-1].step);
    }
    return NAN;
}

// Writes a row: step in the picture's unit, mean, lowest and highest of the runs that are one curve
// with `first`.
static void write_row(FILE *script, const run *first, const run *end, double step, double unit) {
    double sum = 0, low = INFINITY, high = -INFINITY;
    size_t n = 0;
    for (const run *r = first; r < end; r++) {
        const double value = same_curve(first, r) ? value_at(r, step) : NAN;
        if (isnan(value))
            continue;
        sum += value;
        low = fmin(low, value);
        high = fmax(high, value);
        n++;
    }
    fprintf(script, "%.10g %.10g %.10g %.10g\n", step / unit, sum / (double)n, low, high);
}

// Rows at every step at which one of the curve's runs was evaluated, ascending.
static void write_rows(FILE *script, const run *first, const run *end, double unit) {
    double step = -1;
    for (;;) {
        double next = INFINITY;
        for (const run *r = first; r < end; r++)
            for (size_t i = 0; i < r->n_points && same_curve(first, r); i++)
                if (r->points[i].step > step)
                    next = fmin(next, r->points[i].step);
        if (isinf(next))
            return;
        write_row(script, first, end, next, unit);
        step = next;
    }
}

// The first run of each curve stands for it.
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

static void write_curve(FILE *script, const run *first, const run *end, size_t i,
                        const char *label) {
    char name[LABEL_SIZE + 32];
    size_t n_runs = 0;
    for (const run *r = first; r < end; r++)
        n_runs += same_curve(first, r);
    snprintf(name, sizeof name, "%s", label);
    if (n_runs > 1)
        snprintf(name + strlen(name), 32, " (%zu runs)", n_runs);
    const char *colour = mr_colours[i % MR_N_COLOURS];
    fprintf(script,
            "%s$curve%zu using 1:3:4 with filledcurves fillcolor rgb '%s' "
            "fillstyle transparent solid 0.2 noborder notitle, "
            "$curve%zu using 1:2 with linespoints linewidth 2 pointtype 7 pointsize 0.4 "
            "linecolor rgb '%s' title ",
            i > 0 ? ", " : "plot ", i, colour, i, colour);
    mr_picture_quote(script, name);
}

// The unit of the steps in a picture that ends at the step `last`.
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
        last = fmax(last, r->points[r->n_points - 1].step);
    size_t i = 0;
    while (last < units[i].last)
        i++;
    return (step_unit){last, units[i].steps, units[i].label};
}

/// What a picture is made of.
typedef struct {
    const plot_options *chosen;
    const run *runs, *end;
    const mr_settings *const *settings; // of the runs
} curves;

static void write_script(FILE *script, const void *self) {
    const curves *c = self;
    const plot_options *chosen = c->chosen;
    const run *runs = c->runs, *end = c->end;
    const bool is_one = is_one_task(runs, end);
    const char *title = chosen->title[0] == '\0' && is_one ? runs->settings.env : chosen->title;
    fputs("set title ", script);
    mr_picture_quote(script, title);
    const step_unit unit = unit_for(runs, end);
    fprintf(script, "\nset xlabel '%s'\nset xrange [0:%.10g]\n", unit.label,
            unit.last / unit.steps);
    fputs("set ylabel 'mean return'\n"
          "set border 3 linecolor rgb '#555555'\n"
          "set tics nomirror out\n"
          "set grid linecolor rgb '#dddddd' linetype 1\n"
          "set key left top reverse Left noenhanced\n"
          "set offsets 0, 0, graph 0.05, graph 0.02\n",
          script);
    size_t n_curves = 0;
    for (const run *r = runs; r < end; r++) {
        if (begins_curve(r)) {
            fprintf(script, "$curve%zu << END\n", n_curves++);
            write_rows(script, r, end, unit.steps);
            fputs("END\n", script);
        }
    }
    n_curves = 0;
    for (const run *r = runs; r < end; r++) {
        char label[LABEL_SIZE];
        if (!begins_curve(r))
            continue;
        mr_run_label(&r->settings, (size_t)(end - runs), c->settings, label, sizeof label);
        write_curve(script, r, end, n_curves++, label);
    }
    fputc('\n', script);
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

static mr_status draw_curves(const mr_command_line *line, const plot_options *chosen) {
    mr_status status = MR_OK;
    const size_t n = line->n_arguments;
    run *runs = calloc(n, sizeof *runs);
    const mr_settings **settings = calloc(n, sizeof(const mr_settings *));
    if (runs == NULL || settings == NULL) {
        status = mr_fail_memory("the curves");
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        MR_TRY(read_run(line->arguments[i], &runs[i]));
        find_curve(runs, &runs[i]);
        settings[i] = &runs[i].settings;
    }
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
               "their mean, in a band from the lowest to the highest. With --density, the state\n"
               "density of a run with --bonus density at its evaluations, as maps with the same\n"
               "colours. Needs gnuplot.",
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_plot,
};
