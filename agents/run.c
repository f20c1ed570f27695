// Run directories.

#include "agents/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nn/file.h"

static const char config_name[] = "config.yaml";

// A CSV file that only grows, a row at a time.
typedef struct {
    const char *name;
    int file;
    off_t size; // all whole rows
} table;

struct mr_run {
    char *dir;
    char *path; // what mr_run_path returned last
    table progress;
    table evaluations;
};

// Where a row is put together. The text is freed by row_append.
typedef struct {
    FILE *stream;
    char *text;
    size_t n_bytes;
} row;

static mr_status row_begin(row *r) {
    *r = (row){0};
    r->stream = open_memstream(&r->text, &r->n_bytes);
    return r->stream != NULL ? MR_OK : mr_fail_memory("a row of results");
}

static void row_number(row *r, double number) {
    if (!isnan(number))
        fprintf(r->stream, "%.10g", number);
}

static bool write_all(int file, const char *text, size_t n_bytes) {
    while (n_bytes > 0) {
        const ssize_t n = write(file, text, n_bytes);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            text += n;
            n_bytes -= (size_t)n;
        }
    }
    return true;
}

// A row goes to the file in one write: a process killed at any moment leaves all of it or nothing.
// What a full disk cuts off is taken back.
static mr_status row_append(row *r, mr_run *run, table *t) {
    fputc('\n', r->stream);
    if (fclose(r->stream) != 0) {
        free(r->text);
        return mr_fail_memory("a row of results");
    }
    const bool written = write_all(t->file, r->text, r->n_bytes);
    const int error = errno;
    free(r->text);
    if (written) {
        t->size += (off_t)r->n_bytes;
        return MR_OK;
    }
    const bool restored = ftruncate(t->file, t->size) == 0;
    return mr_fail(MR_ERR_IO, "cannot add a row to %s: %s; make room for it%s",
                   mr_run_path(run, t->name), strerror(error),
                   restored ? "" : " and remove the file's unfinished last row");
}

static mr_status open_table(mr_run *run, const char *name, table *t) {
    t->name = name;
    t->file =
        open(mr_run_path(run, name), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (t->file < 0)
        return mr_fail(MR_ERR_IO, "cannot write %s: %s", mr_run_path(run, name), strerror(errno));
    return MR_OK;
}

// As long as this file is open, nobody else trains here. File systems without locks go without.
static mr_status lock(const mr_run *run) {
    if (flock(run->progress.file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return mr_fail(MR_ERR_USAGE, "another process trains in %s; wait for it or stop it",
                       run->dir);
    return MR_OK;
}

static mr_status begin_progress(mr_run *run) {
    mr_status status;
    row r;
    MR_TRY(open_table(run, "progress.csv", &run->progress));
    MR_TRY(lock(run));
    MR_TRY(row_begin(&r));
    for (size_t i = 0; i < mr_metric_count(); i++)
        fprintf(r.stream, "%s%s", i > 0 ? "," : "", mr_metric_at(i)->name);
    status = row_append(&r, run, &run->progress);
done:
    return status;
}

static mr_status begin_evaluations(mr_run *run) {
    mr_status status;
    row r;
    MR_TRY(open_table(run, "evaluations.csv", &run->evaluations));
    MR_TRY(row_begin(&r));
    fputs("time/total_timesteps,eval/mean_reward,eval/std_reward,eval/mean_ep_length,"
          "eval/returns,eval/lengths",
          r.stream);
    status = row_append(&r, run, &run->evaluations);
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

static mr_status run_new(const char *dir, mr_run **out) {
    mr_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return mr_fail_memory("a run");
    run->progress.file = run->evaluations.file = -1;
    run->dir = strdup(dir);
    run->path = run->dir != NULL ? malloc(strlen(dir) + NAME_MAX + 2) : NULL;
    if (run->path == NULL) {
        mr_run_close(run);
        return mr_fail_memory("a run");
    }
    // "runs/a/" is runs/a.
    for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
        run->dir[n - 1] = '\0';
    *out = run;
    return MR_OK;
}

static void remove_all(mr_run *run) {
    static const char *const names[] = {config_name, "progress.csv", "evaluations.csv"};
    for (size_t i = 0; i < MR_COUNT(names); i++)
        unlink(mr_run_path(run, names[i]));
    rmdir(run->dir);
}

mr_status mr_run_create(const char *dir, const mr_settings *settings, mr_run **out) {
    mr_status status;
    mr_run *run = NULL;
    bool made = false;

    MR_TRY(run_new(dir, &run));
    MR_TRY(make_directory(run->dir));
    made = true;
    MR_TRY(mr_settings_write(settings, mr_run_path(run, config_name)));
    MR_TRY(begin_progress(run));
    MR_TRY(begin_evaluations(run));
    *out = run;
    run = NULL;
done:
    if (run != NULL && made)
        remove_all(run);
    mr_run_close(run);
    return status;
}

static mr_status reopen_table(mr_run *run, const char *name, table *t) {
    t->name = name;
    t->file = open(mr_run_path(run, name), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (t->file < 0 && errno == ENOENT)
        return mr_fail(MR_ERR_USAGE, "%s is not there; give the directory of a run to resume",
                       mr_run_path(run, name));
    if (t->file < 0)
        return mr_fail(MR_ERR_IO, "cannot write %s: %s; change the permissions",
                       mr_run_path(run, name), strerror(errno));
    return MR_OK;
}

mr_status mr_run_open(const char *dir, mr_run **out) {
    mr_status status;
    mr_run *run = NULL;
    MR_TRY(run_new(dir, &run));
    MR_TRY(reopen_table(run, "progress.csv", &run->progress));
    MR_TRY(reopen_table(run, "evaluations.csv", &run->evaluations));
    MR_TRY(lock(run));
    *out = run;
    run = NULL;
done:
    mr_run_close(run);
    return status;
}

static mr_status sync_table(mr_run *run, const table *t) {
    if (fsync(t->file) != 0)
        return mr_fail(MR_ERR_IO, "cannot write %s: %s; check the disk", mr_run_path(run, t->name),
                       strerror(errno));
    return MR_OK;
}

mr_status mr_run_sync(mr_run *run, double *progress_bytes, double *evaluations_bytes) {
    mr_status status;
    MR_TRY(sync_table(run, &run->progress));
    MR_TRY(sync_table(run, &run->evaluations));
    *progress_bytes = (double)run->progress.size;
    *evaluations_bytes = (double)run->evaluations.size;
done:
    return status;
}

static mr_status cut_table(mr_run *run, table *t, double n_bytes) {
    struct stat info;
    if (fstat(t->file, &info) != 0 || (double)info.st_size < n_bytes)
        return mr_fail(
            MR_ERR_INPUT,
            "%s is shorter than when the checkpoint was written; put the file back as it "
            "was",
            mr_run_path(run, t->name));
    t->size = (off_t)n_bytes;
    if (ftruncate(t->file, t->size) != 0)
        return mr_fail(MR_ERR_IO, "cannot cut %s: %s; check the disk", mr_run_path(run, t->name),
                       strerror(errno));
    return MR_OK;
}

mr_status mr_run_cut(mr_run *run, double progress_bytes, double evaluations_bytes) {
    const mr_status status = cut_table(run, &run->progress, progress_bytes);
    return status == MR_OK ? cut_table(run, &run->evaluations, evaluations_bytes) : status;
}

void mr_run_close(mr_run *run) {
    if (run == NULL)
        return;
    if (run->progress.file >= 0)
        close(run->progress.file);
    if (run->evaluations.file >= 0)
        close(run->evaluations.file);
    free(run->dir);
    free(run->path);
    free(run);
}

const char *mr_run_path(mr_run *run, const char *name) {
    snprintf(run->path, strlen(run->dir) + NAME_MAX + 2, "%s/%s", run->dir, name);
    return run->path;
}

mr_status mr_run_log(mr_run *run, const mr_metrics *metrics) {
    mr_status status;
    row r;
    MR_TRY(row_begin(&r));
    for (size_t i = 0; i < mr_metric_count(); i++) {
        const char *field = (const char *)metrics + mr_metric_at(i)->offset;
        if (i > 0)
            fputc(',', r.stream);
        row_number(&r, *(const double *)(const void *)field);
    }
    status = row_append(&r, run, &run->progress);
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

    MR_TRY(row_begin(&r));
    fprintf(r.stream, "%zu,%.10g,%.10g,%.10g,", step, mean, sqrt(sum_squares / (double)n),
            sum_lengths / (double)n);
    for (size_t i = 0; i < n; i++)
        fprintf(r.stream, "%s%.10g", i > 0 ? " " : "", returns[i]);
    fputc(',', r.stream);
    for (size_t i = 0; i < n; i++)
        fprintf(r.stream, "%s%zu", i > 0 ? " " : "", lengths[i]);
    status = row_append(&r, run, &run->evaluations);
done:
    return status;
}
