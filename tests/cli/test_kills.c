// Runs that are killed at any moment, by a signal that no program hears, and resumed to the end:
// they end with the bytes of a run that was never killed.
//
// One kill a case; MILLRACE_KILLS=200 makes it so many in all, MILLRACE_KILLS_SEED=2 draws other
// moments, and MILLRACE_KILLS_LOG=FILE adds a line for each kill: the case, how its moment was
// chosen, where it was, what was left of files being written, and by gdb what the run was doing.

#include <math.h>
#include <poll.h>
#include <sys/inotify.h>
#include <time.h>

#include "base/clock.h"
#include "base/random.h"
#include "tests/cli/same_run.h"
#include "tests/cli/server_process.h"

TestSuite(kills, .init = scratch_enter, .fini = scratch_leave, .timeout = 3600);

#define SMALL(eval_every)                                                                          \
    "--hidden", "16", "--batch-size", "16", "--buffer-size", "900", "--learning-starts", "100",    \
        "--checkpoint-every", "70", "--eval-every", eval_every
#define HERE "train", "InvertedPendulum-v5"
#define SERVED "train", "zmq:ipc://server"
#define FLOW "real_nvp:layers=2,hidden=8"
#define DENSITY "--bonus", "density", "--bonus-critic-hidden", "16"

typedef struct {
    const char *name;
    bool is_served;
    const char *arguments[MAX_ARGUMENTS];
} kill_case;

static const kill_case cases[] = {
    {"gaussian",
     false,
     {HERE, SMALL("500"), "--threads", "1", "--policy", "gaussian", "--eval-episodes", "2",
      "--steps", "2500"}},
    {"flow",
     false,
     {HERE, SMALL("500"), "--threads", "2", "--policy", FLOW, "--num-envs", "3", "--eval-episodes",
      "2", "--steps", "2001"}},
    {"density",
     false,
     {HERE, SMALL("500"), "--threads", "1", "--policy", FLOW, DENSITY, "--bonus-flow",
      "maf:layers=1,hidden=8", "--bonus-critic", "separate", "--eval-episodes", "2", "--steps",
      "2000"}},
    {"density on threads",
     false,
     {HERE, SMALL("500"), "--threads", "2", "--policy", FLOW, DENSITY, "--bonus-flow",
      "nsf_ar:layers=1,hidden=8", "--bonus-critic", "shared", "--eval-episodes", "2", "--steps",
      "1500"}},
    {"evaluations",
     false,
     {HERE, SMALL("100"), "--threads", "1", "--policy", FLOW, "--eval-episodes", "200", "--steps",
      "500"}},
    {"saves",
     false,
     {HERE, "--threads", "1", "--hidden", "256,256", "--policy", FLOW, "--batch-size", "4",
      "--learning-starts", "50", "--eval-every", "50", "--eval-episodes", "2", "--checkpoint-every",
      "10", "--steps", "300"}},
    {"bridge",
     true,
     {SERVED, SMALL("500"), "--threads", "1", "--policy", FLOW, "--eval-episodes", "3", "--steps",
      "2000"}},
    {"bridge and density",
     true,
     {SERVED, SMALL("500"), "--threads", "2", "--policy", FLOW, DENSITY, "--bonus-flow",
      "maf:layers=1,hidden=8", "--eval-episodes", "3", "--steps", "1500"}},
};

/// How a moment is chosen.
typedef enum {
    AT_ANY_TIME,
    IN_A_SAVE,      // when a file begins to be written that will take another's place
    AFTER_A_RENAME, // when it has taken it, or a table has grown
    N_MOMENTS
} moment;

static const char *const moment_names[] = {"any time", "save", "rename"};

/// What a run that nobody kills is like.
typedef struct {
    double duration_s;
    size_t n_events[N_MOMENTS]; // of AT_ANY_TIME: none
} whole_run;

// 0: it is not set.
static size_t number_from_environment(const char *name) {
    const char *value = getenv(name);
    return value != NULL ? strtoull(value, NULL, 10) : 0;
}

static pid_t begin(const kill_case *c, const char *out) {
    const char *arguments[MAX_ARGUMENTS + 3];
    size_t n = 0;
    for (; c->arguments[n] != NULL; n++)
        arguments[n] = c->arguments[n];
    arguments[n++] = "--out";
    arguments[n++] = out;
    arguments[n] = NULL;
    return start(&(circumstances){0}, "command", arguments);
}

static pid_t resume(void) {
    return start(&(circumstances){0}, "command", ARGUMENTS("train", "--resume", "killed"));
}

static void expect_end(pid_t child) {
    outcome o = finish(child, "command");
    expect_success(&o);
    outcome_free(&o);
}

static bool has_ended(pid_t child) {
    siginfo_t info = {0};
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == child;
}

static void sleep_s(double seconds) {
    const double whole = floor(seconds);
    nanosleep(&(struct timespec){(time_t)whole, (long)((seconds - whole) * 1e9)}, NULL);
}

// ---- Watching a run's directory

static moment moment_of(const struct inotify_event *event) {
    const char *dot = event->len > 0 ? strrchr(event->name, '.') : NULL;
    if (dot == NULL)
        return AT_ANY_TIME;
    if ((event->mask & IN_CREATE) != 0 && strcmp(dot, ".millrace-tmp") == 0)
        return IN_A_SAVE;
    const bool has_grown = (event->mask & IN_MODIFY) != 0 && strcmp(dot, ".csv") == 0;
    return (event->mask & IN_MOVED_TO) != 0 || has_grown ? AFTER_A_RENAME : AT_ANY_TIME;
}

static void count_events(int watch, size_t n_events[N_MOMENTS]) {
    _Alignas(struct inotify_event) char buffer[4096];
    const ssize_t n_bytes = read(watch, buffer, sizeof buffer);
    for (ssize_t at = 0; at < n_bytes;) {
        const struct inotify_event *event = (const void *)(buffer + at);
        n_events[moment_of(event)]++;
        at += (ssize_t)(sizeof *event + event->len);
    }
}

static int watch_directory(const char *path, pid_t child) {
    while (!exists(path) && !has_ended(child))
        sleep_s(1e-4);
    const int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    cr_assert_geq(watch, 0);
    inotify_add_watch(watch, path, IN_CREATE | IN_MOVED_TO | IN_MODIFY);
    return watch;
}

// Until so many events of a kind; false where the run ended first.
static bool wait_for_event(int watch, pid_t child, moment kind, size_t n,
                           size_t n_events[N_MOMENTS]) {
    memset(n_events, 0, N_MOMENTS * sizeof *n_events);
    while (n_events[kind] < n) {
        enum { PATIENCE_MS = 20 };
        if (poll(&(struct pollfd){.fd = watch, .events = POLLIN}, 1, PATIENCE_MS) > 0)
            count_events(watch, n_events);
        else if (has_ended(child))
            return false;
    }
    return true;
}

static whole_run run_whole(const kill_case *c) {
    whole_run whole = {0};
    const double begun_s = mr_clock_s();
    const pid_t child = begin(c, "whole");
    const int watch = watch_directory("whole", child);
    wait_for_event(watch, child, N_MOMENTS - 1, SIZE_MAX, whole.n_events);
    close(watch);
    expect_end(child);
    whole.duration_s = mr_clock_s() - begun_s;
    cr_assert_gt(whole.n_events[IN_A_SAVE], 0);
    cr_assert_gt(whole.n_events[AFTER_A_RENAME], 0);
    return whole;
}

// ---- Killing

// Sleeps until the moment has come.
static void wait_for_moment(const whole_run *whole, moment kind, pid_t child, mr_random *random) {
    const double delay_s = 5e-4 * mr_random_uniform(random);
    size_t n_events[N_MOMENTS];
    if (kind == AT_ANY_TIME) {
        sleep_s(whole->duration_s * mr_random_uniform(random));
        return;
    }
    const int watch = watch_directory("killed", child);
    wait_for_event(watch, child, kind, 1 + mr_random_below(random, whole->n_events[kind]),
                   n_events);
    close(watch);
    sleep_s(delay_s);
}

// What a stopped process is at: the names of our functions on its stack, from main on.
static void print_stack(FILE *log, pid_t child) {
    char command[256], line[1024], name[256];
    snprintf(
        command, sizeof command,
        "gdb -p %d -batch -ex bt 2>/dev/null | sed -n 's/^#[0-9]* .* in \\(mr_[a-z_]*\\).*/\\1/p'",
        child);
    FILE *gdb = popen(command, "r");
    while (gdb != NULL && fgets(line, sizeof line, gdb) != NULL)
        if (sscanf(line, "%255s", name) == 1)
            fprintf(log, " %s", name);
    if (gdb != NULL)
        pclose(gdb);
}

static void print_unfinished(FILE *log) {
    DIR *dir = opendir("killed");
    for (const struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL;
         entry = readdir(dir))
        if (strstr(entry->d_name, ".millrace-tmp") != NULL)
            fprintf(log, " %s", entry->d_name);
    if (dir != NULL)
        closedir(dir);
}

static void print_kill(const kill_case *c, const char *how, pid_t child) {
    const char *path = getenv("MILLRACE_KILLS_LOG");
    if (path == NULL || kill(child, SIGSTOP) != 0 || has_ended(child))
        return;
    FILE *log = fopen(path, "a");
    cr_assert_not_null(log, "%s", path);
    fprintf(log, "%s; %s; checkpoints: %s; left:", c->name, how,
            exists("killed/checkpoint.safetensors") ? "yes" : "none yet");
    print_unfinished(log);
    fputs("; at:", log);
    print_stack(log, child);
    fputc('\n', log);
    fclose(log);
}

// False where it had ended before.
static bool kill_now(const kill_case *c, const char *how, pid_t child) {
    print_kill(c, how, child);
    kill(child, SIGKILL);
    outcome o = finish(child, "command");
    cr_expect(o.code == 0 || o.code == 128 + SIGKILL, "%d: %s", o.code, o.err);
    outcome_free(&o);
    return o.code != 0;
}

static void remove_killed(void) {
    if (exists("killed"))
        cr_assert_eq(nftw("killed", scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

// Nothing can have been lost yet.
static void begin_anew(const kill_case *c) {
    if (exists("killed")) {
        outcome o = finish(resume(), "command");
        expect_refusal(&o, 2, "killed");
    }
    remove_killed();
    expect_end(begin(c, "killed"));
}

static void expect_same_everything(void) {
    expect_same_runs();
    expect_same_checkpoints();
    expect_same("config.yaml");
    expect_files_of("whole", "killed");
    expect_files_of("killed", "whole");
    if (exists("whole/density"))
        expect_files_of("whole/density", "killed/density");
    if (exists("whole/density.safetensors"))
        expect_same("density.safetensors");
}

// Kills a run, perhaps once more while it resumes, and lets it come to its end. Returns how often
// it was killed.
static size_t kill_and_resume(const kill_case *c, const whole_run *whole, moment kind,
                              bool may_kill_twice, mr_random *random) {
    const bool is_killed_twice = mr_random_below(random, 3) == 0 && may_kill_twice;
    remove_killed();
    pid_t child = begin(c, "killed");
    wait_for_moment(whole, kind, child, random);
    size_t n = kill_now(c, moment_names[kind], child);
    if (!exists("killed/checkpoint.safetensors")) {
        begin_anew(c);
    } else {
        child = resume();
        if (is_killed_twice) {
            sleep_s(whole->duration_s / 2 * mr_random_uniform(random));
            n += kill_now(c, "resumed", child);
            child = resume();
        }
        expect_end(child);
    }
    expect_same_everything();
    return n;
}

static void check(size_t index) {
    const kill_case *c = &cases[index];
    const size_t n_all = number_from_environment("MILLRACE_KILLS");
    const size_t n = n_all > 0 ? (n_all + MR_COUNT(cases) - 1) / MR_COUNT(cases) : 1;
    const size_t seed = number_from_environment("MILLRACE_KILLS_SEED");
    pid_t server = 0;
    if (c->is_served)
        server = start(
            &(circumstances){0}, "served",
            ARGUMENTS("serve", "InvertedPendulum-v5", "--num-envs", "2", "--bind", "ipc://server"));
    const whole_run whole = run_whole(c);
    for (size_t k = 0, trial = 0; k < n; trial++) {
        mr_random random = mr_random_stream(seed, MR_STREAM_TEST, index << 32 | trial);
        k += kill_and_resume(c, &whole, (moment)((index + trial) % N_MOMENTS), k + 1 < n, &random);
    }
    if (c->is_served)
        stop(server, "served");
}

#define KILLS(index, name)                                                                         \
    Test(kills, name) {                                                                            \
        check(index);                                                                              \
    }

KILLS(0, of_a_gaussian_run_change_nothing)
KILLS(1, of_a_flow_run_on_two_threads_change_nothing)
KILLS(2, of_a_run_with_a_density_change_nothing)
KILLS(3, of_a_run_with_a_density_on_two_threads_change_nothing)
KILLS(4, in_evaluations_change_nothing)
KILLS(5, in_large_saves_change_nothing)
KILLS(6, over_the_bridge_change_nothing)
KILLS(7, over_the_bridge_with_a_density_change_nothing)
