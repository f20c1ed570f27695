// Run directories.

#include "agents/run.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/events.h"
#include "base/growing_file.h"
#include "base/file.h"
#include "base/number.h"
#include "base/text_stream.h"

static const char config_name[] = "config.yaml";
static const char progress_name[] = "progress.csv";
static const char evaluations_name[] = "evaluations.csv";

enum { MAX_COLUMNS = 256 };

// A column of progress.csv.
typedef struct {
    const mr_metric *metric; // NULL: an info, or nothing that is known here
    char name[MR_INFO_NAME_SIZE];
} column;

struct mr_run {
    char *dir;
    char *path;                              // what mr_run_path returned last
    mr_growing_file *progress, *evaluations; // the tables
    size_t n_columns;                        // of progress.csv; 0: it has no header yet
    column columns[MAX_COLUMNS];
    mr_metric_list metrics;
    mr_events *events;
};

// A row of a table while it is composed; row_append frees it.
typedef mr_text_stream row;

static mr_status row_begin(row *r) {
    return mr_text_stream_open("a row of results", r);
}

enum { N_DIGITS = 10, NUMBER_SIZE = 32 };

// An empty cell if it is NaN.
static void row_number(row *r, double number) {
    char text[NUMBER_SIZE] = "";
    if (!isnan(number))
        mr_number_write_digits(text, sizeof text, N_DIGITS, number);
    fputs(text, r->file);
}

static mr_status row_append(row *r, mr_growing_file *table) {
    fputc('\n', r->file);
    mr_status status = mr_text_stream_close(r, MR_OK);
    if (status != MR_OK)
        return status;
    status = mr_growing_file_append(table, r->text, r->n_bytes);
    free(r->text);
    return status;
}

// If the events can't be written, the table's row is taken back.
static mr_status row_append_with(row *r, mr_growing_file *table, mr_run *run, size_t step,
                                 size_t n_scalars, const mr_scalar *scalars) {
    const size_t size = mr_growing_file_size(table);
    mr_status status = row_append(r, table);
    if (status != MR_OK)
        return status;
    status = mr_events_add(run->events, step, n_scalars, scalars);
    if (status != MR_OK)
        mr_growing_file_cut(table, size);
    return status;
}

// Keeps other processes from training in this directory, for as long as the table is open.
static mr_status lock(const mr_run *run) {
    if (!mr_growing_file_lock(run->progress))
        return mr_fail(MR_ERR_USAGE, "another process trains in %s; wait for it or stop it",
                       run->dir);
    return MR_OK;
}

static mr_status begin_progress(mr_run *run) {
    mr_status status;
    MR_TRY(mr_growing_file_create(mr_run_path(run, progress_name), &run->progress));
    status = lock(run);
done:
    return status;
}

static void add_column(mr_run *run, const char *name) {
    if (run->n_columns == MAX_COLUMNS)
        return;
    column *c = &run->columns[run->n_columns++];
    c->metric = mr_metric_find(&run->metrics, name);
    snprintf(c->name, sizeof c->name, "%s", name);
}

static bool has_column(const mr_run *run, const char *name) {
    for (size_t i = 0; i < run->n_columns; i++)
        if (strcmp(run->columns[i].name, name) == 0)
            return true;
    return false;
}

static void choose_columns(mr_run *run, size_t n_infos, const mr_scalar *infos) {
    for (size_t i = 0; i < run->metrics.n; i++)
        add_column(run, run->metrics.at[i].name);
    for (size_t i = 0; i < n_infos; i++)
        if (!has_column(run, infos[i].tag)) // one of a server may be called like a metric
            add_column(run, infos[i].tag);
}

// A run that another version began keeps the columns that it has.
static mr_status read_columns(mr_run *run) {
    mr_status status;
    char *text = NULL, *rest = NULL;
    size_t n_bytes;
    MR_TRY(mr_file_read(mr_run_path(run, progress_name), &text, &n_bytes));
    text[strcspn(text, "\r\n")] = '\0';
    for (const char *name = strtok_r(text, ",", &rest); name != NULL;
         name = strtok_r(NULL, ",", &rest))
        add_column(run, name);
done:
    free(text);
    return status;
}

static mr_status begin_evaluations(mr_run *run) {
    mr_status status;
    row r;
    MR_TRY(mr_growing_file_create(mr_run_path(run, evaluations_name), &run->evaluations));
    MR_TRY(row_begin(&r));
    fputs("time/total_timesteps,eval/mean_reward,eval/std_reward,eval/mean_ep_length,"
          "eval/returns,eval/lengths",
          r.file);
    status = row_append(&r, run->evaluations);
done:
    return status;
}

static mr_status make_directory(const char *dir) {
    mr_status status;
    char *parent = NULL;
    const char *slash = strrchr(dir, '/');
    if (slash != NULL && slash != dir) {
        parent = strndup(dir, (size_t)(slash - dir));
        if (parent == NULL)
            return mr_fail_memory("a file name");
        MR_TRY(mr_make_directories(parent));
    }
    status = MR_OK;
    if (mkdir(dir, 0777) != 0)
        status =
            errno == EEXIST
                ? mr_fail(MR_ERR_USAGE, "%s exists already; remove it or choose another name", dir)
                : mr_fail(MR_ERR_IO, "cannot make the directory %s: %s", dir, strerror(errno));
done:
    free(parent);
    return status;
}

static mr_status run_new(const char *dir, const mr_settings *settings, mr_run **out) {
    mr_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return mr_fail_memory("a run");
    run->dir = strdup(dir);
    run->path = run->dir != NULL ? malloc(strlen(dir) + NAME_MAX + 2) : NULL;
    if (run->path == NULL) {
        mr_run_close(run);
        return mr_fail_memory("a run");
    }
    mr_metric_list_of(mr_agent_find(settings->agent), &run->metrics);
    // "runs/a/" is runs/a.
    for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
        run->dir[n - 1] = '\0';
    *out = run;
    return MR_OK;
}

static void remove_all(mr_run *run) {
    static const char *const names[] = {config_name, progress_name, evaluations_name};
    for (size_t i = 0; i < MR_COUNT(names); i++)
        unlink(mr_run_path(run, names[i]));
    mr_run_files_remove(run->dir);
    rmdir(run->dir);
}

mr_status mr_run_create(const char *dir, const mr_settings *settings, const mr_run_place *place,
                        mr_run **out) {
    mr_status status;
    mr_run *run = NULL;
    bool made = false;

    MR_TRY(run_new(dir, settings, &run));
    MR_TRY(make_directory(run->dir));
    made = true;
    MR_TRY(mr_settings_write(settings, "", mr_run_path(run, config_name)));
    MR_TRY(begin_progress(run));
    MR_TRY(begin_evaluations(run));
    MR_TRY(mr_run_files_keep(run->dir, settings, place, 0));
    MR_TRY(mr_events_create(run->dir, &run->events));
    *out = run;
    run = NULL;
done:
    if (run != NULL && made)
        remove_all(run);
    mr_run_close(run);
    return status;
}

mr_status mr_run_open(const char *dir, const mr_settings *settings, mr_run **out) {
    mr_status status;
    mr_run *run = NULL;
    MR_TRY(run_new(dir, settings, &run));
    MR_TRY(mr_growing_file_open(mr_run_path(run, progress_name), &run->progress));
    MR_TRY(mr_growing_file_open(mr_run_path(run, evaluations_name), &run->evaluations));
    MR_TRY(lock(run));
    MR_TRY(read_columns(run));
    MR_TRY(mr_events_open(run->dir, &run->events));
    *out = run;
    run = NULL;
done:
    mr_run_close(run);
    return status;
}

mr_status mr_run_sync(mr_run *run, mr_run_sizes *sizes) {
    mr_status status;
    size_t events;
    MR_TRY(mr_growing_file_sync(run->progress));
    MR_TRY(mr_growing_file_sync(run->evaluations));
    MR_TRY(mr_events_sync(run->events, &events));
    *sizes = (mr_run_sizes){.progress = (double)mr_growing_file_size(run->progress),
                            .evaluations = (double)mr_growing_file_size(run->evaluations),
                            .events = (double)events};
done:
    return status;
}

mr_status mr_run_cut(mr_run *run, const mr_run_sizes *sizes) {
    mr_status status;
    MR_TRY(mr_growing_file_cut(run->progress, (size_t)sizes->progress));
    MR_TRY(mr_growing_file_cut(run->evaluations, (size_t)sizes->evaluations));
    MR_TRY(mr_events_cut(run->events, (size_t)sizes->events));
    if (mr_growing_file_size(run->progress) == 0)
        run->n_columns = 0;
done:
    return status;
}

void mr_run_close(mr_run *run) {
    if (run == NULL)
        return;
    mr_growing_file_close(run->progress);
    mr_growing_file_close(run->evaluations);
    mr_events_close(run->events);
    free(run->dir);
    free(run->path);
    free(run);
}

const char *mr_run_path(mr_run *run, const char *name) {
    snprintf(run->path, strlen(run->dir) + NAME_MAX + 2, "%s/%s", run->dir, name);
    return run->path;
}

static double value_of(const mr_metric *metric, const mr_metrics *metrics) {
    return *(const double *)(const void *)((const char *)metrics + metric->offset);
}

// A row repeats the metrics of the latest evaluation; the events have them once, at its step.
static size_t scalars_of(const mr_metric_list *list, const mr_metrics *metrics, size_t n_infos,
                         const mr_scalar *infos, mr_scalar *scalars) {
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const mr_metric *metric = &list->at[i];
        const double value = value_of(metric, metrics);
        if (!metric->of_evaluation && !isnan(value))
            scalars[n++] = (mr_scalar){metric->name, value};
    }
    for (size_t i = 0; i < n_infos; i++)
        if (!isnan(infos[i].value) && mr_metric_find(list, infos[i].tag) == NULL)
            scalars[n++] = infos[i];
    return n;
}

static double cell_of(const column *c, const mr_metrics *metrics, size_t n_infos,
                      const mr_scalar *infos) {
    if (c->metric != NULL)
        return value_of(c->metric, metrics);
    for (size_t i = 0; i < n_infos; i++)
        if (strcmp(infos[i].tag, c->name) == 0)
            return infos[i].value;
    return NAN;
}

static void write_header(row *r, const mr_run *run) {
    for (size_t i = 0; i < run->n_columns; i++)
        fprintf(r->file, "%s%s", i > 0 ? "," : "", run->columns[i].name);
    fputc('\n', r->file);
}

mr_status mr_run_log(mr_run *run, const mr_metrics *metrics, size_t n_infos,
                     const mr_scalar *infos) {
    mr_status status;
    row r;
    mr_scalar scalars[MR_MAX_METRICS + MR_MAX_INFOS];
    const size_t n = scalars_of(&run->metrics, metrics, n_infos, infos, scalars);
    const bool is_first = mr_growing_file_size(run->progress) == 0;
    MR_TRY(row_begin(&r));
    if (run->n_columns == 0)
        choose_columns(run, n_infos, infos);
    if (is_first)
        write_header(&r, run);
    for (size_t i = 0; i < run->n_columns; i++) {
        if (i > 0)
            fputc(',', r.file);
        row_number(&r, cell_of(&run->columns[i], metrics, n_infos, infos));
    }
    status = row_append_with(&r, run->progress, run, (size_t)metrics->total_timesteps, n, scalars);
done:
    return status;
}

mr_status mr_run_log_evaluation(mr_run *run, size_t step, size_t n, const double *returns,
                                const size_t *lengths) {
    mr_status status;
    row r;
    double sum = 0, sum_squares = 0, sum_lengths = 0;
    for (size_t i = 0; i < n; i++) {
        sum += returns[i];
        sum_lengths += (double)lengths[i];
    }
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        sum_squares += (returns[i] - mean) * (returns[i] - mean);

    const mr_scalar scalars[] = {{"eval/mean_reward", mean},
                                 {"eval/std_reward", sqrt(sum_squares / (double)n)},
                                 {"eval/mean_ep_length", sum_lengths / (double)n}};

    MR_TRY(row_begin(&r));
    fprintf(r.file, "%zu", step);
    for (size_t i = 0; i < MR_COUNT(scalars); i++) {
        fputc(',', r.file);
        row_number(&r, scalars[i].value);
    }
    for (size_t i = 0; i < n; i++) {
        fputc(i > 0 ? ' ' : ',', r.file);
        row_number(&r, returns[i]);
    }
    fputc(',', r.file);
    for (size_t i = 0; i < n; i++)
        fprintf(r.file, "%s%zu", i > 0 ? " " : "", lengths[i]);
    status = row_append_with(&r, run->evaluations, run, step, MR_COUNT(scalars), scalars);
done:
    return status;
}
