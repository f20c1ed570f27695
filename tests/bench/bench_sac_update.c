// Updates of SAC a second, beside the rate of their matrix products alone and beside what the
// processors can compute at most.
//
// By default the sizes of HalfCheetah-v5: 17 observations, 6 actions, two hidden layers of 256,
// batch 256. Updates, bare products and bare multiply-adds take turns in short rounds, so that a
// machine whose speed drifts changes all of them; the medians are over the rounds. The ratio to the
// peak is of the best rounds, which other programs disturbed least.

#include "bench.h"
#include "fma_peak.h"
#include "gemm_log.h"
#include "sac_workload.h"

#include <popt.h>
#include <stdio.h>

enum { OBS_DIM = 17, MAX_ACT_DIM = 100, MAX_ROUNDS = 100 };

typedef struct {
    const char *policy, *critic_norm, *actor_norm, *critic_head;
    int act_dim, hidden, batch; // sizes
    int no_targets, threads, rounds, updates, json;
} bench_options;

static double time_products(int n, int n_threads) {
    const double begun = mr_clock_s();
    for (int i = 0; i < n; i++)
        gemm_log_play(n_threads);
    return n / (mr_clock_s() - begun);
}

/// What the rounds measured: updates and all their products a second, and float32 operations a
/// second.
typedef struct {
    size_t n;
    double updates[MAX_ROUNDS], products[MAX_ROUNDS], ratio[MAX_ROUNDS], peak[MAX_ROUNDS];
} measured;

// The operations of the products of an update, in the best round, relative to the best round of
// bare multiply-adds. Sorts both.
static double ratio_to_peak(measured *m) {
    bench_median(m->n, m->updates);
    bench_median(m->n, m->peak);
    return gemm_log_flops() * m->updates[m->n - 1] / m->peak[m->n - 1];
}

static void report(const bench_options *o, measured *m) {
    const double updates = bench_median(m->n, m->updates);
    const double products = bench_median(m->n, m->products);
    const double ratio = bench_median(m->n, m->ratio), to_peak = ratio_to_peak(m);
    const double best = m->updates[m->n - 1];
    if (o->json)
        printf("{\"policy\": \"%s\", \"act_dim\": %d, \"hidden\": %d, \"batch\": %d, "
               "\"threads\": %d, \"updates_per_s\": %.1f, \"best_updates_per_s\": %.1f, "
               "\"gemm_updates_per_s\": %.1f, \"ratio_to_gemm\": %.3f, "
               "\"ratio_to_peak\": %.3f, \"mflop_per_update\": %.1f}\n",
               o->policy, o->act_dim, o->hidden, o->batch, o->threads, updates, best, products,
               ratio, to_peak, gemm_log_flops() / 1e6);
    else
        printf("%s, %d threads: %.0f updates/s, at best %.0f; their matrix products alone %.0f/s, "
               "ratio %.3f; ratio to the peak in float32 %.3f\n",
               o->policy, o->threads, updates, best, products, ratio, to_peak);
}

static void bench(const bench_options *o) {
    const workload_sizes sizes = {"HalfCheetah-v5", OBS_DIM, (size_t)o->act_dim, (size_t)o->hidden,
                                  (size_t)o->batch};
    const workload_choices choices = {.policy = o->policy,
                                      .critic_norm = o->critic_norm,
                                      .actor_norm = o->actor_norm,
                                      .critic_head = o->critic_head,
                                      .no_targets = o->no_targets != 0,
                                      .n_threads = o->threads};
    workload w = workload_new(&sizes, &choices);
    measured m = {.n = (size_t)o->rounds};
    workload_time(&w, o->updates);
    gemm_log_start();
    workload_update(&w);
    gemm_log_stop();
    for (size_t r = 0; r < m.n; r++) {
        m.updates[r] = workload_time(&w, o->updates);
        m.products[r] = time_products(o->updates, o->threads);
        m.ratio[r] = m.updates[r] / m.products[r];
        m.peak[r] = fma_peak(o->threads);
    }
    report(o, &m);
    workload_free(&w);
}

int main(int argc, const char **argv) {
    bench_options o = {.policy = "gaussian",
                       .act_dim = 6,
                       .hidden = 256,
                       .batch = 256,
                       .threads = 2,
                       .rounds = 15,
                       .updates = 100};
    const struct poptOption table[] = {
        {"policy", 0, POPT_ARG_STRING, &o.policy, 0, "flow of the policy (default gaussian)",
         "SPEC"},
        {"critic-norm", 0, POPT_ARG_STRING, &o.critic_norm, 0,
         "normalisation of the critics (default none)", "NAME"},
        {"actor-norm", 0, POPT_ARG_STRING, &o.actor_norm, 0,
         "normalisation of the actor (default none)", "NAME"},
        {"no-targets", 0, POPT_ARG_NONE, &o.no_targets, 0, "critics without targets", NULL},
        {"critic-head", 0, POPT_ARG_STRING, &o.critic_head, 0,
         "value head of the critics (default scalar)", "NAME"},
        {"act-dim", 0, POPT_ARG_INT, &o.act_dim, 0, "actions (default 6, at most 100)", "N"},
        {"hidden", 0, POPT_ARG_INT, &o.hidden, 0, "units in both layers (default 256)", "N"},
        {"batch", 0, POPT_ARG_INT, &o.batch, 0, "rows of a batch (default 256)", "N"},
        {"threads", 0, POPT_ARG_INT, &o.threads, 0, "threads (default 2)", "N"},
        {"rounds", 0, POPT_ARG_INT, &o.rounds, 0, "rounds of each (default 15, at most 100)", "N"},
        {"updates", 0, POPT_ARG_INT, &o.updates, 0, "updates in a round (default 100)", "N"},
        {"json", 0, POPT_ARG_NONE, &o.json, 0, "print one JSON object", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_sac_update", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    if (rc < -1 || o.threads < 1 || o.rounds < 1 || o.rounds > MAX_ROUNDS || o.updates < 1 ||
        o.act_dim < 1 || o.act_dim > MAX_ACT_DIM || o.hidden < 1 || o.batch < 1) {
        fprintf(stderr, "bench_sac_update: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "a number is out of range");
        return 2;
    }
    bench(&o);
    poptFreeContext(context);
    return 0;
}
