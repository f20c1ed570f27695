// Results of a sweep: read from run directories, ranked, printed.

#include "cli/sweep/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/statistics.h"
#include "cli/runs/run_table.h"

enum { NUMBER_SIZE = 32 };

// ---- A run

// The last evaluation before `end`.
static mr_status read_return(const char *dir, double end, double *mean) {
    mr_status status;
    mr_run_table table = {0};
    double step;
    *mean = NAN;
    MR_TRY(mr_run_table_read(dir, "evaluations.csv", &table));
    const int steps = mr_run_table_column(&table, "time/total_timesteps");
    const int means = mr_run_table_column(&table, "eval/mean_reward");
    for (size_t row = 0; row < table.n_rows && steps >= 0 && means >= 0; row++) {
        MR_TRY(mr_run_table_number(&table, row, (size_t)steps, &step));
        if (step < end)
            MR_TRY(mr_run_table_number(&table, row, (size_t)means, mean));
    }
done:
    mr_run_table_free(&table);
    return status;
}

mr_status mr_sweep_result_read(const mr_sweep_plan *plan, size_t run, size_t round,
                               mr_sweep_result *out) {
    mr_status status;
    mr_run_table progress = {0};
    char dir[MR_MAX_TEXT];
    const size_t steps = mr_sweep_run_steps(plan, run, round);
    const size_t num_envs = mr_sweep_point_of(plan, run)->num_envs;
    mr_sweep_run_dir(plan, run, dir);
    *out = (mr_sweep_result){.mean_return = NAN};
    MR_TRY(mr_run_table_read(dir, "progress.csv", &progress));
    const double done = mr_run_table_last(&progress, "time/total_timesteps");
    out->steps = isnan(done) ? 0 : done;
    out->is_done = out->steps >= (double)steps;
    // A step of several environments may go beyond.
    MR_TRY(read_return(dir, (double)(steps + num_envs), &out->mean_return));
done:
    mr_run_table_free(&progress);
    return status;
}

mr_status mr_sweep_is_done(const mr_sweep_plan *plan, size_t run, size_t round, bool *out) {
    mr_sweep_result result = {0};
    const mr_status status = mr_sweep_result_read(plan, run, round, &result);
    *out = status == MR_OK && result.is_done;
    return status == MR_ERR_INPUT ? MR_OK : status;
}

// ---- A point

typedef struct {
    size_t point;
    size_t round;   // that it has come to
    size_t n_done;  // runs of that round that are done
    size_t n_known; // runs that have a return
    double steps;   // of the run that has done the fewest
    double mean, iqm;
} standing;

static mr_status read_standing(const mr_sweep_plan *plan, size_t point, size_t round,
                               standing *out) {
    mr_status status = MR_OK;
    mr_sweep_result result;
    double returns[MR_SWEEP_MAX_SEEDS], sum = 0;
    const size_t n = plan->file->n_seeds;
    *out = (standing){.point = point, .round = round, .steps = INFINITY};
    for (size_t k = 0; k < n; k++) {
        MR_TRY(mr_sweep_result_read(plan, point * n + k, round, &result));
        out->n_done += result.is_done;
        out->steps = fmin(out->steps, result.steps);
        if (isnan(result.mean_return))
            continue;
        returns[out->n_known++] = result.mean_return;
        sum += result.mean_return;
    }
    out->mean = out->n_known > 0 ? sum / (double)out->n_known : NAN;
    out->iqm = out->n_known > 0 ? mr_interquartile_mean(out->n_known, returns) : NAN;
done:
    return status;
}

// ---- Ranks

static double rank_of(const standing *s) {
    return isnan(s->mean) ? -INFINITY : s->mean;
}

// The best first; equal ones in their own order.
static int compare_standings(const void *a, const void *b) {
    const standing *x = a, *y = b;
    if (x->round != y->round)
        return x->round < y->round ? 1 : -1;
    if (rank_of(x) != rank_of(y))
        return rank_of(x) < rank_of(y) ? 1 : -1;
    return (x->point > y->point) - (x->point < y->point);
}

static mr_status choose_best(const mr_sweep_plan *plan, size_t round, standing *all, bool *is_in) {
    mr_status status = MR_OK;
    size_t n = 0;
    for (size_t i = 0; i < plan->n_points; i++) {
        if (!is_in[i])
            continue;
        const mr_status known = read_standing(plan, i, round, &all[n]);
        if (known != MR_ERR_INPUT)
            MR_TRY(known);
        if (known == MR_ERR_INPUT || all[n].n_known < plan->file->n_seeds)
            all[n].mean = NAN;
        n++;
    }
    qsort(all, n, sizeof *all, compare_standings);
    for (size_t i = plan->round_points[round + 1]; i < n; i++)
        is_in[all[i].point] = false;
done:
    return status;
}

mr_status mr_sweep_points_of_round(const mr_sweep_plan *plan, size_t round, bool *is_in) {
    mr_status status = MR_OK;
    standing *all = calloc(plan->n_points, sizeof *all);
    if (!all)
        return mr_fail_memory("the results of a sweep");
    for (size_t i = 0; i < plan->n_points; i++)
        is_in[i] = true;
    for (size_t k = 0; k < round; k++)
        MR_TRY(choose_best(plan, k, all, is_in));
done:
    free(all);
    return status;
}

// ---- The table

// The round that a point has come to: the last one whose runs have begun.
static mr_status find_round(const mr_sweep_plan *plan, size_t point, size_t *round) {
    mr_status status = MR_OK;
    mr_sweep_result result;
    for (*round = 0; *round + 1 < plan->n_rounds; ++*round) {
        double most = 0;
        for (size_t k = 0; k < plan->file->n_seeds; k++) {
            MR_TRY(mr_sweep_result_read(plan, point * plan->file->n_seeds + k, *round, &result));
            most = fmax(most, result.steps);
        }
        const size_t num_envs = plan->points[point].num_envs;
        if (most < (double)(plan->round_steps[*round] + num_envs))
            break;
    }
done:
    return status;
}

/// How a table is written: what begins, separates and ends the cells of a row, and what follows the
/// row of names for each column.
typedef struct {
    const char *name, *begin, *between, *end, *rule;
} table_format;

static const table_format formats[] = {
    {"markdown", "| ", " | ", " |", "---"},
    {"csv", "", ",", "", NULL},
};

// A text with commas or quotation marks is quoted in CSV.
static void print_cell(const table_format *f, const char *text) {
    if (f->rule || !strpbrk(text, ",\"")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++)
        fputs(*text == '"' ? "\"\"" : (char[]){*text, '\0'}, stdout);
    putchar('"');
}

static void print_row(const table_format *f, size_t n, const char *const *cells) {
    fputs(f->begin, stdout);
    for (size_t i = 0; i < n; i++) {
        fputs(i > 0 ? f->between : "", stdout);
        print_cell(f, cells[i]);
    }
    puts(f->end);
}

static void write_number(char text[NUMBER_SIZE], int n_digits, double number) {
    text[0] = '\0';
    if (isfinite(number))
        mr_number_write_digits(text, NUMBER_SIZE, n_digits, number);
}

enum { N_OTHER = 5, RETURN_DIGITS = 6, STEP_DIGITS = 15 };

static void print_standing(const mr_sweep_plan *plan, const table_format *f, const standing *s,
                           const char **cells) {
    char done[NUMBER_SIZE], steps[NUMBER_SIZE], mean[NUMBER_SIZE], iqm[NUMBER_SIZE];
    const mr_sweep_point *point = &plan->points[s->point];
    size_t n = 0;
    cells[n++] = point->name;
    for (size_t i = 0; i < plan->file->n_axes; i++)
        cells[n++] = point->values[i];
    snprintf(done, sizeof done, "%zu/%zu", s->n_done, plan->file->n_seeds);
    write_number(steps, STEP_DIGITS, s->steps);
    write_number(mean, RETURN_DIGITS, s->mean);
    write_number(iqm, RETURN_DIGITS, s->iqm);
    cells[n++] = done;
    cells[n++] = steps;
    cells[n++] = mean;
    cells[n++] = iqm;
    print_row(f, n, cells);
}

static void print_names(const mr_sweep_plan *plan, const table_format *f, const char **cells) {
    static const char *const others[] = {"done", "steps", "mean return", "IQM"};
    size_t n = 0;
    cells[n++] = "point";
    for (size_t i = 0; i < plan->file->n_axes; i++)
        cells[n++] = plan->file->axes[i].name;
    for (size_t i = 0; i < MR_COUNT(others); i++)
        cells[n++] = others[i];
    print_row(f, n, cells);
    for (size_t i = 0; i < n && f->rule; i++)
        cells[i] = f->rule;
    if (f->rule)
        print_row(f, n, cells);
}

// A point with a damaged table is named on stderr, and has no return.
static mr_status read_point(const mr_sweep_plan *plan, size_t point, standing *out) {
    size_t round = 0;
    mr_status status = find_round(plan, point, &round);
    if (status == MR_OK)
        status = read_standing(plan, point, round, out);
    if (status != MR_ERR_INPUT)
        return status;
    fprintf(stderr, "warning: %s: %s\n", plan->points[point].name, mr_error_message());
    *out = (standing){.point = point, .steps = NAN, .mean = NAN, .iqm = NAN};
    return MR_OK;
}

mr_status mr_sweep_print_table(const mr_sweep_plan *plan, const char *format) {
    mr_status status = MR_OK;
    const table_format *f = &formats[strcmp(format, formats[0].name) != 0];
    standing *all = calloc(plan->n_points, sizeof *all);
    const char **cells = calloc(plan->file->n_axes + N_OTHER, sizeof *cells);
    if (!all || !cells) {
        status = mr_fail_memory("the results of a sweep");
        goto done;
    }
    for (size_t i = 0; i < plan->n_points; i++)
        MR_TRY(read_point(plan, i, &all[i]));
    qsort(all, plan->n_points, sizeof *all, compare_standings);
    print_names(plan, f, cells);
    for (size_t i = 0; i < plan->n_points; i++)
        print_standing(plan, f, &all[i], cells);
done:
    free(all);
    free(cells);
    return status;
}
