/// Runs the real command, as a user would, in the test's scratch folder.
#pragma once

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/scratch.h"

/// What became of it.
typedef struct {
    int code;  // exit code; 128 + n where signal n ended it
    char *out; // what it wrote, to be freed with outcome_free
    char *err;
} outcome;

/// How it is run. NULL and 0 leave things as they are.
typedef struct {
    const char *program; // instead of the command
    const char *path;    // PATH
    const char *stdout_file;
    rlim_t max_file_size;
    rlim_t max_open_files;
    rlim_t max_memory;      // bytes of address space
    unsigned end_after;     // seconds; SIGALRM then ends it
    bool obeys_permissions; // also as root, who may write anywhere
} circumstances;

enum { MAX_ARGUMENTS = 40 };

static inline void become_program(const circumstances *how, const char *const *arguments,
                                  const char *out, const char *err) {
    const char *argv[MAX_ARGUMENTS + 2] = {how->program ? how->program : MR_TEST_COMMAND};
    for (size_t i = 0; arguments[i] != NULL && i < MAX_ARGUMENTS; i++)
        argv[i + 1] = arguments[i];
    if (how->path != NULL)
        setenv("PATH", how->path, 1);
    if (how->max_file_size > 0) {
        signal(SIGXFSZ, SIG_IGN); // writing then fails, as on a full disk
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){how->max_file_size, RLIM_INFINITY});
    }
    if (how->max_open_files > 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){how->max_open_files, how->max_open_files});
    if (how->max_memory > 0)
        setrlimit(RLIMIT_AS, &(struct rlimit){how->max_memory, how->max_memory});
    alarm(how->end_after);
    const int out_file = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    const int err_file = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dup2(out_file, STDOUT_FILENO);
    dup2(err_file, STDERR_FILENO);
    if (how->obeys_permissions && geteuid() == 0 &&
        (prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) || prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH)))
        _exit(127);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

/// Starts it and does not wait. Its output goes to `name`.out and `name`.err.
static inline pid_t start(const circumstances *how, const char *name,
                          const char *const *arguments) {
    char out[64], err[64];
    snprintf(out, sizeof out, "%s.out", name);
    snprintf(err, sizeof err, "%s.err", name);
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        become_program(how, arguments, how->stdout_file ? how->stdout_file : out, err);
    return child;
}

static inline char *take_file(const char *name, const char *suffix) {
    char path[64];
    snprintf(path, sizeof path, "%s.%s", name, suffix);
    char *text = access(path, F_OK) == 0 ? scratch_read(path) : strdup("");
    unlink(path);
    return text;
}

static inline outcome finish(pid_t child, const char *name) {
    int ended = 0;
    cr_assert_eq(waitpid(child, &ended, 0), child);
    return (outcome){WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended),
                     take_file(name, "out"), take_file(name, "err")};
}

static inline outcome run_under(const circumstances *how, const char *const *arguments) {
    return finish(start(how, "command", arguments), "command");
}

static inline outcome run(const char *const *arguments) {
    return run_under(&(circumstances){0}, arguments);
}

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RUN(...) run(ARGUMENTS(__VA_ARGS__))

static inline void outcome_free(outcome *o) {
    free(o->out);
    free(o->err);
}

/// It said no: with this exit code, nothing on stdout, and one line that has `part` in it.
static inline void expect_refusal(outcome *o, int code, const char *part) {
    cr_expect_eq(o->code, code, "exit code %d, not %d: %s", o->code, code, o->err);
    cr_expect_str_eq(o->out, "");
    const char *end = strchr(o->err, '\n');
    cr_expect(end != NULL && end[1] == '\0', "not one line: %s", o->err);
    scratch_expect_part(o->err, part);
    outcome_free(o);
}

static inline void expect_success(const outcome *o) {
    cr_expect_eq(o->code, 0, "exit code %d: %s", o->code, o->err);
}

/// Runs what succeeds, for the files that it leaves.
static inline void run_well(const char *const *arguments) {
    outcome o = run(arguments);
    expect_success(&o);
    outcome_free(&o);
}
