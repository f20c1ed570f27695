// Job arrays of Slurm, by its commands sbatch, squeue and scontrol.

#include "cli/sweep/slurm.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/text_stream.h"
#include "cli/shell_word.h"

enum { MAX_WORDS = 16, ID_SIZE = 64, OUTPUT_SIZE = 4096 };

// ---- Commands of Slurm

/// How a command ended, and the beginning of what it wrote.
typedef struct {
    int exit_code; // 128 + n: signal n ended it
    char out[OUTPUT_SIZE], err[OUTPUT_SIZE];
} command_result;

static mr_status spawn(const char *const *words, int out, int err, pid_t *child) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    const int error = posix_spawnp(child, words[0], &actions, NULL, (char *const *)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error == ENOENT)
        return mr_fail(MR_ERR_USAGE,
                       "there is no %s here; --slurm needs Slurm's commands, and --jobs trains on "
                       "this machine",
                       words[0]);
    return error == 0 ? MR_OK : mr_fail(MR_ERR_IO, "cannot run %s: %s", words[0], strerror(error));
}

static void read_beginning(int file, char text[OUTPUT_SIZE]) {
    const ssize_t n = pread(file, text, OUTPUT_SIZE - 1, 0);
    text[n > 0 ? n : 0] = '\0';
}

// The outputs go to files, so that a command which writes more than is read here is not ended by
// SIGPIPE.
static mr_status run_command(const char *const *words, command_result *out) {
    mr_status status;
    int out_file = -1, err_file = -1, ended = 0;
    pid_t child;
    MR_TRY(mr_file_open_temporary("what Slurm says", &out_file));
    MR_TRY(mr_file_open_temporary("what Slurm says", &err_file));
    MR_TRY(spawn(words, out_file, err_file, &child));
    while (waitpid(child, &ended, 0) < 0 && errno == EINTR)
        continue;
    out->exit_code = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
    read_beginning(out_file, out->out);
    read_beginning(err_file, out->err);
done:
    if (out_file >= 0)
        close(out_file);
    if (err_file >= 0)
        close(err_file);
    return status;
}

// The lines that it wrote on stderr become one.
static mr_status fail_command(const char *what, const char *command, command_result *result) {
    for (char *c = result->err; *c != '\0'; c++)
        if (*c == '\n')
            *c = c[1] == '\0' ? '\0' : ' ';
    return mr_fail(MR_ERR_IO, "%s: %s failed with exit code %d: %s", what, command,
                   result->exit_code, result->err);
}

mr_status mr_sweep_requeue(void) {
    command_result result;
    const char *job = getenv("SLURM_JOB_ID");
    if (!job)
        return MR_OK; // not a job
    const mr_status status =
        run_command((const char *const[]){"scontrol", "requeue", job, NULL}, &result);
    return status == MR_OK && result.exit_code != 0
               ? fail_command("cannot put the job back into the queue", "scontrol", &result)
               : status;
}

// ---- Files of the jobs

// The file as it is now: jobs read it when their turn comes.
static mr_status keep_file(const mr_sweep_plan *plan) {
    mr_status status;
    char path[MR_MAX_TEXT], *text = NULL;
    size_t n_bytes;
    mr_sweep_path(plan, "sweep.yaml", path);
    MR_TRY(mr_file_read(plan->file->path, &text, &n_bytes));
    status = mr_file_replace(path, 1, &(mr_bytes){text, n_bytes});
done:
    free(text);
    return status;
}

// Text within quotation marks, as sbatch reads it. In the path of a log, %a is the number of a task
// and %% a percent sign.
static void write_quoted(FILE *script, const char *text, bool is_log) {
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', script);
        if (*text == '%' && is_log)
            fputc('%', script);
        fputc(*text, script);
    }
}

static void write_option(FILE *script, const char *name, const char *value) {
    fprintf(script, "#SBATCH --%s=\"", name);
    write_quoted(script, value, false);
    fputs("\"\n", script);
}

static void write_options(const mr_sweep_plan *plan, const char *dir, FILE *script) {
    write_option(script, "job-name", mr_path_name(dir));
    fputs("#SBATCH --output=\"", script);
    write_quoted(script, dir, true);
    fputs("/.sweep/job-%a.log\"\n", script);
    write_option(script, "open-mode", "append");
    write_option(script, "cpus-per-task", "1");
    write_option(script, "signal", "B:USR1@120");
    fputs("#SBATCH --requeue\n", script);
    for (size_t i = 0; i < plan->file->n_slurm; i++)
        write_option(script, plan->file->slurm[i].name, plan->file->slurm[i].text);
}

static mr_status write_text(const mr_sweep_plan *plan, const char *dir, FILE *script) {
    char program[PATH_MAX] = "", copy[MR_MAX_TEXT];
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return mr_fail(MR_ERR_IO, "cannot find this program: %s", strerror(errno));
    snprintf(copy, sizeof copy, "%s/.sweep/sweep.yaml", dir);
    fputs("#!/bin/sh\n# Written by `millrace sweep --slurm`: a task trains one run.\n", script);
    write_options(plan, dir, script);
    fputs("exec ", script);
    const char *const words[] = {program, "sweep", copy, "--out", dir};
    for (size_t i = 0; i < MR_COUNT(words); i++) {
        mr_shell_word_write(words[i], script);
        fputc(' ', script);
    }
    fputs("--round \"$1\" --task \"$SLURM_ARRAY_TASK_ID\"\n", script);
    return MR_OK;
}

static mr_status write_script(const mr_sweep_plan *plan, const char *path) {
    static const char what[] = "the script of the jobs";
    mr_status status;
    mr_text_stream script;
    char *dir = mr_path_absolute(plan->dir);
    if (!dir)
        return mr_fail_memory(what);
    MR_TRY(mr_text_stream_open(what, &script));
    status = mr_text_stream_save(&script, write_text(plan, dir, script.file), path);
done:
    free(dir);
    return status;
}

// ---- The queue

// The ids of the jobs of an earlier call, "12,13"; "" without one.
static mr_status read_ids(const mr_sweep_plan *plan, char ids[OUTPUT_SIZE]) {
    char path[MR_MAX_TEXT], *text;
    size_t n_bytes;
    ids[0] = '\0';
    mr_sweep_path(plan, "jobs", path);
    if (!mr_file_is_there(path))
        return MR_OK;
    const mr_status status = mr_file_read(path, &text, &n_bytes);
    if (status != MR_OK)
        return status;
    snprintf(ids, OUTPUT_SIZE, "%s", text);
    free(text);
    return MR_OK;
}

// Slurm forgets jobs that are over, and then says that the id is invalid.
static mr_status check_queue(const mr_sweep_plan *plan) {
    mr_status status;
    char ids[OUTPUT_SIZE];
    command_result result;
    MR_TRY(read_ids(plan, ids));
    if (ids[0] == '\0')
        return MR_OK;
    MR_TRY(run_command(
        (const char *const[]){"squeue", "--noheader", "--format=%A", "--jobs", ids, NULL},
        &result));
    if (result.exit_code == 0 && result.out[strspn(result.out, " \n")] != '\0')
        status =
            mr_fail(MR_ERR_USAGE,
                    "jobs of this sweep are in the queue already (%s); `squeue --jobs %s` shows "
                    "them, `scancel %s` ends them",
                    ids, ids, ids);
    else if (result.exit_code != 0 && !strstr(result.err, "Invalid job id"))
        status =
            fail_command("nothing was submitted, because jobs of this sweep may be in the queue",
                         "squeue", &result);
done:
    return status;
}

// ---- Submitting

// Runs from `first` up to, and without, `end`.
static void write_range(FILE *list, size_t first, size_t end) {
    fprintf(list, "%zu", first);
    if (first + 1 < end)
        fprintf(list, "-%zu", end - 1);
}

// The tasks of a round that are not done, as "--array=0,2-5%4". "": none are left.
static mr_status list_tasks(const mr_sweep_plan *plan, size_t round, size_t n_at_once, char **out) {
    size_t n_ranges = 0, first = 0; // of the runs that are not done and not written yet
    mr_text_stream list;
    mr_status status = mr_text_stream_open("the tasks of a sweep", &list);
    if (status != MR_OK)
        return status;
    for (size_t run = 0; run <= plan->n_runs; run++) {
        bool is_done = true;
        if (run < plan->n_runs)
            MR_TRY(mr_sweep_is_done(plan, run, round, &is_done));
        if (!is_done)
            continue;
        if (first < run) {
            fputs(n_ranges++ > 0 ? "," : "--array=", list.file);
            write_range(list.file, first, run);
        }
        first = run + 1;
    }
    if (n_ranges > 0 && n_at_once > 0)
        fprintf(list.file, "%%%zu", n_at_once);
done:
    status = mr_text_stream_close(&list, status);
    *out = list.text;
    return status;
}

// The id of the job that sbatch says, as in "12" or "12;cluster".
static mr_status read_id(command_result *result, char id[ID_SIZE]) {
    if (result->exit_code != 0)
        return fail_command("cannot submit the sweep", "sbatch", result);
    fputs(result->err, stderr); // warnings
    const size_t n = strspn(result->out, "0123456789");
    if (n == 0 || n >= ID_SIZE)
        return mr_fail(MR_ERR_IO,
                       "sbatch succeeds but writes no id of a job: '%.200s'; the job may be in the "
                       "queue: look with `squeue --me` before you submit the sweep again",
                       result->out);
    memcpy(id, result->out, n);
    id[n] = '\0';
    return MR_OK;
}

// `ids` gets the new id; the last one there is waited for.
static mr_status submit_round(const mr_sweep_plan *plan, size_t round, size_t n_at_once,
                              const char *script, char ids[OUTPUT_SIZE]) {
    mr_status status;
    char *tasks = NULL, after[ID_SIZE * 2], number[32], id[ID_SIZE];
    command_result result;
    const char *last = strrchr(ids, ',') ? strrchr(ids, ',') + 1 : ids;
    const char *words[MAX_WORDS] = {"sbatch", "--parsable"};
    size_t n = 2;
    MR_TRY(list_tasks(plan, round, n_at_once, &tasks));
    if (tasks[0] == '\0')
        goto done;
    words[n++] = tasks;
    snprintf(number, sizeof number, "%zu", round);
    snprintf(after, sizeof after, "--dependency=afterany:%.*s", ID_SIZE, last);
    if (last[0] != '\0')
        words[n++] = after;
    words[n++] = script;
    words[n++] = number;
    MR_TRY(run_command(words, &result));
    MR_TRY(read_id(&result, id));
    const size_t n_ids = strlen(ids);
    snprintf(ids + n_ids, OUTPUT_SIZE - n_ids, "%s%s", n_ids > 0 ? "," : "", id);
    printf("submitted job %s: %s\n", id, tasks);
done:
    free(tasks);
    return status;
}

mr_status mr_sweep_submit(const mr_sweep_plan *plan, size_t n_at_once) {
    mr_status status;
    char script[MR_MAX_TEXT], jobs[MR_MAX_TEXT], ids[OUTPUT_SIZE] = "";
    MR_TRY(check_queue(plan));
    MR_TRY(keep_file(plan));
    mr_sweep_path(plan, "job.sh", script);
    mr_sweep_path(plan, "jobs", jobs);
    MR_TRY(write_script(plan, script));
    for (size_t round = 0; round < plan->n_rounds; round++) {
        MR_TRY(submit_round(plan, round, n_at_once, script, ids));
        MR_TRY(mr_file_replace(jobs, 1, &(mr_bytes){ids, strlen(ids)}));
    }
    if (ids[0] == '\0')
        printf("all runs are done\n");
done:
    return status;
}
