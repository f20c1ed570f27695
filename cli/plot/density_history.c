// Draws a run's state density at several of its evaluations.

#include "cli/plot/density_history.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"
#include "flows/density.h"
#include "base/number.h"
#include "base/statistics.h"
#include "cli/plot/gnuplot.h"
#include "cli/plot/panel.h"

enum {
    MAX_MAPS = 6,
    N_COLUMNS = 3, // of maps
    GRID = 150,    // cells of a map of two features, in each direction
    BINS = 50,     // of one from which others were summed out
    MOST_CELLS = GRID * GRID,
    N_SAMPLES = 50000, // that it is then made of
    SIDE = 300,        // pixels of a map
    LEFT = 84,
    BOTTOM = 64,
    TOP = 84,
    GAP = 44,
    ROW_GAP = 44,
    SCALE = 120, // right of the maps, for what the colours mean
    NAME_SIZE = 256,
};

/// A density at a step, on the cells of a map.
typedef struct {
    double step;
    char *path;     // borrowed
    double *values; // [n_cells x n_cells] the scene's
    size_t n_cells; // in each direction
    double darkest; // what 5 % of the density's mass is denser than
} map;

typedef struct {
    const mr_density_history *history;
    size_t column[2]; // of the observation
    mr_range axis[2];
    char axis_name[2][NAME_SIZE];
    size_t n;
    map maps[MAX_MAPS];
    double *values; // [n x MOST_CELLS] owned
    mr_pixels size;
} scene;

// ---- The saved densities

static double step_of(const char *path) {
    return mr_number_read(strrchr(path, '/') + 1, NULL);
}

static int by_step(const void *a, const void *b) {
    const double x = step_of(*(char *const *)a), y = step_of(*(char *const *)b);
    return x < y ? -1 : x > y;
}

static mr_status find_files(const char *dir, glob_t *found) {
    char *pattern;
    if (asprintf(&pattern, "%s/density/[0-9]*.safetensors", dir) < 0)
        return mr_fail_memory("a file name");
    const int result = glob(pattern, GLOB_NOSORT, NULL, found);
    free(pattern);
    if (result == GLOB_NOMATCH)
        return mr_fail(
            MR_ERR_INPUT,
            "%s has kept no densities; they come with --bonus density, one an evaluation", dir);
    if (result != 0)
        return mr_fail(MR_ERR_IO, "cannot list %s/density", dir);
    qsort(found->gl_pathv, found->gl_pathc, sizeof *found->gl_pathv, by_step);
    return MR_OK;
}

// Selects the first, the last, and evenly spaced ones between them.
static void choose_files(scene *s, const glob_t *found) {
    const size_t n = found->gl_pathc;
    s->n = n < MAX_MAPS ? n : MAX_MAPS;
    for (size_t i = 0; i < s->n; i++) {
        char *path = found->gl_pathv[s->n > 1 ? i * (n - 1) / (s->n - 1) : 0];
        s->maps[i] = (map){.step = step_of(path), .path = path};
    }
}

// ---- The plane

static bool has_column(const mr_density *density, size_t column) {
    size_t n_columns;
    const size_t *columns = mr_density_columns(density, &n_columns);
    for (size_t j = 0; columns && j < mr_density_dim(density); j++)
        if (columns[j] == column)
            return true;
    return false;
}

static void name_axes(const mr_env_spec *env, scene *s) {
    for (size_t k = 0; k < 2; k++)
        if (env->obs_names)
            snprintf(s->axis_name[k], NAME_SIZE, "%s", env->obs_names[s->column[k]]);
        else
            snprintf(s->axis_name[k], NAME_SIZE, "feature %zu", s->column[k]);
}

static mr_status check_density(const mr_density *density, const char *path,
                               const mr_env_spec *env) {
    size_t n_columns;
    if (!mr_density_columns(density, &n_columns) ||
        (env->obs_dim != 0 && n_columns != env->obs_dim))
        return mr_fail(MR_ERR_INPUT,
                       "%s: not a density of what %s observes; draw it with "
                       "`millrace flow plot`",
                       path, env->name);
    if (mr_density_dim(density) < 2)
        return mr_fail(MR_ERR_INPUT,
                       "%s: a map needs two features, and this has one; draw it with "
                       "`millrace flow plot`",
                       path);
    return MR_OK;
}

// The range of the maps: the task's workspace, or else nearly all samples of the last density.
static mr_status choose_plane(const mr_density *density, const char *path, const mr_env_spec *env,
                              scene *s) {
    size_t n_columns;
    const mr_status status = check_density(density, path, env);
    if (status != MR_OK)
        return status;
    const mr_env_arena *arena = env->arena;
    const size_t *columns = mr_density_columns(density, &n_columns);
    const bool is_arena =
        arena && has_column(density, arena->feature[0]) && has_column(density, arena->feature[1]);
    for (size_t k = 0; k < 2; k++) {
        s->column[k] = is_arena ? arena->feature[k] : columns[k];
        if (is_arena)
            s->axis[k] = (mr_range){arena->low[k], arena->high[k]};
    }
    name_axes(env, s);
    return MR_OK;
}

// The index of an observation's column among the density's features.
static size_t feature_of(const mr_density *density, size_t column) {
    size_t n_columns, j = 0;
    const size_t *columns = mr_density_columns(density, &n_columns);
    while (columns[j] != column)
        j++;
    return j;
}

// ---- The maps

static mr_status measure_axes(const mr_density *density, const double *samples, scene *s) {
    static const double tail = 0.004;
    const size_t dim = mr_density_dim(density);
    double *room = malloc(N_SAMPLES * sizeof *room);
    if (!room)
        return mr_fail_memory("the picture");
    for (size_t k = 0; k < 2; k++) {
        const size_t feature = feature_of(density, s->column[k]);
        for (size_t i = 0; i < N_SAMPLES; i++)
            room[i] = samples[i * dim + feature];
        qsort(room, N_SAMPLES, sizeof *room, mr_ascending);
        const double low = mr_quantile(N_SAMPLES, room, tail);
        const double high = mr_quantile(N_SAMPLES, room, 1 - tail);
        s->axis[k] = high > low ? (mr_range){low, high} : (mr_range){low - 1, low + 1};
    }
    free(room);
    return MR_OK;
}

static double cell_area(const scene *s, size_t n_cells) {
    return (s->axis[0].high - s->axis[0].low) * (s->axis[1].high - s->axis[1].low) /
           (double)(n_cells * n_cells);
}

static mr_status compute_exact(const mr_density *density, const scene *s, map *m) {
    double *x = malloc((size_t)GRID * GRID * 2 * sizeof *x);
    if (!x)
        return mr_fail_memory("the picture");
    const size_t first = feature_of(density, s->column[0]);
    for (size_t i = 0; i < (size_t)GRID * GRID; i++) {
        x[2 * i + first] = mr_cell_middle(s->axis[0], i % GRID, GRID);
        x[2 * i + 1 - first] = mr_cell_middle(s->axis[1], i / GRID, GRID);
    }
    const mr_status status = mr_density_log_prob(density, 1, (size_t)GRID * GRID, x, m->values);
    for (size_t i = 0; i < (size_t)GRID * GRID; i++)
        m->values[i] = exp(m->values[i]);
    free(x);
    return status;
}

static void count_samples(const mr_density *density, const double *samples, const scene *s,
                          map *m) {
    const size_t dim = mr_density_dim(density);
    const size_t a = feature_of(density, s->column[0]), b = feature_of(density, s->column[1]);
    const double unit = 1 / (N_SAMPLES * cell_area(s, BINS));
    for (size_t i = 0; i < N_SAMPLES; i++) {
        const size_t j = mr_cell_of(s->axis[0], samples[i * dim + a], BINS);
        const size_t k = mr_cell_of(s->axis[1], samples[i * dim + b], BINS);
        if (j < BINS && k < BINS)
            m->values[k * BINS + j] += unit;
    }
}

// The upper end of the colour scale is a quantile, so that a sharp peak leaves the rest visible.
static mr_status find_darkest(const scene *s, map *m) {
    static const double share = 0.05;
    const size_t n = m->n_cells * m->n_cells;
    const double area = cell_area(s, m->n_cells);
    double *sorted = malloc(n * sizeof *sorted);
    if (!sorted)
        return mr_fail_memory("the picture");
    memcpy(sorted, m->values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, mr_ascending);
    size_t i = n - 1;
    for (double mass = 0; i > 0 && mass + sorted[i] * area < share; i--)
        mass += sorted[i] * area;
    m->darkest = sorted[i];
    free(sorted);
    return MR_OK;
}

static mr_status compute_map(const mr_density *density, scene *s, map *m) {
    mr_status status;
    const size_t dim = mr_density_dim(density);
    double *samples = malloc(N_SAMPLES * dim * sizeof *samples);
    m->n_cells = dim == 2 ? GRID : BINS;
    if (!samples)
        return mr_fail_memory("the picture");
    MR_TRY(mr_density_sample(density, 1, 1, N_SAMPLES, samples, NULL));
    if (!(s->axis[0].high > s->axis[0].low))
        MR_TRY(measure_axes(density, samples, s));
    if (dim == 2)
        MR_TRY(compute_exact(density, s, m));
    else
        count_samples(density, samples, s, m);
    status = find_darkest(s, m);
done:
    free(samples);
    return status;
}

// Reads the last density first, because it determines the range of all maps.
static mr_status compute(scene *s, const mr_env_spec *env) {
    mr_status status = MR_OK;
    s->values = calloc(s->n * MOST_CELLS, sizeof *s->values);
    if (!s->values)
        return mr_fail_memory("the picture");
    for (size_t i = s->n; i-- > 0 && status == MR_OK;) {
        mr_density *density = NULL;
        status = mr_density_load(s->maps[i].path, &density);
        if (status == MR_OK && i + 1 == s->n)
            status = choose_plane(density, s->maps[i].path, env, s);
        else if (status == MR_OK)
            status = check_density(density, s->maps[i].path, env);
        s->maps[i].values = s->values + i * MOST_CELLS;
        if (status == MR_OK)
            status = compute_map(density, s, &s->maps[i]);
        mr_density_free(density);
    }
    return status;
}

// ---- Writing

static size_t n_rows(const scene *s) {
    return (s->n + N_COLUMNS - 1) / N_COLUMNS;
}

static double darkest(const scene *s) {
    double most = 0;
    for (size_t i = 0; i < s->n; i++)
        most = fmax(most, s->maps[i].darkest);
    return most > 0 ? most : 1;
}

// Colours are proportional to the square root of the density; the labels of the colour box are
// densities.
static void write_colours(FILE *script, const scene *s) {
    const double most = darkest(s);
    fprintf(script,
            "set cbrange [0:%.10g]\nset cbtics ('0' 0, '%.2g' %.10g, '%.2g' %.10g)\n"
            "set cblabel 'density'\n",
            sqrt(most), most / 4, sqrt(most) / 2, most, sqrt(most));
    fprintf(script,
            "set colorbox user origin screen %.6f, screen %.6f size screen %.6f, screen "
            "%.6f\n",
            1 - (SCALE - 20) / (double)s->size.width, BOTTOM / (double)s->size.height,
            14 / (double)s->size.width, SIDE / (double)s->size.height);
}

// Labels of a map's axes ("": none), at fixed distances, so that long numbers can't push them out
// of the picture.
static void write_names(FILE *script, const char *x, const char *y) {
    static const double below = 46, beside = 58; // pixels
    fputs("set label 2 ", script);
    mr_picture_quote(script, x);
    fprintf(script, " at graph 0.5, graph %.6f center noenhanced\nset label 3 ", -below / SIDE);
    mr_picture_quote(script, y);
    fprintf(script, " at graph %.6f, graph 0.5 rotate center noenhanced\n", -beside / SIDE);
}

static void write_map(FILE *script, const scene *s, size_t i) {
    const map *m = &s->maps[i];
    const size_t row = i / N_COLUMNS, column = i % N_COLUMNS;
    const size_t bottom = BOTTOM + (n_rows(s) - 1 - row) * (SIDE + ROW_GAP);
    const bool is_lowest = i + N_COLUMNS >= s->n;
    mr_panel_matrix(script, "map", m->n_cells, m->n_cells, m->values);
    mr_panel_place(script, s->size, LEFT + column * (SIDE + GAP), bottom, SIDE);
    fprintf(script, "set title 'step %.0f' offset 0,-0.6\n", m->step);
    fprintf(script, "set format x '%s'\nset format y '%s'\n", is_lowest ? "%g" : "",
            column == 0 ? "%g" : "");
    write_names(script, is_lowest ? s->axis_name[0] : "", column == 0 ? s->axis_name[1] : "");
    mr_panel_plot_matrix(script, "map", s->axis[0], s->axis[1], m->n_cells, m->n_cells);
    fputs("unset label 1\nunset colorbox\n", script);
}

static void write_scene(FILE *script, const void *self) {
    const scene *s = self;
    mr_panel_style(script);
    mr_panel_range(script, 'x', s->axis[0]);
    mr_panel_range(script, 'y', s->axis[1]);
    fputs("set multiplot\nset label 1 ", script);
    mr_picture_quote(script, s->history->title);
    fprintf(script, " at screen 0.5, screen %.6f center noenhanced font ',15' front\n",
            1 - 28.0 / (double)s->size.height);
    write_colours(script, s);
    for (size_t i = 0; i < s->n; i++)
        write_map(script, s, i);
    fputs("unset multiplot\n", script);
}

mr_status mr_density_history_draw(const mr_density_history *history) {
    mr_status status;
    const mr_settings *settings = history->settings;
    const mr_env_options opened = {.set = settings->env_set, .task = settings->task};
    const mr_env_spec elsewhere = {.name = settings->env};
    scene s = {.history = history};
    glob_t found = {0};
    mr_env *env = NULL;
    MR_TRY(find_files(history->dir, &found));
    choose_files(&s, &found);
    if (!mr_env_is_remote(settings->env)) // one that is elsewhere need not be there any more
        MR_TRY(mr_env_open(settings->env, &opened, &env));
    MR_TRY(compute(&s, env ? mr_env_get_spec(env) : &elsewhere));
    const size_t n_columns = s.n < N_COLUMNS ? s.n : N_COLUMNS;
    s.size = (mr_pixels){LEFT + n_columns * (SIDE + GAP) + SCALE,
                         BOTTOM + n_rows(&s) * (SIDE + ROW_GAP) - ROW_GAP + TOP};
    status = mr_picture_draw(history->out, s.size.width, s.size.height, write_scene, &s);
done:
    free(s.values);
    globfree(&found);
    mr_env_close(env);
    return status;
}
