// Child processes that train the runs of a sweep.

#include "cli/sweep/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/growing_file.h"
#include "cli/stopping.h"

enum { PATH_SIZE = MR_MAX_TEXT + 32, POLL_NS = 20000000 };

/// A place where one run at a time is trained.
typedef struct {
    pid_t pid; // 0: free
    size_t run;
} slot;

/// The work of one call.
typedef struct {
    const mr_sweep_plan *plan;
    const mr_sweep_jobs *jobs;
    size_t round;
    size_t n_all, n_ended; // runs of the round, and those of them that are done or have failed
    size_t n_failed;
    slot *slots; // [jobs->n_at_once]
} work;

static void pause_shortly(void) {
    nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}

static void name_log(const mr_sweep_plan *plan, size_t run, char path[MR_MAX_TEXT]) {
    char name[MR_SWEEP_NAME_SIZE + 64];
    snprintf(name, sizeof name, "%s-s%s.log", mr_sweep_point_of(plan, run)->name,
             mr_sweep_seed_of(plan, run));
    mr_sweep_path(plan, name, path);
}

// ---- Beginning

// What a process that was killed before its first checkpoint has left can't be resumed.
static mr_status move_away_without_checkpoint(const mr_sweep_plan *plan, size_t run) {
    char dir[MR_MAX_TEXT], name[64], new_dir[MR_MAX_TEXT];
    mr_sweep_run_dir(plan, run, dir);
    if (access(dir, F_OK) != 0 || mr_sweep_has_checkpoint(plan, run))
        return MR_OK;
    for (int i = 1; i == 1 || access(new_dir, F_OK) == 0; i++) {
        snprintf(name, sizeof name, "no_checkpoint-%zu-%d", run, i);
        mr_sweep_path(plan, name, new_dir);
    }
    if (rename(dir, new_dir) != 0)
        return mr_fail(MR_ERR_IO, "cannot move %s, which has no checkpoint, to %s: %s", dir,
                       new_dir, strerror(errno));
    fprintf(stderr, "%s has no checkpoint to resume from: moved to %s; the run begins anew\n", dir,
            new_dir);
    return MR_OK;
}

static void write_to(const char *path) {
    const int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (log < 0)
        return;
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close(log);
}

// In a process group of its own, so that Ctrl-C reaches the sweep alone, which then tells its runs.
static void become_run(const work *w, const mr_sweep_words *words, const char *log, pid_t parent,
                       const sigset_t *mask) {
    mr_stop_no_more();
    sigprocmask(SIG_SETMASK, mask, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) // it has ended meanwhile
        _exit(1);
    if (w->jobs->has_logs)
        write_to(log);
    // This program as it was begun, even if its file has been replaced or removed meanwhile.
    execv("/proc/self/exe", (char *const *)words->words);
    _exit(127);
}

static mr_status begin(work *w, size_t place, size_t run) {
    mr_status status;
    char log[MR_MAX_TEXT];
    mr_sweep_words words = {0};
    const pid_t parent = getpid();
    MR_TRY(move_away_without_checkpoint(w->plan, run));
    name_log(w->plan, run, log);
    MR_TRY(mr_sweep_command_of(w->plan, run, w->round, "millrace", &words));
    // A child has the handlers of the sweep until it executes the program. They only note a signal,
    // so that a run which is told to stop would be trained to its end.
    sigset_t all, mask;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask);
    const pid_t child = fork();
    if (child == 0)
        become_run(w, &words, log, parent, &mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (child < 0)
        status = mr_fail(MR_ERR_IO, "cannot begin a process: %s", strerror(errno));
    else
        w->slots[place] = (slot){.pid = child, .run = run};
done:
    mr_sweep_words_free(&words);
    return status;
}

// ---- Ending

static void tell_end(work *w, size_t run, int ended) {
    char dir[MR_MAX_TEXT], log[MR_MAX_TEXT];
    mr_sweep_result result = {0};
    const mr_status status = mr_sweep_result_read(w->plan, run, w->round, &result);
    const bool is_done = status == MR_OK && result.is_done;
    mr_sweep_run_dir(w->plan, run, dir);
    name_log(w->plan, run, log);
    w->n_ended++;
    w->n_failed += !is_done;
    fprintf(stderr, "[%zu/%zu] %s: ", w->n_ended, w->n_all, dir);
    if (is_done)
        fprintf(stderr, "mean return %.2f after %.0f steps\n", result.mean_return, result.steps);
    else if (status != MR_OK)
        fprintf(stderr, "no results: %s", mr_error_message());
    else if (WIFEXITED(ended))
        fprintf(stderr, "failed with exit code %d at step %.0f", WEXITSTATUS(ended), result.steps);
    else
        fprintf(stderr, "ended by signal %d at step %.0f", WTERMSIG(ended), result.steps);
    if (!is_done)
        fprintf(stderr, w->jobs->has_logs ? "; see %s\n" : "\n", log);
}

// Frees the places of runs that have ended, and says how many are still working. Those that were
// told to stop are not told about.
static size_t collect(work *w) {
    size_t n_working = 0;
    for (size_t i = 0; i < w->jobs->n_at_once; i++) {
        int ended;
        slot *s = &w->slots[i];
        if (s->pid == 0)
            continue;
        if (waitpid(s->pid, &ended, WNOHANG) == 0) {
            n_working++;
            continue;
        }
        s->pid = 0;
        if (!*w->jobs->stop)
            tell_end(w, s->run, ended);
    }
    return n_working;
}

// Tells all runs to save and stop, and waits for them.
static void stop_all(work *w) {
    for (size_t i = 0; i < w->jobs->n_at_once; i++)
        if (w->slots[i].pid > 0)
            kill(w->slots[i].pid, SIGTERM);
    while (collect(w) > 0)
        pause_shortly();
}

// ---- All runs

static bool is_trained_elsewhere(const mr_sweep_plan *plan, size_t run) {
    char dir[MR_MAX_TEXT], progress[PATH_SIZE];
    mr_sweep_run_dir(plan, run, dir);
    snprintf(progress, sizeof progress, "%s/progress.csv", dir);
    return mr_growing_file_is_locked(progress);
}

// A process of a sweep that was killed may still be saving.
static void wait_until_free(const work *w, size_t run) {
    if (!is_trained_elsewhere(w->plan, run))
        return;
    fprintf(stderr, "another process trains in %s/%s-s%s; waiting for it\n", w->plan->dir,
            mr_sweep_point_of(w->plan, run)->name, mr_sweep_seed_of(w->plan, run));
    while (!*w->jobs->stop && is_trained_elsewhere(w->plan, run))
        pause_shortly();
}

static size_t find_free(const work *w) {
    size_t i = 0;
    while (i < w->jobs->n_at_once && w->slots[i].pid > 0)
        i++;
    return i;
}

static mr_status begin_next(work *w, size_t place, size_t run) {
    mr_status status;
    bool is_done;
    wait_until_free(w, run);
    if (*w->jobs->stop)
        return MR_OK;
    MR_TRY(mr_sweep_is_done(w->plan, run, w->round, &is_done));
    if (is_done)
        w->n_ended++;
    else
        MR_TRY(begin(w, place, run));
done:
    return status;
}

static mr_status train_all(work *w, size_t n, const size_t *runs) {
    mr_status status = MR_OK;
    size_t next = 0, n_working = 0;
    while (!*w->jobs->stop && (next < n || n_working > 0)) {
        const size_t place = find_free(w);
        if (next < n && place < w->jobs->n_at_once)
            MR_TRY(begin_next(w, place, runs[next++]));
        else
            pause_shortly();
        n_working = collect(w);
    }
done:
    return status;
}

mr_status mr_sweep_train(const mr_sweep_plan *plan, size_t round, size_t n, const size_t *runs,
                         const mr_sweep_jobs *jobs, size_t *n_failed) {
    char cause[1024];
    work w = {.plan = plan, .jobs = jobs, .round = round, .n_all = n};
    w.slots = calloc(jobs->n_at_once, sizeof *w.slots);
    if (!w.slots)
        return mr_fail_memory("the runs of a sweep");
    mr_status status = train_all(&w, n, runs);
    snprintf(cause, sizeof cause, "%s", status == MR_OK ? "" : mr_error_message());
    if (status != MR_OK || *jobs->stop) {
        stop_all(&w);
        status = status != MR_OK ? mr_fail(status, "%s", cause) : MR_STOPPED;
    }
    *n_failed += w.n_failed;
    free(w.slots);
    return status;
}
