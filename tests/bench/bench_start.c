// How long `millrace train` takes to its first step, and `millrace envs` altogether.
//
// Both are timed from outside, from the start of the process on, until the command writes that it
// trains (the first checkpoint is there then, and the first step follows), or ends. `millrace
// --version`, which does no more than load its libraries, takes turns with them.

#include "base/clock.h"
#include "bench.h"

#include <popt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ROUNDS = 1000, PATH_SIZE = 4096 };

typedef struct {
    const char *task;
    int rounds, json;
} bench_options;

static void fail(const char *text) {
    fprintf(stderr, "bench_start: %s\n", text);
    exit(1);
}

// The command beside this program.
static void find_command(char path[PATH_SIZE]) {
    const ssize_t n = readlink("/proc/self/exe", path, PATH_SIZE - 16);
    if (n < 0)
        fail("cannot find the command beside this program");
    path[n] = '\0';
    strcpy(strrchr(path, '/'), "/millrace");
    if (access(path, X_OK) != 0)
        fail("there is no millrace beside this program; build millrace_command");
}

// Milliseconds until the command writes the word, after which it is killed; NULL: until it ends.
static double time_command(const char *const *words, const char *until) {
    char line[4096] = "";
    int ends[2];
    const double begun = mr_clock_s();
    if (pipe(ends) != 0)
        fail("no pipe");
    const pid_t pid = fork();
    if (pid < 0)
        fail("cannot start a process");
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(words[0], (char *const *)words);
        _exit(127);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    bool is_written = false;
    while (!is_written && output != NULL && fgets(line, sizeof line, output) != NULL)
        is_written = until != NULL && strstr(line, until) != NULL;
    const double ms = 1e3 * (mr_clock_s() - begun);
    if (is_written != (until != NULL))
        fail(line);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    fclose(output);
    return ms;
}

// The run directory, which each start needs anew.
static void remove_run(const char *folder) {
    const char *const words[] = {"/bin/rm", "-rf", folder, NULL};
    time_command(words, NULL);
}

static void bench(const bench_options *o) {
    char command[PATH_SIZE], folder[] = "/tmp/bench_start.XXXXXX";
    double train[MAX_ROUNDS], envs[MAX_ROUNDS], version[MAX_ROUNDS];
    const size_t n = (size_t)o->rounds;
    find_command(command);
    if (mkdtemp(folder) == NULL)
        fail("cannot make a folder in /tmp");
    for (size_t i = 0; i < n; i++) {
        remove_run(folder);
        train[i] = time_command((const char *const[]){command, "train", o->task, "--agent", "sac",
                                                      "--out", folder, NULL},
                                "training ");
        envs[i] = time_command((const char *const[]){command, "envs", NULL}, NULL);
        version[i] = time_command((const char *const[]){command, "--version", NULL}, NULL);
    }
    remove_run(folder);
    const double train_ms = bench_median(n, train), envs_ms = bench_median(n, envs),
                 version_ms = bench_median(n, version);
    if (o->json)
        printf("{\"task\": \"%s\", \"train_ms\": %.1f, \"envs_ms\": %.1f, \"version_ms\": %.1f, "
               "\"train_ratio\": %.3f, \"envs_ratio\": %.3f}\n",
               o->task, train_ms, envs_ms, version_ms, version_ms / train_ms, version_ms / envs_ms);
    else
        printf("millrace train %s: %.1f ms to the first step; millrace envs: %.1f ms; millrace "
               "--version: %.1f ms\n",
               o->task, train_ms, envs_ms, version_ms);
}

int main(int argc, const char **argv) {
    bench_options o = {.task = "HalfCheetah-v5", .rounds = 20};
    const struct poptOption table[] = {
        {"task", 0, POPT_ARG_STRING, &o.task, 0, "task that is trained on (default HalfCheetah-v5)",
         "ENV"},
        {"rounds", 0, POPT_ARG_INT, &o.rounds, 0, "starts of each (default 20, at most 1000)", "N"},
        {"json", 0, POPT_ARG_NONE, &o.json, 0, "print one JSON object", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_start", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    if (rc < -1 || o.rounds < 1 || o.rounds > MAX_ROUNDS) {
        fprintf(stderr, "bench_start: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "--rounds: 1 to 1000");
        return 2;
    }
    bench(&o);
    poptFreeContext(context);
    return 0;
}
