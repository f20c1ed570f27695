// Updates of SAC beside other programs: what threads are worth when a core is taken.
//
// For the sizes of three tasks, updates a second
//
//   alone   on an idle machine
//   beside  a process that keeps a core busy
//   paired  with a second process that makes the same updates, both added up
//
// with one thread, two, four, and the default number. Each is given relative to one
// thread in the same place (paired: alone). All take turns in rounds; the medians are over the
// rounds.

#include "base/clock.h"
#include "bench.h"
#include "sac_workload.h"

#include <popt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ROUNDS = 100, N_COUNTS = 4 };

static const workload_sizes all_sizes[] = {
    {"Pendulum-v1", 3, 1, 64, 100},
    {"HalfCheetah-v5", 17, 6, 256, 256},
    {"Humanoid-v5", 348, 17, 256, 256},
};

typedef struct {
    const char *policy;
    double seconds; // of a round
    int rounds;
} bench_options;

static pid_t start_process(void) {
    const pid_t pid = fork();
    if (pid < 0) {
        perror("bench_threads");
        exit(1);
    }
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void end_process(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static pid_t start_neighbour(void) {
    const pid_t pid = start_process();
    if (pid != 0)
        return pid;
    for (volatile double x = 0;;)
        x = x + 1;
}

static double updates_per_s(workload *w, double seconds) {
    const double begun = mr_clock_s();
    double n = 0;
    for (; mr_clock_s() < begun + seconds; n++)
        workload_update(w);
    return n / (mr_clock_s() - begun);
}

// ---- Alone and beside a neighbour

typedef struct {
    int n_threads[N_COUNTS];
    double rate[N_COUNTS][MAX_ROUNDS];
} series;

static void print_series(const bench_options *o, const char *place, series *s) {
    printf("  %-8s", place);
    const double one = bench_median((size_t)o->rounds, s->rate[0]);
    for (size_t k = 0; k < N_COUNTS; k++) {
        const double rate = bench_median((size_t)o->rounds, s->rate[k]);
        printf("  %d thread%s%s %7.0f/s %.2f", s->n_threads[k], s->n_threads[k] > 1 ? "s" : "",
               k + 1 == N_COUNTS ? " (default)" : "", rate, rate / one);
    }
    printf("\n");
    fflush(stdout);
}

static void time_place(const bench_options *o, bool has_neighbour, workload *w, series *s) {
    const pid_t neighbour = has_neighbour ? start_neighbour() : 0;
    for (int r = 0; r < o->rounds; r++)
        for (size_t k = 0; k < N_COUNTS; k++)
            s->rate[k][r] = updates_per_s(&w[k], o->seconds);
    if (has_neighbour)
        end_process(neighbour);
    print_series(o, has_neighbour ? "beside" : "alone", s);
}

// ---- Two at once

// Makes updates for ever, and counts them in `n`.
static pid_t start_partner(const bench_options *o, const workload_sizes *sizes, int n_threads) {
    const pid_t pid = start_process();
    if (pid != 0)
        return pid;
    workload w =
        workload_new(sizes, &(workload_choices){.policy = o->policy, .n_threads = n_threads});
    for (;;)
        workload_update(&w);
}

static void time_pair(const bench_options *o, const workload_sizes *sizes, workload *one,
                      workload *w, int n_threads) {
    double alone[MAX_ROUNDS], paired[MAX_ROUNDS];
    for (int r = 0; r < o->rounds; r++) {
        alone[r] = updates_per_s(one, o->seconds);
        const pid_t partner = start_partner(o, sizes, n_threads);
        usleep(300000); // it makes its agent
        paired[r] = updates_per_s(w, o->seconds);
        end_process(partner);
    }
    const double rate = bench_median((size_t)o->rounds, paired);
    printf("  %-8s  %d thread%s (default) each: %.0f/s, two at once %.2f times one thread alone\n",
           "paired", n_threads, n_threads > 1 ? "s" : "", rate,
           2 * rate / bench_median((size_t)o->rounds, alone));
    fflush(stdout);
}

static void bench(const bench_options *o, const workload_sizes *sizes) {
    series s = {.n_threads = {1, 2, 4, 0}};
    workload w[N_COUNTS];
    printf("%s, %s, batch %zu, 2 x %zu\n", sizes->name, o->policy, sizes->batch_size,
           sizes->hidden);
    for (size_t k = 0; k < N_COUNTS; k++) {
        w[k] = workload_new(sizes,
                            &(workload_choices){.policy = o->policy, .n_threads = s.n_threads[k]});
        s.n_threads[k] = mr_agent_n_threads(w[k].agent);
        workload_time(&w[k], 10);
    }
    time_place(o, false, w, &s);
    time_place(o, true, w, &s);
    time_pair(o, sizes, &w[0], &w[N_COUNTS - 1], s.n_threads[N_COUNTS - 1]);
    for (size_t k = 0; k < N_COUNTS; k++)
        workload_free(&w[k]);
}

int main(int argc, const char **argv) {
    bench_options o = {.policy = "gaussian", .seconds = 0.3, .rounds = 7};
    const struct poptOption table[] = {
        {"policy", 0, POPT_ARG_STRING, &o.policy, 0, "flow of the policy (default gaussian)",
         "SPEC"},
        {"rounds", 0, POPT_ARG_INT, &o.rounds, 0, "rounds of each (default 7, at most 100)", "N"},
        {"seconds", 0, POPT_ARG_DOUBLE, &o.seconds, 0, "of a round (default 0.3)", "X"},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_threads", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    if (rc < -1 || o.rounds < 1 || o.rounds > MAX_ROUNDS || !(o.seconds > 0)) {
        fprintf(stderr, "bench_threads: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "a number is out of range");
        return 2;
    }
    for (size_t i = 0; i < MR_COUNT(all_sizes); i++)
        bench(&o, &all_sizes[i]);
    poptFreeContext(context);
    return 0;
}
