// Steps of the whole training loop a second (environment, acting, replay, update), beside the rate
// of the matrix products of such a step alone.
//
// Trains SAC with its defaults (--agent sac), HalfCheetah-v5 if no other task is named, into a
// temporary directory. Once updates are under way, training and bare products take turns in rounds
// of ROUND_STEPS; the medians are over the rounds. Evaluations are left out.

#include "agents/train.h"
#include "bench.h"
#include "gemm_log.h"

#include <ftw.h>
#include <popt.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { LEARNING_STARTS = 1000, WARM_UP = 500, ROUND_STEPS = 200, MAX_ROUNDS = 100 };

typedef struct {
    const char *env, *policy;
    int hidden, batch, threads, rounds, json;
} bench_options;

/// What the watcher of the training loop keeps.
typedef struct {
    const bench_options *options;
    size_t step;
    size_t n_rounds;
    double round_begun;
    double steps_per_s[MAX_ROUNDS], products_per_s[MAX_ROUNDS], ratio[MAX_ROUNDS];
} stopwatch;

static double time_products(int n_threads) {
    const double begun = mr_clock_s();
    for (int i = 0; i < ROUND_STEPS; i++)
        gemm_log_play(n_threads);
    return ROUND_STEPS / (mr_clock_s() - begun);
}

static void end_round(stopwatch *w) {
    const size_t r = w->n_rounds++;
    w->steps_per_s[r] = ROUND_STEPS / (mr_clock_s() - w->round_begun);
    w->products_per_s[r] = time_products(w->options->threads);
    w->ratio[r] = w->steps_per_s[r] / w->products_per_s[r];
    w->round_begun = mr_clock_s();
}

static void stepped(void *self, const mr_metrics *now) {
    (void)now;
    stopwatch *w = self;
    const size_t recorded = LEARNING_STARTS + WARM_UP;
    w->step++;
    if (w->step == recorded)
        gemm_log_start();
    if (w->step == recorded + 1) {
        gemm_log_stop();
        w->round_begun = mr_clock_s();
    }
    if (w->step > recorded + 1 && (w->step - recorded - 1) % ROUND_STEPS == 0)
        end_round(w);
}

static void report(stopwatch *w) {
    const bench_options *o = w->options;
    const size_t n = w->n_rounds;
    const double steps = bench_median(n, w->steps_per_s),
                 products = bench_median(n, w->products_per_s);
    const double ratio = bench_median(n, w->ratio);
    if (o->json)
        printf("{\"env\": \"%s\", \"policy\": \"%s\", \"threads\": %d, \"steps_per_s\": %.1f, "
               "\"gemm_steps_per_s\": %.1f, \"ratio_to_gemm\": %.3f}\n",
               o->env, o->policy, o->threads, steps, products, ratio);
    else
        printf("%s, %s, %d threads: %.0f steps/s; their matrix products alone %.0f/s; ratio %.3f\n",
               o->env, o->policy, o->threads, steps, products, ratio);
}

static mr_status choose(const bench_options *o, const char *dir, mr_settings *settings) {
    mr_status status;
    char hidden[64];
    mr_settings_init(settings);
    snprintf(hidden, sizeof hidden, "%d,%d", o->hidden, o->hidden);
    MR_TRY(mr_settings_set(settings, "preset", "none", "preset"));
    MR_TRY(mr_settings_set(settings, "policy", o->policy, "--policy"));
    MR_TRY(mr_settings_set(settings, "hidden", hidden, "--hidden"));
    snprintf(settings->env, sizeof settings->env, "%s", o->env);
    snprintf(settings->out, sizeof settings->out, "%s/run", dir);
    settings->batch_size = (size_t)o->batch;
    settings->learning_starts = LEARNING_STARTS;
    settings->steps = LEARNING_STARTS + WARM_UP + 1 + (size_t)o->rounds * ROUND_STEPS;
    settings->threads = (size_t)o->threads;
    settings->eval_every = 0;
    settings->eval_episodes = 1;
done:
    return status;
}

static bool run(const bench_options *o, const char *dir) {
    mr_settings settings;
    mr_trainer_result result;
    stopwatch w = {.options = o};
    const mr_train_watcher watcher = {.self = &w, .stepped = stepped};
    if (choose(o, dir, &settings) != MR_OK ||
        mr_trainer_run(&settings, NULL, &watcher, NULL, &result) != MR_OK) {
        fprintf(stderr, "bench_train: %s\n", mr_error_message());
        return false;
    }
    report(&w);
    return true;
}

static int remove_one(const char *path, const struct stat *facts, int flag, struct FTW *place) {
    (void)facts, (void)flag, (void)place;
    return remove(path);
}

static void remove_run(const char *dir) {
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, const char **argv) {
    bench_options o = {.env = "HalfCheetah-v5",
                       .policy = "gaussian",
                       .hidden = 256,
                       .batch = 256,
                       .threads = 2,
                       .rounds = 15};
    const struct poptOption table[] = {
        {"env", 0, POPT_ARG_STRING, &o.env, 0, "task (default HalfCheetah-v5)", "ENV"},
        {"policy", 0, POPT_ARG_STRING, &o.policy, 0, "flow of the policy (default gaussian)",
         "SPEC"},
        {"hidden", 0, POPT_ARG_INT, &o.hidden, 0, "units in both layers (default 256)", "N"},
        {"batch", 0, POPT_ARG_INT, &o.batch, 0, "rows of a batch (default 256)", "N"},
        {"threads", 0, POPT_ARG_INT, &o.threads, 0, "threads (default 2)", "N"},
        {"rounds", 0, POPT_ARG_INT, &o.rounds, 0, "rounds of 200 steps (default 15, at most 100)",
         "N"},
        {"json", 0, POPT_ARG_NONE, &o.json, 0, "print one JSON object", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_train", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    char dir[] = "/tmp/bench_train.XXXXXX";
    if (rc < -1 || o.hidden < 1 || o.batch < 1 || o.threads < 1 || o.rounds < 1 ||
        o.rounds > MAX_ROUNDS) {
        fprintf(stderr, "bench_train: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "a number is out of range");
        return 2;
    }
    if (!mkdtemp(dir)) {
        perror("bench_train: a temporary directory");
        return 1;
    }
    const bool done = run(&o, dir);
    remove_run(dir);
    poptFreeContext(context);
    return done ? 0 : 1;
}
