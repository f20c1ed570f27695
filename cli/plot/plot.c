// `millrace plot`: curves of runs as a picture, drawn by gnuplot; or a run's state density.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/command_line.h"
#include "cli/plot/curves.h"
#include "cli/plot/density_history.h"
#include "cli/plot/gnuplot.h"
#include "cli/plot/legend.h"

typedef struct {
    char out[MR_MAX_TEXT];
    char x[MR_MAX_CHOICE];
    char y[MR_MAX_TEXT];
    char group_by[MR_MAX_TEXT];
    char title[MR_MAX_TEXT];
    bool ascii;
    bool density;
    size_t width;
    size_t height;
} plot_options;

#define AT(field) offsetof(plot_options, field)

static const char default_y[] = "eval/mean_reward";

static const mr_setting options[] = {
    {"out", MR_SETTING_OUT_FILE, AT(out), "curve.png", 0, 0, "FILE",
     "where the picture goes: .png, .svg or .pdf", false},
    {"x", MR_SETTING_CHOICE, AT(x), "steps", 0, 0, "steps|time|updates",
     "the horizontal axis: environment steps, time since the run began, or updates", false},
    {"y", MR_SETTING_TEXT, AT(y), "eval/mean_reward", 0, 0, "COLUMN",
     "a column of evaluations.csv or progress.csv", false},
    {"group_by", MR_SETTING_TEXT, AT(group_by), "", 0, 0, "SETTING",
     "one curve for each value of a setting (several: with commas between)", false},
    {"ascii", MR_SETTING_SWITCH, AT(ascii), "false", 0, 0, NULL,
     "draw with characters on standard output, and write no file", false},
    {"density", MR_SETTING_SWITCH, AT(density), "false", 0, 0, NULL,
     "draw how the state density of a run with --bonus density went, instead", false},
    {"title", MR_SETTING_TEXT, AT(title), "", 0, 0, "TEXT",
     "title of the picture; default: the name of the task, if there is only one", false},
    {"width", MR_SETTING_COUNT, AT(width), "1000", 40, 10000, "N",
     "width in pixels, or with --ascii in characters (of curves)", false},
    {"height", MR_SETTING_COUNT, AT(height), "600", 10, 10000, "N",
     "height in pixels, or with --ascii in characters (of curves)", false},
};

enum {
    N_PANEL_COLUMNS = 3,
    PANEL_WIDTH = 420, // pixels, of several panels, unless --width and --height say otherwise
    PANEL_HEIGHT = 320,
    LINE_HEIGHT = 20, // of a legend below the panels
    MIN_WIDTH = 200,  // of a picture
    MIN_HEIGHT = 150,
};

/// The contents of a picture.
typedef struct {
    const plot_options *chosen;
    mr_curve_list list;
    mr_x_axis x;
    size_t n_panels;
    const char **panel; // [n_panels] tasks, owned
    size_t width, height;
    size_t drawn; // the one panel that is drawn with --ascii
} picture;

static double last_x(const picture *p, const char *env) {
    double last = 0;
    for (size_t k = 0; k < p->list.n; k++) {
        const mr_curve *curve = &p->list.curve[k];
        if (strcmp(curve->env, env) == 0)
            last = fmax(last, curve->at[curve->n - 1].x);
    }
    return last;
}

// ---- Legends

static size_t longest_name(const picture *p) {
    size_t longest = 0;
    for (size_t k = 0; k < p->list.n; k++) {
        const size_t n = mr_count_letters(p->list.curve[k].name);
        longest = n > longest ? n : longest;
    }
    return longest;
}

// The first curve of its name. Only that one has an entry in the legend of all panels.
static bool begins_name(const mr_curve_list *list, size_t k) {
    for (size_t i = 0; i < k; i++)
        if (strcmp(list->curve[i].name, list->curve[k].name) == 0)
            return false;
    return true;
}

static size_t count_names(const mr_curve_list *list) {
    size_t n = 0;
    for (size_t k = 0; k < list->n; k++)
        n += begins_name(list, k);
    return n;
}

static mr_legend choose_legend(const picture *p) {
    mr_legend legend =
        mr_legend_choose(count_names(&p->list), longest_name(p), p->width, p->height);
    if (p->n_panels > 1 && !legend.is_below)
        legend = (mr_legend){.is_below = true, .n_columns = legend.n_columns, .n_lines = 1};
    return legend;
}

// Lines of the legend below the panels.
static size_t count_lines(const picture *p, const mr_legend *legend) {
    size_t n = 0;
    for (size_t k = 0; k < p->list.n; k++) {
        mr_legend_name broken;
        if (!begins_name(&p->list, k))
            continue;
        mr_legend_break(legend, p->list.curve[k].name, &broken);
        n += broken.n;
    }
    return n;
}

// The further lines of a long name are entries of invisible curves, because gnuplot's legend has no
// line breaks.
static void write_name(FILE *script, const mr_legend *legend, const char *name) {
    mr_legend_name broken;
    mr_legend_break(legend, name, &broken);
    fputs(" title ", script);
    mr_picture_quote(script, broken.line[0]);
    for (size_t k = 1; k < broken.n; k++) {
        fputs(", NaN with lines linecolor rgb '#ffffff' title ", script);
        mr_picture_quote(script, broken.line[k]);
    }
}

static const char *colour_of(const mr_curve *curve) {
    return mr_colours[curve->colour % MR_N_COLOURS];
}

static const char line_style[] = "with linespoints linewidth 2 pointtype 7 pointsize 0.4";

// A strip of its own below the panels: a plot of which only the legend is seen.
static void write_strip(FILE *script, const picture *p, const mr_legend *legend, double height) {
    const char *comma = "plot ";
    fprintf(script,
            "set origin 0,0\nset size 1,%.6f\nunset title\nunset border\nunset tics\n"
            "unset xlabel\nunset ylabel\nunset grid\nset margins 0,0,0,0\n"
            "set key center center reverse Left noenhanced maxcols 1\n"
            "set xrange [0:1]\nset yrange [0:1]\n",
            height);
    for (size_t k = 0; k < p->list.n; k++) {
        if (!begins_name(&p->list, k))
            continue;
        fprintf(script, "%sNaN %s linecolor rgb '%s'", comma, line_style,
                colour_of(&p->list.curve[k]));
        write_name(script, legend, p->list.curve[k].name);
        comma = ", ";
    }
    fputc('\n', script);
}

// ---- Panels

static void write_data(FILE *script, const picture *p, const char *env, double unit) {
    for (size_t k = 0; k < p->list.n; k++) {
        const mr_curve *curve = &p->list.curve[k];
        if (strcmp(curve->env, env) != 0)
            continue;
        fprintf(script, "$curve%zu << END\n", k);
        for (size_t i = 0; i < curve->n; i++)
            fprintf(script, "%.10g %.10g %.10g %.10g\n", curve->at[i].x / unit, curve->at[i].mean,
                    curve->at[i].low, curve->at[i].high);
        fputs("END\n", script);
    }
}

// `legend`: NULL, if the names stand elsewhere.
static void write_curves(FILE *script, const picture *p, const char *env, const mr_legend *legend) {
    const char *comma = "plot ";
    for (size_t k = 0; k < p->list.n; k++) {
        const mr_curve *curve = &p->list.curve[k];
        if (strcmp(curve->env, env) != 0)
            continue;
        if (curve->n_runs > 1 && !p->chosen->ascii)
            fprintf(script,
                    "%s$curve%zu using 1:3:4 with filledcurves fillcolor rgb '%s' "
                    "fillstyle transparent solid 0.2 noborder notitle",
                    comma, k, colour_of(curve));
        if (curve->n_runs > 1 && !p->chosen->ascii)
            comma = ", ";
        fprintf(script, "%s$curve%zu using 1:2 ", comma, k);
        if (p->chosen->ascii)
            fputs("with lines", script);
        else
            fprintf(script, "%s linecolor rgb '%s'", line_style, colour_of(curve));
        if (legend != NULL)
            write_name(script, legend, curve->name);
        else
            fputs(" notitle", script);
        comma = ", ";
    }
    fputc('\n', script);
}

static void write_axes(FILE *script, const picture *p, const char *env, double *unit) {
    const double last = last_x(p, env);
    const mr_axis_unit *chosen = mr_axis_unit_for(p->x, last);
    const char *y = p->chosen->y;
    *unit = chosen->size;
    fprintf(script, "\nset xlabel '%s'\nset xrange [0:%.10g]\nset ylabel ", chosen->label,
            last > 0 ? last / chosen->size : 1);
    mr_picture_quote(script, strcmp(y, default_y) == 0 ? "mean return" : y);
    fputs("\nset border 3 linecolor rgb '#555555'\n"
          "set tics nomirror out\n"
          "set offsets 0, 0, graph 0.05, graph 0.02\n",
          script);
    if (!p->chosen->ascii)
        fputs("set grid linecolor rgb '#dddddd' linetype 1\n", script);
}

static void write_title(FILE *script, const char *text, size_t width) {
    char title[MR_MAX_TEXT];
    mr_title_fit(text, width, title, sizeof title);
    fputs("set title ", script);
    mr_picture_quote(script, title);
}

static void write_panel(FILE *script, const picture *p, const char *env, const char *title,
                        size_t width, const mr_legend *legend) {
    double unit;
    write_title(script, title, width);
    write_axes(script, p, env, &unit);
    write_data(script, p, env, unit);
    write_curves(script, p, env, legend);
}

static const char *title_of(const picture *p, size_t panel) {
    return p->n_panels == 1 && p->chosen->title[0] != '\0' ? p->chosen->title : p->panel[panel];
}

static void write_inside(FILE *script, const picture *p, const mr_legend *legend) {
    fputs("set key left top reverse Left noenhanced\n", script);
    write_panel(script, p, p->panel[0], title_of(p, 0), p->width, legend);
}

// Panels in rows, the legend below them, the title above.
static void write_outside(FILE *script, const picture *p, const mr_legend *legend) {
    static const double title_height = 36;
    const bool has_title = p->n_panels > 1 && p->chosen->title[0] != '\0';
    const size_t n_columns = p->n_panels < N_PANEL_COLUMNS ? p->n_panels : N_PANEL_COLUMNS;
    const size_t n_rows = (p->n_panels + n_columns - 1) / n_columns;
    const double strip = (double)((count_lines(p, legend) + 1) * LINE_HEIGHT) / (double)p->height;
    const double top = has_title ? 1 - title_height / (double)p->height : 1;
    const double height = (top - strip) / (double)n_rows;
    fputs("set multiplot\nset key off\n", script);
    for (size_t i = 0; i < p->n_panels; i++) {
        const size_t row = i / n_columns, column = i % n_columns;
        fprintf(script, "set size %.6f,%.6f\nset origin %.6f,%.6f\n", 1 / (double)n_columns, height,
                (double)column / (double)n_columns, top - height * (double)(row + 1));
        write_panel(script, p, p->panel[i], title_of(p, i), p->width / n_columns, NULL);
    }
    if (has_title) {
        fputs("set label 1 ", script);
        mr_picture_quote(script, p->chosen->title);
        fprintf(script, " at screen 0.5,%.6f center noenhanced font ',15'\n", (1 + top) / 2);
    }
    write_strip(script, p, legend, strip);
    fputs("unset multiplot\n", script);
}

static void write_script(FILE *script, const void *self) {
    const picture *p = self;
    const mr_legend legend = choose_legend(p);
    if (legend.is_below)
        write_outside(script, p, &legend);
    else
        write_inside(script, p, &legend);
}

// ---- Characters

static void write_ascii(FILE *script, const void *self) {
    const picture *p = self;
    const mr_legend whole = {.n_columns = p->width, .n_lines = 1};
    fputs("set key below left vertical maxcols 1 reverse Left\n", script);
    write_panel(script, p, p->panel[p->drawn], title_of(p, p->drawn), SIZE_MAX, &whole);
}

static mr_status print_panel(const picture *p) {
    char terminal[128], *text;
    size_t n_bytes;
    snprintf(terminal, sizeof terminal, "set terminal dumb noenhanced nofeed size %zu,%zu",
             p->width, p->height);
    const mr_status status = mr_picture_render(terminal, write_ascii, p, &text, &n_bytes);
    if (status != MR_OK)
        return status;
    const char *line = text; // the first one, with a form feed, is empty
    while (line[0] == '\f' && strchr(line, '\n') != NULL)
        line = strchr(line, '\n') + 1;
    fputs(line, stdout);
    free(text);
    return MR_OK;
}

static mr_status print_panels(picture *p) {
    mr_status status = MR_OK;
    for (p->drawn = 0; p->drawn < p->n_panels && status == MR_OK; p->drawn++)
        status = print_panel(p);
    return status;
}

// ---- The command

static bool is_given(const mr_command_line *line, size_t offset) {
    for (size_t i = 0; i < line->n_given; i++)
        if (line->given[i].option->offset == offset && line->given[i].option != &mr_help_option)
            return true;
    return false;
}

static void choose_size(const mr_command_line *line, picture *p) {
    struct winsize size;
    p->width = p->chosen->width;
    p->height = p->chosen->height;
    if (p->chosen->ascii) {
        const bool is_terminal =
            ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
        if (!is_given(line, AT(width)))
            p->width = is_terminal ? size.ws_col : 79;
        if (!is_given(line, AT(height)))
            p->height = is_terminal ? size.ws_row - 1u : 24;
        return;
    }
    if (!is_given(line, AT(width)) && p->n_panels >= N_PANEL_COLUMNS)
        p->width = (size_t)N_PANEL_COLUMNS * PANEL_WIDTH;
    const size_t n_rows = (p->n_panels + N_PANEL_COLUMNS - 1) / N_PANEL_COLUMNS;
    if (!is_given(line, AT(height)) && p->n_panels > 1)
        p->height = n_rows * PANEL_HEIGHT + (count_names(&p->list) + 2) * LINE_HEIGHT;
}

static mr_status check_options(const mr_command_line *line, const plot_options *chosen) {
    if (chosen->ascii && is_given(line, AT(out)))
        return mr_fail(MR_ERR_USAGE, "--ascii and --out exclude each other; give one of them");
    if (chosen->ascii && chosen->density)
        return mr_fail(MR_ERR_USAGE, "--ascii and --density exclude each other; give one of them");
    if (!chosen->ascii && chosen->width < MIN_WIDTH)
        return mr_fail(MR_ERR_USAGE, "--width must be a whole number from %d to 10000, not '%zu'",
                       MIN_WIDTH, chosen->width);
    if (!chosen->ascii && chosen->height < MIN_HEIGHT)
        return mr_fail(MR_ERR_USAGE, "--height must be a whole number from %d to 10000, not '%zu'",
                       MIN_HEIGHT, chosen->height);
    return chosen->ascii ? MR_OK : mr_picture_check_name(chosen->out);
}

static mr_status draw_density(const mr_run_list *list, const plot_options *chosen) {
    mr_run_data run;
    if (list->n > 1)
        return mr_fail(MR_ERR_USAGE, "--density draws one run at a time, not %zu", list->n);
    mr_status status = mr_run_data_read(list->path[0], &run);
    if (status == MR_OK)
        status = mr_density_history_draw(&(mr_density_history){
            .dir = list->path[0],
            .settings = &run.settings,
            .title = chosen->title[0] != '\0' ? chosen->title : run.settings.env,
            .out = chosen->out});
    mr_run_data_free(&run);
    return status;
}

static void list_panels(picture *p) {
    for (size_t k = 0; k < p->list.n; k++) {
        size_t i = 0;
        while (i < p->n_panels && strcmp(p->panel[i], p->list.curve[k].env) != 0)
            i++;
        if (i == p->n_panels)
            p->panel[p->n_panels++] = p->list.curve[k].env;
    }
}

static mr_status draw_curves(const mr_command_line *line, const mr_run_list *list,
                             const plot_options *chosen) {
    mr_status status;
    picture p = {.chosen = chosen, .x = mr_x_axis_of(chosen->x)};
    const mr_curve_options wanted = {.x = p.x, .column = chosen->y, .group_by = chosen->group_by};
    mr_run_data *runs = NULL;
    p.panel = calloc(list->n, sizeof(const char *));
    MR_TRY(p.panel != NULL ? MR_OK : mr_fail_memory("the curves"));
    MR_TRY(mr_run_list_read(list, &runs));
    MR_TRY(mr_curves_make(list->n, runs, &wanted, NULL, &p.list));
    list_panels(&p);
    choose_size(line, &p);
    status = chosen->ascii ? print_panels(&p)
                           : mr_picture_draw(chosen->out, p.width, p.height, write_script, &p);
done:
    mr_run_list_free_data(list, runs);
    free(p.panel);
    mr_curve_list_free(&p.list);
    return status;
}

static mr_status run_plot(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    plot_options chosen;
    mr_run_list list = {0};
    MR_TRY(mr_command_line_store(&mr_command_plot, line, &chosen));
    MR_TRY(check_options(line, &chosen));
    MR_TRY(mr_run_list_find(line->n_arguments, line->arguments, &list));
    MR_TRY(chosen.density ? draw_density(&list, &chosen) : draw_curves(line, &list, &chosen));
    if (!chosen.ascii)
        printf("%s\n", chosen.out);
done:
    mr_run_list_free(&list);
    return status;
}

const mr_command mr_command_plot = {
    .name = "plot",
    .usage = "RUN_DIR... [options]",
    .summary = "draw the curves of runs, or a run's state density over time",
    .details = "Draws the mean return of the evaluations, or another column, against steps, time\n"
               "or updates; each task is a panel. A folder stands for the runs in it. Runs that\n"
               "differ in no more than their seeds and their length (with --group-by: in no\n"
               "setting that it names) are one curve: their mean, in a band from the lowest to\n"
               "the highest, as far as all of them go.\n"
               "With --density, the state density of a run with --bonus density at its\n"
               "evaluations, as maps with the same colours. Needs gnuplot.",
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_plot,
};
