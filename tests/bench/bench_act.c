// How long a policy takes from one observation to one action (mr_policy_act), for control loops.
//
// Sizes of HalfCheetah-v5: 17 observations, 6 actions, two hidden layers of 256. Each call is timed
// by itself, with what reading the clock takes (about 25 ns). Sampled actions have noise; the
// others are the deterministic actions of the flow.
//
// How much longer the slowest calls take is as much the machine's doing (timer interrupts, other
// programs) as the code's. So blocks of calls take turns with blocks of a bare loop, which touches
// no memory and is as long as a call in the median: its 99.9th percentile over its median is what
// the machine allows.

#include "agents/policy.h"
#include "base/clock.h"
#include "bench.h"

#include <popt.h>
#include <stdio.h>

enum { OBS_DIM = 17, ACT_DIM = 6, N_OBS = 64, BLOCK = 1000 };

typedef struct {
    const char *policy;
    int calls, json;
} bench_options;

static void die(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_act: %s\n", mr_error_message());
    exit(1);
}

static mr_policy *policy_new(const char *flow) {
    static const double low[ACT_DIM] = {-1, -1, -1, -1, -1, -1}, high[ACT_DIM] = {1, 1, 1, 1, 1, 1};
    const mr_policy_spec spec = {.env = "bench",
                                 .flow = flow,
                                 .obs_dim = OBS_DIM,
                                 .act_dim = ACT_DIM,
                                 .act_low = low,
                                 .act_high = high,
                                 .hidden = {.n = 2, .width = {256, 256}}};
    mr_policy *policy;
    die(mr_policy_new(&spec, 1, &policy));
    die(mr_policy_prepare(policy, 1));
    return policy;
}

static mr_critic *critics_new(void) {
    const mr_widths hidden = {.n = 2, .width = {256, 256}};
    const mr_critic_options options = {.ensemble = mr_twin_critics,
                                       .obs_dim = OBS_DIM,
                                       .act_dim = ACT_DIM,
                                       .net = mr_mlp_plain(&hidden),
                                       .adam = mr_adam_new(1e-3),
                                       .seed = 1,
                                       .n_threads = 1};
    mr_critic *critics;
    die(mr_critic_new(&options, &critics));
    return critics;
}

/// What one call works on.
typedef struct {
    const mr_policy *policy;
    double obs[N_OBS][OBS_DIM], action[ACT_DIM];
    const float *noise; // [ACT_DIM]; NULL: the action is deterministic
    size_t n_turns;     // of the bare loop
} subject;

static void act(subject *s, size_t i) {
    die(mr_policy_act(s->policy, s->obs[i % N_OBS], s->noise, s->action));
}

// Each turn waits for the one before it.
static void spin(subject *s, size_t i) {
    double x = (double)i;
    for (size_t k = 0; k < s->n_turns; k++) {
        x = x * 0.5 + 1;
        __asm__ volatile("" : "+x"(x)); // no turn is left out
    }
}

static void time_block(subject *s, void (*work)(subject *s, size_t i), double *us) {
    for (size_t i = 0; i < BLOCK; i++) {
        const double begun = mr_clock_s();
        work(s, i);
        us[i] = 1e6 * (mr_clock_s() - begun);
    }
}

// As many turns as a call takes in the median.
static void choose_turns(subject *s) {
    double us[BLOCK];
    time_block(s, act, us); // warms up
    time_block(s, act, us);
    const double call = bench_median(BLOCK, us);
    s->n_turns = 1000;
    time_block(s, spin, us);
    s->n_turns = (size_t)(1000 * call / bench_median(BLOCK, us)) + 1;
}

/// Sorted times.
typedef struct {
    double median, p99, p999;
} percentiles;

static percentiles percentiles_of(size_t n, double *us) {
    return (percentiles){bench_median(n, us), us[n * 99 / 100], us[n * 999 / 1000]};
}

static double *allocate(size_t n) {
    double *us = malloc(n * sizeof *us);
    if (us == NULL)
        die(mr_fail_memory("a benchmark"));
    return us;
}

static void report(const bench_options *o, const char *flow, const char *action, percentiles call,
                   percentiles bare) {
    const double spread = call.p999 / call.median, bare_spread = bare.p999 / bare.median;
    if (o->json)
        printf("{\"policy\": \"%s\", \"action\": \"%s\", \"median_us\": %.2f, \"p99_us\": %.2f, "
               "\"p999_us\": %.2f, \"p999_to_median\": %.3f, \"bare_p999_to_median\": %.3f, "
               "\"ratio_to_bare\": %.3f}\n",
               flow, action, call.median, call.p99, call.p999, spread, bare_spread,
               bare_spread / spread);
    else
        printf("%-10s %-8s %.1f us in the median, 99th percentile %.1f us, 99.9th %.1f us: %.1f "
               "medians; a bare loop's %.1f of its own\n",
               flow, action, call.median, call.p99, call.p999, spread, bare_spread);
}

// `action`: a deterministic one; NULL: sampled.
static void bench(const bench_options *o, const char *flow, const char *action) {
    static const float noise[ACT_DIM] = {0.3F, -0.2F, 1, 0.1F, -1, 0.7F};
    mr_policy *policy = policy_new(flow);
    mr_critic *critics = critics_new();
    subject s = {.policy = policy, .noise = action == NULL ? noise : NULL};
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    const size_t n = (size_t)o->calls / BLOCK * BLOCK;
    double *call = allocate(n), *bare = allocate(n);
    mr_policy_set_critics(policy, critics, false);
    if (action != NULL)
        die(mr_policy_set_deterministic(policy, action));
    for (size_t i = 0; i < N_OBS; i++)
        for (size_t j = 0; j < OBS_DIM; j++)
            s.obs[i][j] = mr_random_normal(&random);
    choose_turns(&s);
    for (size_t i = 0; i < n; i += BLOCK) {
        time_block(&s, act, call + i);
        time_block(&s, spin, bare + i);
    }
    report(o, flow, action != NULL ? action : "sampled", percentiles_of(n, call),
           percentiles_of(n, bare));
    free(call);
    free(bare);
    mr_policy_free(policy);
    mr_critic_free(critics);
}

static void bench_all(const bench_options *o) {
    static const char *const actions[] = {NULL, "base", "mean", "mode", "best"};
    bench(o, "gaussian", NULL);
    for (size_t i = 0; i < MR_COUNT(actions); i++)
        bench(o, "real_nvp", actions[i]);
}

int main(int argc, const char **argv) {
    bench_options o = {.calls = 100000};
    const struct poptOption table[] = {
        {"policy", 0, POPT_ARG_STRING, &o.policy, 0,
         "flow of one policy, and its sampled actions (default: gaussian, and real_nvp with all "
         "kinds of action)",
         "SPEC"},
        {"calls", 0, POPT_ARG_INT, &o.calls, 0, "calls that are timed (default 100000)", "N"},
        {"json", 0, POPT_ARG_NONE, &o.json, 0, "print a JSON object for each", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_act", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    if (rc < -1 || o.calls < BLOCK) {
        fprintf(stderr, "bench_act: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "--calls: at least 1000");
        return 2;
    }
    if (o.policy != NULL)
        bench(&o, o.policy, NULL);
    else
        bench_all(&o);
    poptFreeContext(context);
    return 0;
}
