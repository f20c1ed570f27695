// Draws densities.

#include "cli/flow/picture.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/statistics.h"
#include "cli/plot/gnuplot.h"
#include "cli/plot/panel.h"

enum {
    GRID = 200,         // cells of a map, in each direction
    CURVE = 500,        // points of a curve
    BINS = 60,          // of a histogram
    CORNER_BINS = 40,   // of those in a corner, in each direction
    MAX_CORNER = 6,     // features in a corner
    MAX_NAMED = 12,     // categories of an axis whose names are at it
    MAX_TIC = 10,       // bytes of such a name that are shown
    MAX_POINTS = 5000,  // samples that are drawn as points
    PANEL = 440,        // pixels, each side
    CORNER_PANEL = 190, // likewise, in a corner
    MARGIN = 84,        // pixels on the left and below, for labels
    TOP = 84,           // above, for titles
    GAP = 36,           // between panels
    MIN_WIDTH = 700,    // of a picture, for its title
    CORNER_GAP = 12,
};

// Of features without names.
static const char *const numbered[MAX_CORNER] = {"x₁", "x₂", "x₃", "x₄", "x₅", "x₆"};

/// The contents of a picture.
typedef struct {
    const mr_flow_picture *picture;
    mr_pixels size;
    size_t n_axes;
    bool is_corner;
    mr_range axis[MAX_CORNER];
    const char *name[MAX_CORNER];
    const mr_dictionary *categories[MAX_CORNER]; // their names; NULL: the axis has none
    size_t n_bins[MAX_CORNER];                   // in a corner
    double *density; // on the points of the curve or the cells of the map
    double *target;  // likewise; NULL: none
    double darkest;  // density that gets the darkest colour
} scene;

// ---- Ranges

// A range that holds nearly all samples, with a margin; `room` [n] is a buffer for sorting.
static mr_range range_of(const mr_flow_picture *p, size_t feature, double *room) {
    static const double tail = 0.004, margin = 0.08;
    const size_t dim = mr_density_dim(p->density);
    const mr_support *support = &mr_density_support(p->density)[feature];
    if (support->type == MR_SUPPORT_CATEGORY)
        return (mr_range){support->low - 0.5, support->high + 0.5};
    if (p->target != NULL && p->target->view > 0)
        return (mr_range){-p->target->view, p->target->view};
    for (size_t i = 0; i < p->n; i++)
        room[i] = p->samples[i * dim + feature];
    qsort(room, p->n, sizeof *room, mr_ascending);
    const double low = mr_quantile(p->n, room, tail), high = mr_quantile(p->n, room, 1 - tail);
    const double extra = high > low ? margin * (high - low) : fmax(1, fabs(low)) / 2;
    return (mr_range){low - extra, high + extra};
}

static void describe_axis(scene *s, size_t j, double *room) {
    const mr_density *density = s->picture->density;
    const mr_layout *layout = mr_density_layout(density);
    const mr_support *support = &mr_density_support(density)[j];
    s->axis[j] = range_of(s->picture, j, room);
    s->name[j] = layout->names != NULL ? layout->names[layout->columns[j]] : numbered[j];
    s->n_bins[j] = CORNER_BINS;
    if (support->type != MR_SUPPORT_CATEGORY)
        return;
    s->is_corner = true;
    const size_t n = mr_support_n_categories(support), n_in_bin = (n - 1) / CORNER_BINS + 1;
    s->n_bins[j] = (n - 1) / n_in_bin + 1;
    s->axis[j].high = s->axis[j].low + (double)(s->n_bins[j] * n_in_bin);
    if (layout->dictionary != NULL && layout->dictionary[layout->columns[j]].n > 0)
        s->categories[j] = &layout->dictionary[layout->columns[j]];
}

// ---- Densities on a grid

static size_t n_cells(const scene *s) {
    return s->n_axes == 1 ? CURVE : GRID * GRID;
}

static void place_points(const scene *s, double *x) {
    for (size_t i = 0; s->n_axes == 1 && i < CURVE; i++)
        x[i] = mr_cell_middle(s->axis[0], i, CURVE);
    for (size_t i = 0; s->n_axes == 2 && i < GRID * GRID; i++) {
        x[2 * i] = mr_cell_middle(s->axis[0], i % GRID, GRID);
        x[2 * i + 1] = mr_cell_middle(s->axis[1], i / GRID, GRID);
    }
}

// A target that is known only up to a constant is scaled so that its peak equals the density's.
static void scale_target(const scene *s) {
    const double log_z = s->picture->target->log_z;
    double of_target = 0, of_density = 0;
    for (size_t i = 0; i < n_cells(s); i++) {
        of_target = fmax(of_target, s->target[i]);
        of_density = fmax(of_density, s->density[i]);
    }
    const double factor = isnan(log_z) && of_target > 0 ? of_density / of_target : exp(-log_z);
    for (size_t i = 0; i < n_cells(s); i++)
        s->target[i] *= factor;
}

static mr_status compute(scene *s) {
    mr_status status;
    const mr_flow_picture *p = s->picture;
    const size_t n = n_cells(s);
    assert(s->n_axes > 0); // a density has features
    double *x = calloc(n * s->n_axes, sizeof *x);
    s->density = calloc(n, sizeof *s->density);
    s->target = p->target != NULL ? calloc(n, sizeof *s->target) : NULL;
    if (x == NULL || s->density == NULL || (p->target != NULL && s->target == NULL)) {
        status = mr_fail_memory("the picture");
        goto done;
    }
    place_points(s, x);
    size_t n_outside; // cells beyond the bounds of a column: their density is 0
    MR_TRY(mr_density_score(p->density, p->n_threads, n, x, s->density, &n_outside));
    if (s->target != NULL)
        MR_TRY(mr_target_log_prob(p->target, p->n_threads, n, x, s->target));
    for (size_t i = 0; i < n; i++) {
        s->density[i] = exp(s->density[i]);
        if (s->target != NULL)
            s->target[i] = exp(s->target[i]);
    }
    if (s->target != NULL)
        scale_target(s);
done:
    free(x);
    return status;
}

// The upper end of the colour scale: a quantile over samples, so that a sharp peak leaves the rest
// visible.
static void choose_darkest(scene *s, double *room) {
    static const double share = 0.95;
    memcpy(room, s->picture->log_prob, s->picture->n * sizeof *room);
    qsort(room, s->picture->n, sizeof *room, mr_ascending);
    s->darkest = exp(mr_quantile(s->picture->n, room, share));
}

// ---- Writing

static void write_title(FILE *script, const scene *s) {
    const size_t dim = mr_density_dim(s->picture->density);
    char title[1024];
    snprintf(title, sizeof title, "%s", s->picture->title);
    if (s->n_axes < dim)
        snprintf(title + strlen(title), sizeof title - strlen(title), " (%zu of %zu features)",
                 s->n_axes, dim);
    fputs("set multiplot\nset label 1 ", script);
    mr_picture_quote(script, title);
    fprintf(script, " at screen 0.5, screen %.6f center font ',15' front\n",
            1 - 28.0 / (double)s->size.height);
}

// Labels of a panel's axes ("": none), at the edge of the picture, so that long numbers can't push
// them out.
static void write_names(FILE *script, const scene *s, const char *x, const char *y) {
    static const double edge = 18; // pixels
    fputs("set label 2 ", script);
    mr_picture_quote(script, x);
    fprintf(script, " at graph 0.5, screen %.6f center\nset label 3 ",
            edge / (double)s->size.height);
    mr_picture_quote(script, y);
    fprintf(script, " at screen %.6f, graph 0.5 rotate center\n", edge / (double)s->size.width);
}

static void write_points(FILE *script, const scene *s) {
    const mr_flow_picture *p = s->picture;
    fputs("$points << END\n", script);
    for (size_t i = 0; i < p->n && i < MAX_POINTS; i++)
        fprintf(script, "%.6g %.6g\n", p->samples[2 * i], p->samples[2 * i + 1]);
    fputs("END\n", script);
}

// ---- One dimension

static void write_histogram(FILE *script, const char *name, const mr_flow_picture *p,
                            size_t feature, mr_range r, size_t n_bins) {
    const size_t dim = mr_density_dim(p->density);
    size_t counts[BINS + 1] = {0};
    const double width = (r.high - r.low) / (double)n_bins;
    for (size_t i = 0; i < p->n; i++)
        counts[mr_cell_of(r, p->samples[i * dim + feature], n_bins)]++;
    fprintf(script, "$%s << END\n", name);
    for (size_t i = 0; i < n_bins; i++)
        fprintf(script, "%.8g %.8g\n", mr_cell_middle(r, i, n_bins),
                (double)counts[i] / (double)p->n / width);
    fputs("END\n", script);
}

static void write_curve(FILE *script, const char *name, mr_range r, const double *values) {
    fprintf(script, "$%s << END\n", name);
    for (size_t i = 0; i < CURVE; i++)
        fprintf(script, "%.8g %.8g\n", mr_cell_middle(r, i, CURVE), values[i]);
    fputs("END\n", script);
}

static void write_line(FILE *script, const scene *s) {
    const mr_range r = s->axis[0];
    write_histogram(script, "bins", s->picture, 0, r, BINS);
    write_curve(script, "density", r, s->density);
    if (s->target != NULL)
        write_curve(script, "target", r, s->target);
    fputs("set border 3\nset key top right reverse Left\n"
          "set ylabel 'density'\nset yrange [0:*]\nset style fill solid 1 noborder\n"
          "set boxwidth 0.92 relative\nset xlabel ",
          script);
    mr_picture_quote(script, s->name[0]);
    fputs("\nset title ", script);
    mr_picture_quote(script, s->picture->title);
    fputs(" font ',15'\n", script);
    mr_panel_range(script, 'x', r);
    fprintf(script, "plot $bins with boxes fillcolor rgb '#c6dbef' title 'samples', ");
    if (s->target != NULL)
        fprintf(script,
                "$target with lines linewidth 2 dashtype 2 linecolor rgb '%s' title "
                "'target', ",
                mr_colours[1]);
    fprintf(script, "$density with lines linewidth 2.5 linecolor rgb '%s' title 'density'\n",
            mr_colours[0]);
}

// ---- Two dimensions

// All panels have the same range; only the first one has numbers at its axes.
static void write_panel(FILE *script, const scene *s, size_t i, const char *what) {
    mr_panel_place(script, s->size, MARGIN + i * (PANEL + GAP), MARGIN, PANEL);
    write_names(script, s, s->name[0], i == 0 ? s->name[1] : "");
    fprintf(script, "set title '%s' offset 0,-0.6\nset format y '%s'\n", what, i == 0 ? "%g" : "");
    if (i > 0)
        fputs("unset label 1\n", script);
}

static void write_map(FILE *script, const scene *s) {
    const mr_range x = s->axis[0], y = s->axis[1];
    size_t i = 0;
    mr_panel_matrix(script, "density", GRID, GRID, s->density);
    if (s->target != NULL)
        mr_panel_matrix(script, "target", GRID, GRID, s->target);
    write_points(script, s);
    write_title(script, s);
    mr_panel_range(script, 'x', x);
    mr_panel_range(script, 'y', y);
    fprintf(script, "set cbrange [0:%.10g]\n", sqrt(s->darkest));
    if (s->target != NULL) {
        write_panel(script, s, i++, "target");
        mr_panel_plot_matrix(script, "target", x, y, GRID, GRID);
    }
    write_panel(script, s, i++, "density");
    mr_panel_plot_matrix(script, "density", x, y, GRID, GRID);
    write_panel(script, s, i, "samples");
    fputs("plot $points with points pointtype 7 pointsize 0.25 linecolor rgb '#500072B2'\n"
          "unset multiplot\n",
          script);
}

// ---- More dimensions, and categories

static void write_pair(FILE *script, const scene *s, size_t column, size_t row) {
    const mr_flow_picture *p = s->picture;
    const size_t dim = mr_density_dim(p->density);
    const mr_range x = s->axis[column], y = s->axis[row];
    const size_t n_x = s->n_bins[column], n_y = s->n_bins[row];
    double counts[CORNER_BINS * CORNER_BINS] = {0};
    for (size_t i = 0; i < p->n; i++) {
        const size_t j = mr_cell_of(x, p->samples[i * dim + column], n_x);
        const size_t k = mr_cell_of(y, p->samples[i * dim + row], n_y);
        if (j < n_x && k < n_y)
            counts[k * n_x + j]++;
    }
    mr_panel_matrix(script, "pair", n_y, n_x, counts);
    mr_panel_range(script, 'y', y);
    mr_panel_plot_matrix(script, "pair", x, y, n_x, n_y);
}

static void write_marginal(FILE *script, const scene *s, size_t feature) {
    write_histogram(script, "bins", s->picture, feature, s->axis[feature], s->n_bins[feature]);
    fputs("unset ytics\nset yrange [0:*]\nplot $bins with boxes fillcolor rgb '#6baed6'\n", script);
}

// The first bytes of a category's name, whole characters of UTF-8. To gnuplot it is a format, in
// which a percent sign stands for itself if there are two.
static void write_tic(FILE *script, const char *name, size_t code) {
    char text[2 * MAX_TIC + sizeof "…"];
    const size_t length = strlen(name);
    size_t n = length < MAX_TIC ? length : MAX_TIC, used = 0;
    while (n > 0 && (name[n] & 0xC0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '%')
            text[used++] = '%';
        text[used++] = name[i];
    }
    snprintf(text + used, sizeof text - used, "%s", n < length ? "…" : "");
    fputs(code > 0 ? ", " : "", script);
    mr_picture_quote(script, text);
    fprintf(script, " %zu", code);
}

// Numbers at an axis ('x', 'y'), or the names of its categories if they are few.
static void write_tics(FILE *script, const scene *s, char which, size_t axis, bool has_text) {
    const mr_dictionary *d = s->categories[axis];
    const bool has_names = has_text && d != NULL && d->n <= MAX_NAMED;
    fprintf(script, "set %ctics ", which);
    fputs(has_names ? "(" : "autofreq", script);
    for (size_t k = 0; has_names && k < d->n; k++)
        write_tic(script, d->name[k], k);
    fprintf(script, "%s format '%s' %s font ',9'\n", has_names ? ")" : "", has_text ? "%g" : "",
            which == 'x' ? "rotate by -45" : "");
}

// Only the panels at the left and lower edge have numbers and labels.
static void write_labels(FILE *script, const scene *s, size_t column, size_t row) {
    const bool is_bottom = row + 1 == s->n_axes, is_left = column == 0 && row > 0;
    write_names(script, s, is_bottom ? s->name[column] : "", is_left ? s->name[row] : "");
    write_tics(script, s, 'x', column, is_bottom);
    write_tics(script, s, 'y', row, is_left);
}

static void write_corner(FILE *script, const scene *s) {
    const size_t step = CORNER_PANEL + CORNER_GAP;
    write_title(script, s);
    fputs("set style fill solid 1 noborder\nset boxwidth 1 relative\nset cbrange [0:*]\n", script);
    for (size_t row = 0; row < s->n_axes; row++)
        for (size_t column = 0; column <= row; column++) {
            mr_panel_place(script, s->size, MARGIN + column * step,
                           MARGIN + (s->n_axes - 1 - row) * step, CORNER_PANEL);
            mr_panel_range(script, 'x', s->axis[column]);
            write_labels(script, s, column, row);
            if (row == column)
                write_marginal(script, s, row);
            else
                write_pair(script, s, column, row);
            fputs("unset label 1\n", script);
        }
    fputs("unset multiplot\n", script);
}

// ---- The picture

static void write_scene(FILE *script, const void *self) {
    const scene *s = self;
    mr_panel_style(script);
    if (s->is_corner)
        write_corner(script, s);
    else if (s->n_axes == 1)
        write_line(script, s);
    else
        write_map(script, s);
}

static void choose_size(scene *s) {
    const size_t n_panels = s->is_corner ? s->n_axes : s->picture->target != NULL ? 3 : 2;
    const size_t side = s->is_corner ? CORNER_PANEL : PANEL;
    const size_t gap = s->is_corner ? CORNER_GAP : GAP;
    s->size.width = MARGIN + n_panels * (side + gap);
    if (s->size.width < MIN_WIDTH)
        s->size.width = MIN_WIDTH;
    s->size.height = MARGIN + (s->is_corner ? n_panels * (side + gap) - gap : PANEL) + TOP;
}

mr_status mr_flow_picture_draw(const mr_flow_picture *picture, const char *path) {
    mr_status status;
    const size_t dim = mr_density_dim(picture->density);
    scene s = {
        .picture = picture, .n_axes = dim < MAX_CORNER ? dim : MAX_CORNER, .is_corner = dim > 2};
    double *room = calloc(picture->n, sizeof *room);
    if (room == NULL)
        return mr_fail_memory("the picture");
    for (size_t j = 0; j < s.n_axes; j++)
        describe_axis(&s, j, room);
    choose_size(&s);
    choose_darkest(&s, room);
    if (!s.is_corner)
        MR_TRY(compute(&s));
    status = mr_picture_draw(path, s.size.width, s.size.height, write_scene, &s);
done:
    free(s.density);
    free(s.target);
    free(room);
    return status;
}
