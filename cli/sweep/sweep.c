// `millrace sweep`: trains many runs that differ in some settings and in their seeds.

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/text_stream.h"
#include "cli/command_line.h"
#include "cli/shell_word.h"
#include "cli/stopping.h"
#include "cli/sweep/jobs.h"
#include "cli/sweep/slurm.h"

typedef struct {
    char out[MR_MAX_TEXT];
    size_t jobs;
    char table[MR_MAX_CHOICE];
    bool print;
    bool slurm;
    mr_auto task; // automatic: all of them
    size_t round;
} sweep_options;

#define AT(field) offsetof(sweep_options, field)

static const mr_setting options[] = {
    {.name = "out",
     .type = MR_SETTING_OUT_DIR,
     .offset = AT(out),
     .initial = "",
     .metavar = "DIR",
     .help = "folder of the runs; default: runs/NAME for NAME.yaml. A sweep that is there goes on"},
    {.name = "jobs",
     .type = MR_SETTING_COUNT,
     .offset = AT(jobs),
     .initial = "0",
     .max = 4096,
     .metavar = "N",
     .help = "runs at the same time, each with one thread; 0: one for each core; with --slurm: as "
             "many as Slurm allows"},
    {.name = "table",
     .type = MR_SETTING_CHOICE,
     .offset = AT(table),
     .initial = "none",
     .metavar = "none|markdown|csv",
     .help = "print what the runs have reached, the best point first, and train nothing"},
    {.name = "print",
     .type = MR_SETTING_SWITCH,
     .offset = AT(print),
     .initial = "false",
     .help = "print the commands that are left to do, a line each, for GNU parallel or xargs, and "
             "train nothing"},
    {.name = "slurm",
     .type = MR_SETTING_SWITCH,
     .offset = AT(slurm),
     .initial = "false",
     .help = "submit the runs to Slurm as a job array (of halving: one for each round), and train "
             "nothing here"},
    {.name = "task",
     .type = MR_SETTING_AUTO,
     .offset = AT(task),
     .initial = "auto",
     .max = 1e9,
     .metavar = "N",
     .help = "train one run alone, counted from 0, as the jobs of --slurm do"},
    {.name = "round",
     .type = MR_SETTING_COUNT,
     .offset = AT(round),
     .initial = "0",
     .max = MR_SWEEP_MAX_ROUNDS - 1,
     .metavar = "N",
     .help = "round of halving, counted from 0 (--task)"},
};

#undef AT

// ---- The folder

enum { LOCK_TRIES = 300, LOCK_PAUSE_NS = 100000000 };

static mr_status choose_out(const mr_command_line *line, sweep_options *o) {
    char name[MR_MAX_TEXT];
    if (o->out[0] != '\0')
        return MR_OK;
    snprintf(name, sizeof name, "%s", mr_path_name(line->arguments[0]));
    char *dot = strrchr(name, '.');
    if (dot && dot > name)
        *dot = '\0';
    snprintf(o->out, sizeof o->out, "runs/%.900s", name);
    return mr_directory_check_writable(o->out);
}

// One sweep at a time works on a folder. The runs of one that was killed inherit its lock, and have
// it until they have saved. `*lock` is closed by the caller.
static mr_status lock_folder(const mr_sweep_plan *plan, const volatile sig_atomic_t *stop,
                             int *lock) {
    char path[MR_MAX_TEXT];
    mr_sweep_path(plan, "lock", path);
    *lock = open(path, O_RDWR | O_CREAT, 0666);
    if (*lock < 0)
        return mr_fail(MR_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    for (int i = 0; i < LOCK_TRIES && !*stop; i++) {
        if (flock(*lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            return MR_OK;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    return *stop ? MR_STOPPED
                 : mr_fail(MR_ERR_USAGE, "another sweep works on %s; wait for it or stop it",
                           plan->dir);
}

// Makes the folder, locks it, and checks the runs that are there.
static mr_status take_folder(const mr_sweep_plan *plan, const volatile sig_atomic_t *stop,
                             int *lock) {
    mr_status status;
    char path[MR_MAX_TEXT];
    mr_sweep_path(plan, "", path);
    MR_TRY(mr_make_directories(path));
    MR_TRY(lock_folder(plan, stop, lock));
    for (size_t run = 0; run < plan->n_runs; run++)
        MR_TRY(mr_sweep_check_run(plan, run));
done:
    return status;
}

// ---- The ways to use it

static size_t count_cores(void) {
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? (size_t)CPU_COUNT(&allowed) : 1;
}

// The runs of a round. The caller frees `*runs`.
static mr_status list_runs(const mr_sweep_plan *plan, size_t round, size_t *n, size_t **runs) {
    mr_status status;
    bool *is_in = calloc(plan->n_points, sizeof *is_in);
    *n = 0;
    *runs = calloc(plan->n_runs, sizeof **runs);
    if (!is_in || !*runs) {
        status = mr_fail_memory("the runs of a sweep");
        goto done;
    }
    MR_TRY(mr_sweep_points_of_round(plan, round, is_in));
    for (size_t run = 0; run < plan->n_runs; run++)
        if (is_in[run / plan->file->n_seeds])
            (*runs)[(*n)++] = run;
done:
    free(is_in);
    return status;
}

static mr_status train_rounds(const mr_sweep_plan *plan, const mr_sweep_jobs *jobs,
                              size_t *n_failed) {
    mr_status status = MR_OK;
    size_t *runs = NULL, n;
    for (size_t round = 0; round < plan->n_rounds; round++) {
        free(runs);
        runs = NULL;
        MR_TRY(list_runs(plan, round, &n, &runs));
        if (plan->n_rounds > 1)
            fprintf(stderr, "round %zu of %zu: %zu points, %zu steps\n", round + 1, plan->n_rounds,
                    plan->round_points[round], plan->round_steps[round]);
        MR_TRY(mr_sweep_train(plan, round, n, runs, jobs, n_failed));
    }
done:
    free(runs);
    return status;
}

// The exit code of a sweep that was stopped, or of which runs have failed.
static mr_status conclude(mr_status status, const mr_sweep_plan *plan, size_t n_failed,
                          int *exit_code) {
    if (status == MR_STOPPED) {
        fprintf(stderr, "stopped; the same command goes on\n");
        *exit_code = mr_stop_exit_code();
        return MR_OK;
    }
    if (status == MR_OK && n_failed > 0)
        return mr_fail(MR_ERR_INPUT,
                       "%zu of %zu runs failed; their logs are in %s/.sweep, and the same command "
                       "tries them again",
                       n_failed, plan->n_runs, plan->dir);
    return status;
}

static mr_status train_here(const mr_sweep_plan *plan, const sweep_options *o, int *exit_code) {
    mr_status status;
    int lock = -1;
    size_t n_failed = 0;
    const size_t n_cores = count_cores();
    const mr_sweep_jobs jobs = {.n_at_once = o->jobs > 0 ? o->jobs : n_cores,
                                .has_logs = true,
                                .stop = mr_stop_on_signals()};
    MR_TRY(take_folder(plan, jobs.stop, &lock));
    fprintf(stderr, "%zu points with %zu seeds each, %zu runs at once; results go to %s\n",
            plan->n_points, plan->file->n_seeds, jobs.n_at_once, plan->dir);
    status = train_rounds(plan, &jobs, &n_failed);
    if (status == MR_OK)
        MR_TRY(mr_sweep_print_table(plan, "markdown"));
done:
    if (lock >= 0)
        close(lock);
    return conclude(status, plan, n_failed, exit_code);
}

// A job of Slurm. When its time is nearly over it is told so by SIGUSR1, saves, and goes back into
// the queue; a job that is preempted is put there by Slurm. If the daemon dies that began it, it
// saves and ends, too: Slurm will begin it again.
static mr_status train_task(const mr_sweep_plan *plan, const sweep_options *o, int *exit_code) {
    mr_status status;
    size_t *runs = NULL, n, n_failed = 0, run = (size_t)o->task.value;
    bool is_in = false;
    const mr_sweep_jobs jobs = {.n_at_once = 1, .stop = mr_stop_on_signals()};
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (run >= plan->n_runs || o->round >= plan->n_rounds)
        return mr_fail(MR_ERR_USAGE,
                       "the sweep has %zu runs and %zu rounds, no task %zu in round %zu",
                       plan->n_runs, plan->n_rounds, run, o->round);
    MR_TRY(list_runs(plan, o->round, &n, &runs));
    for (size_t i = 0; i < n; i++)
        is_in = is_in || runs[i] == run;
    if (!is_in) {
        fprintf(stderr, "this point was eliminated in an earlier round; nothing to do\n");
        goto done;
    }
    status = mr_sweep_train(plan, o->round, 1, &run, &jobs, &n_failed);
    if (status == MR_STOPPED && mr_stop_exit_code() == 128 + SIGUSR1) {
        const mr_status requeued = mr_sweep_requeue();
        status = requeued == MR_OK ? MR_STOPPED : requeued;
    }
done:
    free(runs);
    return conclude(status, plan, n_failed, exit_code);
}

static mr_status write_command(const mr_sweep_plan *plan, size_t run, FILE *out) {
    char dir[MR_MAX_TEXT];
    mr_sweep_words words;
    mr_sweep_run_dir(plan, run, dir);
    if (access(dir, F_OK) == 0 && !mr_sweep_has_checkpoint(plan, run))
        return mr_fail(MR_ERR_USAGE,
                       "%s has no checkpoint to resume from; wait for its first one if the run is "
                       "being trained, or else remove the directory",
                       dir);
    const mr_status status = mr_sweep_command_of(plan, run, 0, program_invocation_name, &words);
    for (size_t i = 0; i < words.n && status == MR_OK; i++) {
        mr_shell_word_write(words.words[i], out);
        fputc(i + 1 < words.n ? ' ' : '\n', out);
    }
    mr_sweep_words_free(&words);
    return status;
}

static mr_status write_commands(const mr_sweep_plan *plan, FILE *out) {
    mr_status status = MR_OK;
    for (size_t run = 0; run < plan->n_runs; run++) {
        bool is_done;
        MR_TRY(mr_sweep_check_run(plan, run));
        MR_TRY(mr_sweep_is_done(plan, run, 0, &is_done));
        if (!is_done)
            MR_TRY(write_command(plan, run, out));
    }
done:
    return status;
}

// Commands go on with what has begun, and leave out what is done. Either all are printed or none.
static mr_status print_commands(const mr_sweep_plan *plan) {
    mr_text_stream commands;
    if (plan->n_rounds > 1)
        return mr_fail(MR_ERR_USAGE,
                       "--print is for grid and random: which runs of halving go on is "
                       "known only after each round");
    mr_status status = mr_text_stream_open("the commands of a sweep", &commands);
    if (status != MR_OK)
        return status;
    status = mr_text_stream_close(&commands, write_commands(plan, commands.file));
    if (status != MR_OK)
        return status;
    fputs(commands.text, stdout);
    free(commands.text);
    return MR_OK;
}

// A signal ends the waiting for the folder, but no submission: the ids of its jobs would be lost.
static mr_status submit(const mr_sweep_plan *plan, const sweep_options *o, int *exit_code) {
    mr_status status;
    int lock = -1;
    MR_TRY(take_folder(plan, mr_stop_on_signals(), &lock));
    status = mr_sweep_submit(plan, o->jobs);
done:
    if (lock >= 0)
        close(lock);
    return conclude(status, plan, 0, exit_code);
}

static mr_status check_together(const sweep_options *o) {
    const bool has_table = strcmp(o->table, "none") != 0;
    if (has_table + o->print + o->slurm + !o->task.automatic > 1)
        return mr_fail(MR_ERR_USAGE, "--table, --print, --slurm and --task are one at a time");
    return MR_OK;
}

static mr_status run_sweep(const mr_command_line *line, int *exit_code) {
    mr_status status;
    sweep_options o;
    mr_sweep_file file = {0};
    mr_sweep_plan plan = {0};
    MR_TRY(mr_command_line_store(&mr_command_sweep, line, &o));
    MR_TRY(check_together(&o));
    MR_TRY(choose_out(line, &o));
    MR_TRY(mr_sweep_file_read(line->arguments[0], &file));
    const bool has_table = strcmp(o.table, "none") != 0;
    const bool begins_anything = !has_table && o.task.automatic;
    MR_TRY(mr_sweep_plan_new(&file, o.out, begins_anything, &plan));
    if (has_table)
        status = mr_sweep_print_table(&plan, o.table);
    else if (o.print)
        status = print_commands(&plan);
    else if (o.slurm)
        status = submit(&plan, &o, exit_code);
    else if (!o.task.automatic)
        status = train_task(&plan, &o, exit_code);
    else
        status = train_here(&plan, &o, exit_code);
done:
    mr_sweep_plan_free(&plan);
    mr_sweep_file_free(&file);
    return status;
}

const mr_command mr_command_sweep = {
    .name = "sweep",
    .usage = "SWEEP.yaml [options]",
    .summary = "train many runs, here or on a cluster: grid, random, halving",
    .details = "Trains the runs that a file describes: all combinations of listed values,\n"
               "points drawn at random, or successive halving, each with several seeds\n"
               "(docs/sweeps.md). All settings of all runs are checked before the first one\n"
               "begins. A sweep can be stopped or killed at any moment: the same command goes\n"
               "on.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_sweep,
};
