// Updates of SAC a second, beside the rate of their matrix products alone and beside what the
// processors can compute at most.
//
// By default the sizes of HalfCheetah-v5: 17 observations, 6 actions, two hidden layers of 256,
// batch 256. Updates, bare products and bare multiply-adds take turns in short rounds, so that a
// machine whose speed drifts changes all of them; the medians are over the rounds. The ratio to the
// peak is of the best rounds, which other programs disturbed least.

#include "agents/agent.h"
#include "agents/sac.h"
#include "bench.h"
#include "fma_peak.h"
#include "gemm_log.h"

#include <popt.h>
#include <stdio.h>

enum { OBS_DIM = 17, MAX_ACT_DIM = 100, N_TRANSITIONS = 20000, MAX_ROUNDS = 100 };

typedef struct {
    const char *policy, *critic_norm, *actor_norm, *critic_head;
    int act_dim, hidden, batch; // sizes
    int no_targets, threads, rounds, updates, json;
} bench_options;

static void die(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_sac_update: %s\n", mr_error_message());
    exit(1);
}

static void fill(const bench_options *o, mr_replay *replay) {
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    double obs[OBS_DIM];
    mr_real act[MAX_ACT_DIM];
    for (int i = 0; i <= N_TRANSITIONS; i++) {
        for (int j = 0; j < OBS_DIM; j++)
            obs[j] = mr_random_normal(&random);
        mr_random_fill_uniform(&random, (size_t)o->act_dim, -1, 1, act);
        const mr_transition t = {.act = act, .reward = mr_random_normal(&random), .next_obs = obs};
        if (i == 0)
            mr_replay_begin(replay, 0, obs);
        else
            mr_replay_push(replay, 0, &t);
    }
}

static mr_agent *new_agent(const bench_options *o) {
    double low[MAX_ACT_DIM], high[MAX_ACT_DIM];
    const mr_widths hidden = {.n = 2, .width = {(size_t)o->hidden, (size_t)o->hidden}};
    const mr_policy_spec spec = {.env = "bench",
                                 .obs_dim = OBS_DIM,
                                 .act_dim = (size_t)o->act_dim,
                                 .act_low = low,
                                 .act_high = high,
                                 .hidden = hidden,
                                 .norm = o->actor_norm};
    mr_mlp_spec critic = mr_mlp_plain(&hidden);
    for (int j = 0; j < o->act_dim; j++) {
        low[j] = -1;
        high[j] = 1;
    }
    if (!mr_norm_find(o->critic_norm, &critic.norm)) {
        fprintf(stderr, "bench_sac_update: no normalisation %s\n", o->critic_norm);
        exit(2);
    }
    const mr_ensemble ensemble = {
        .n = 2,
        .n_target = 2,
        .head = mr_value_head_find(o->critic_head),
        .value = {.n_atoms = 101, .atoms = {-5, 5}, .n_quantiles = 25, .n_dropped = 2}};
    if (!ensemble.head) {
        fprintf(stderr, "bench_sac_update: no value head %s\n", o->critic_head);
        exit(2);
    }
    const mr_agent_setup setup = {.batch_size = (size_t)o->batch,
                                  .n_envs = 1,
                                  .critic = critic,
                                  .ensemble = ensemble,
                                  .critic_targets = !o->no_targets,
                                  .adam_beta1 = 0.9,
                                  .seed = 1,
                                  .n_threads = o->threads};
    mr_sac_options options = {.tau = 0.005,
                              .actor_lr = 3e-4,
                              .critic_lr = 1e-3,
                              .alpha = {.automatic = true},
                              .initial_alpha = 1,
                              .target_entropy = {.automatic = true},
                              .target_sigma = {.automatic = true},
                              .policy_delay = 1,
                              .actor_value = "auto"};
    mr_agent *agent;
    snprintf(options.policy, sizeof options.policy, "%s", o->policy);
    die(mr_agent_new(&mr_agent_sac, &spec, &setup, &options, &agent));
    return agent;
}

static void update(mr_agent *agent, mr_batch_maker *batches, const mr_replay *replay) {
    const mr_batch *batch;
    die(mr_batch_draw(batches, replay, mr_agent_n_updates(agent), &batch));
    die(mr_agent_update(agent, batch));
}

static double time_updates(mr_agent *agent, mr_batch_maker *batches, const mr_replay *replay,
                           int n) {
    const double begun = mr_clock_s();
    for (int i = 0; i < n; i++)
        update(agent, batches, replay);
    return n / (mr_clock_s() - begun);
}

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
    const mr_batch_options batch_options = {.batch_size = (size_t)o->batch,
                                            .n_envs = 1,
                                            .n_step = 1,
                                            .gamma = 0.99,
                                            .reward_scale = 1,
                                            .seed = 1};
    mr_agent *agent = new_agent(o);
    mr_batch_maker *batches;
    mr_replay *replay;
    measured m = {.n = (size_t)o->rounds};
    die(mr_replay_new(2 * N_TRANSITIONS, 1, OBS_DIM, (size_t)o->act_dim, &replay));
    die(mr_batch_maker_new(&batch_options, OBS_DIM, (size_t)o->act_dim, &batches));
    fill(o, replay);
    time_updates(agent, batches, replay, o->updates);
    gemm_log_start();
    update(agent, batches, replay);
    gemm_log_stop();
    for (size_t r = 0; r < m.n; r++) {
        m.updates[r] = time_updates(agent, batches, replay, o->updates);
        m.products[r] = time_products(o->updates, o->threads);
        m.ratio[r] = m.updates[r] / m.products[r];
        m.peak[r] = fma_peak(o->threads);
    }
    report(o, &m);
    mr_batch_maker_free(batches);
    mr_agent_free(agent);
    mr_replay_free(replay);
}

int main(int argc, const char **argv) {
    bench_options o = {.policy = "gaussian",
                       .critic_norm = "none",
                       .critic_head = "scalar",
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
