// Figures of a report. gnuplot draws them in numbers that stand for the page's colours, which
// differ in light and dark.

#include "cli/report/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/plot/gnuplot.h"
#include "cli/report/html.h"

enum { WIDTH = 400, HEIGHT = 250, NAME_SIZE = 64 };

/// A colour that gnuplot is told, and the page's.
typedef struct {
    int red, green, blue;
    const char *style;
} colour;

// Those of curves are #0102 and their number.
static const colour colours[] = {
    {0, 0, 0, "currentColor"}, {1, 3, 0, "var(--axis)"}, {1, 4, 0, "var(--grid)"},
    {1, 2, 0, "var(--c0)"},    {1, 2, 1, "var(--c1)"},   {1, 2, 2, "var(--c2)"},
    {1, 2, 3, "var(--c3)"},    {1, 2, 4, "var(--c4)"},   {1, 2, 5, "var(--c5)"},
    {1, 2, 6, "var(--c6)"},
};

static bool is_drawn(const mr_figure *f, const mr_curve *curve) {
    return curve->n > 1 && strcmp(curve->env, f->env) == 0;
}

bool mr_figure_has_curves(const mr_figure *figure) {
    for (size_t k = 0; k < figure->list->n; k++)
        if (is_drawn(figure, &figure->list->curve[k]))
            return true;
    return false;
}

// ---- The script

static double last_x(const mr_figure *f) {
    double last = 0;
    for (size_t k = 0; k < f->list->n; k++)
        if (is_drawn(f, &f->list->curve[k]))
            last = fmax(last, f->list->curve[k].at[f->list->curve[k].n - 1].x);
    return last;
}

static void write_curve(FILE *script, const mr_curve *curve, size_t k, const char *comma) {
    const size_t number = curve->colour % MR_N_COLOURS;
    fprintf(script,
            "%s$curve%zu using 1:3:4 with filledcurves fillcolor rgb '#0102%02zx' fillstyle "
            "transparent solid 0.2 noborder notitle, $curve%zu using 1:2 with lines linewidth 2 "
            "linecolor rgb '#0102%02zx' notitle",
            comma, k, number, k, number);
}

static void write_script(FILE *script, const void *self) {
    const mr_figure *f = self;
    const double last = last_x(f);
    const mr_axis_unit *unit = mr_axis_unit_for(f->x, last);
    const char *comma = "plot ";
    fprintf(script,
            "set xlabel '%s'\nset xrange [0:%.10g]\nset border 3 linecolor rgb '#010300'\n"
            "set tics nomirror out\nset grid linecolor rgb '#010400' linetype 1\n"
            "set offsets 0, 0, graph 0.05, graph 0.02\nset key off\n",
            unit->label, last > 0 ? last / unit->size : 1);
    for (size_t k = 0; k < f->list->n; k++) {
        const mr_curve *curve = &f->list->curve[k];
        if (!is_drawn(f, curve))
            continue;
        fprintf(script, "$curve%zu << END\n", k);
        for (size_t i = 0; i < curve->n; i++)
            fprintf(script, "%.10g %.10g %.10g %.10g\n", curve->at[i].x / unit->size,
                    curve->at[i].mean, curve->at[i].low, curve->at[i].high);
        fputs("END\n", script);
    }
    for (size_t k = 0; k < f->list->n; k++) {
        if (!is_drawn(f, &f->list->curve[k]))
            continue;
        write_curve(script, &f->list->curve[k], k, comma);
        comma = ", ";
    }
    fputc('\n', script);
}

// ---- The page's SVG

// Skips an element that begins with `opening`, up to the end of `closing`.
static bool skip_element(const char **at, const char *opening, const char *closing) {
    if (strncmp(*at, opening, strlen(opening)) != 0)
        return false;
    const char *end = strstr(*at, closing);
    *at = end != NULL ? end + strlen(closing) : *at + strlen(*at);
    return true;
}

static bool take_colour(const char **at, FILE *page) {
    int red, green, blue, length = 0;
    if (sscanf(*at, "rgb(%d,%d,%d)%n", &red, &green, &blue, &length) != 3 || length == 0)
        return false;
    for (size_t i = 0; i < MR_COUNT(colours); i++)
        if (colours[i].red == red && colours[i].green == green && colours[i].blue == blue) {
            fputs(colours[i].style, page);
            *at += length;
            return true;
        }
    return false;
}

// The colour's number of the curve that gnuplot's plot `number`, from 1, is of: two plots a curve.
static size_t colour_of_plot(const mr_figure *f, size_t number) {
    size_t n = 0;
    for (size_t k = 0; k < f->list->n; k++) {
        n += is_drawn(f, &f->list->curve[k]) ? 2 : 0;
        if (n >= number)
            return f->list->curve[k].colour;
    }
    return 0;
}

static bool take_plot(const mr_figure *f, const char **at, FILE *page) {
    size_t number;
    int length = 0;
    if (sscanf(*at, "id=\"gnuplot_plot_%zu\"%n", &number, &length) != 1 || length == 0)
        return false;
    fprintf(page, "data-curve=\"%zu\"", colour_of_plot(f, number));
    *at += length;
    return true;
}

static bool replace(const char **at, const char *text, const char *by, FILE *page) {
    if (strncmp(*at, text, strlen(text)) != 0)
        return false;
    fputs(by, page);
    *at += strlen(text);
    return true;
}

static void write_svg(const mr_figure *f, const char *svg, FILE *page) {
    const char *at = strstr(svg, "<svg");
    while (at != NULL && *at != '\0')
        if (!skip_element(&at, "<title>", "</title>") && !skip_element(&at, "<desc>", "</desc>") &&
            !skip_element(&at, "<defs>", "</defs>") && !take_colour(&at, page) &&
            !take_plot(f, &at, page) && !replace(&at, "id=\"gnuplot_canvas\"", "", page) &&
            !replace(&at, "\"black\"", "\"currentColor\"", page))
            fputc(*at++, page);
}

mr_status mr_figure_write(const mr_figure *figure, FILE *page) {
    char terminal[128], *svg = NULL;
    size_t n_bytes;
    snprintf(terminal, sizeof terminal,
             "set terminal svg size %d,%d noenhanced font 'sans-serif,12'", WIDTH, HEIGHT);
    const mr_status status = mr_picture_render(terminal, write_script, figure, &svg, &n_bytes);
    if (status != MR_OK)
        return status;
    fputs("<figure><figcaption>", page);
    mr_html_text(page, figure->title);
    fputs(" <span>", page);
    mr_html_text(page, figure->subtitle);
    fputs("</span></figcaption>", page);
    write_svg(figure, svg, page);
    fputs("</figure>\n", page);
    free(svg);
    return MR_OK;
}
