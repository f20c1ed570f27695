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
#include <string.h>
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
    const char *policy, *task; // task NULL: all
    double seconds;            // of a round
    int rounds, json;
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
    int n_threads[N_COUNTS]; // the last is the default
    double rate[N_COUNTS][MAX_ROUNDS];
} series;

/// Medians over the rounds, and the least of them relative to one thread's.
typedef struct {
    double rate[N_COUNTS], least;
} place;

static place summarise(const bench_options *o, series *s) {
    place p = {.least = 1};
    for (size_t k = 0; k < N_COUNTS; k++) {
        p.rate[k] = bench_median((size_t)o->rounds, s->rate[k]);
        p.least = p.rate[k] / p.rate[0] < p.least ? p.rate[k] / p.rate[0] : p.least;
    }
    return p;
}

static void print_place(const series *s, const char *name, const place *p) {
    printf("  %-8s", name);
    for (size_t k = 0; k < N_COUNTS; k++)
        printf("  %d thread%s%s %7.0f/s %.2f", s->n_threads[k], s->n_threads[k] > 1 ? "s" : "",
               k + 1 == N_COUNTS ? " (default)" : "", p->rate[k], p->rate[k] / p->rate[0]);
    printf("\n");
    fflush(stdout);
}

static place time_place(const bench_options *o, bool has_neighbour, workload *w, series *s) {
    const pid_t neighbour = has_neighbour ? start_neighbour() : 0;
    for (int r = 0; r < o->rounds; r++)
        for (size_t k = 0; k < N_COUNTS; k++)
            s->rate[k][r] = updates_per_s(&w[k], o->seconds);
    if (has_neighbour)
        end_process(neighbour);
    return summarise(o, s);
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

// Two default runs at once: updates a second of both, and relative to one run of one thread.
typedef struct {
    double rate, ratio;
} pair;

static pair time_pair(const bench_options *o, const workload_sizes *sizes, workload *one,
                      workload *w, int n_threads) {
    double alone[MAX_ROUNDS], paired[MAX_ROUNDS];
    for (int r = 0; r < o->rounds; r++) {
        alone[r] = updates_per_s(one, o->seconds);
        const pid_t partner = start_partner(o, sizes, n_threads);
        usleep(300000); // it makes its agent
        paired[r] = updates_per_s(w, o->seconds);
        end_process(partner);
    }
    const double rate = 2 * bench_median((size_t)o->rounds, paired);
    return (pair){rate, rate / bench_median((size_t)o->rounds, alone)};
}

static void print_pair(int n_threads, const pair *p) {
    printf("  %-8s  %d thread%s (default) each: %.0f/s, two at once %.2f times one thread alone\n",
           "paired", n_threads, n_threads > 1 ? "s" : "", p->rate / 2, p->ratio);
    fflush(stdout);
}

static void print_json(const bench_options *o, const workload_sizes *sizes, const place *beside,
                       const pair *both) {
    printf("{\"task\": \"%s\", \"policy\": \"%s\", \"beside_updates_per_s\": %.1f, "
           "\"beside_least_ratio\": %.3f, \"paired_updates_per_s\": %.1f, "
           "\"paired_ratio\": %.3f}\n",
           sizes->name, o->policy, beside->rate[N_COUNTS - 1], beside->least, both->rate,
           both->ratio);
}

static void bench(const bench_options *o, const workload_sizes *sizes) {
    series s = {.n_threads = {1, 2, 4, 0}};
    workload w[N_COUNTS];
    for (size_t k = 0; k < N_COUNTS; k++) {
        w[k] = workload_new(sizes,
                            &(workload_choices){.policy = o->policy, .n_threads = s.n_threads[k]});
        s.n_threads[k] = mr_agent_n_threads(w[k].agent);
        workload_time(&w[k], 10);
    }
    if (!o->json) {
        printf("%s, %s, batch %zu, 2 x %zu\n", sizes->name, o->policy, sizes->batch_size,
               sizes->hidden);
        const place alone = time_place(o, false, w, &s);
        print_place(&s, "alone", &alone);
    }
    const place beside = time_place(o, true, w, &s);
    const int n_default = s.n_threads[N_COUNTS - 1];
    const pair both = time_pair(o, sizes, &w[0], &w[N_COUNTS - 1], n_default);
    if (o->json) {
        print_json(o, sizes, &beside, &both);
    } else {
        print_place(&s, "beside", &beside);
        print_pair(n_default, &both);
    }
    for (size_t k = 0; k < N_COUNTS; k++)
        workload_free(&w[k]);
}

static bool is_chosen(const bench_options *o, const workload_sizes *sizes) {
    return o->task == NULL || strcmp(o->task, sizes->name) == 0;
}

int main(int argc, const char **argv) {
    bench_options o = {.policy = "gaussian", .seconds = 0.3, .rounds = 7};
    const struct poptOption table[] = {
        {"policy", 0, POPT_ARG_STRING, &o.policy, 0, "flow of the policy (default gaussian)",
         "SPEC"},
        {"task", 0, POPT_ARG_STRING, &o.task, 0, "sizes of one of the three tasks (default: all)",
         "ENV"},
        {"rounds", 0, POPT_ARG_INT, &o.rounds, 0, "rounds of each (default 7, at most 100)", "N"},
        {"seconds", 0, POPT_ARG_DOUBLE, &o.seconds, 0, "of a round (default 0.3)", "X"},
        {"json", 0, POPT_ARG_NONE, &o.json, 0,
         "print a JSON object for each task, of the last two places", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_threads", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    if (rc < -1 || o.rounds < 1 || o.rounds > MAX_ROUNDS || !(o.seconds > 0)) {
        fprintf(stderr, "bench_threads: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "a number is out of range");
        return 2;
    }
    size_t n_chosen = 0;
    for (size_t i = 0; i < MR_COUNT(all_sizes); i++)
        if (is_chosen(&o, &all_sizes[i])) {
            bench(&o, &all_sizes[i]);
            n_chosen++;
        }
    poptFreeContext(context);
    if (n_chosen == 0)
        fprintf(stderr, "bench_threads: --task: none of its tasks is %s\n", o.task);
    return n_chosen > 0 ? 0 : 2;
}
