// How long a policy takes from one observation to one action (mr_policy_act), for control loops.
//
// Sizes of HalfCheetah-v5: 17 observations, 6 actions, two hidden layers of 256. Each call is timed
// by itself, with what reading the clock takes (about 25 ns). Sampled actions have noise; the
// others are the deterministic actions of the flow.

#include "agents/policy.h"
#include "base/clock.h"
#include "bench.h"

#include <popt.h>
#include <stdio.h>

enum { OBS_DIM = 17, ACT_DIM = 6, N_OBS = 64, WARM_UP = 1000 };

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

static void time_calls(const mr_policy *policy, bool is_noisy, size_t n, double *us) {
    double obs[N_OBS][OBS_DIM], action[ACT_DIM];
    static const float drawn[ACT_DIM] = {0.3F, -0.2F, 1, 0.1F, -1, 0.7F};
    const float *noise = is_noisy ? drawn : NULL;
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < N_OBS; i++)
        for (size_t j = 0; j < OBS_DIM; j++)
            obs[i][j] = mr_random_normal(&random);
    for (size_t i = 0; i < WARM_UP; i++)
        die(mr_policy_act(policy, obs[i % N_OBS], noise, action));
    for (size_t i = 0; i < n; i++) {
        const double begun = mr_clock_s();
        die(mr_policy_act(policy, obs[i % N_OBS], noise, action));
        us[i] = 1e6 * (mr_clock_s() - begun);
    }
}

// `action`: a deterministic one; NULL: sampled.
static void bench(const char *flow, const char *action, size_t n) {
    mr_policy *policy = policy_new(flow);
    mr_critic *critics = critics_new();
    double *us = malloc(n * sizeof *us);
    if (us == NULL) {
        fprintf(stderr, "bench_act: out of memory\n");
        exit(1);
    }
    mr_policy_set_critics(policy, critics, false);
    if (action != NULL)
        die(mr_policy_set_deterministic(policy, action));
    time_calls(policy, action == NULL, n, us);
    const double median = bench_median(n, us), p999 = us[n * 999 / 1000];
    printf("%-10s %-8s %.1f us in the median, 99th percentile %.1f us, 99.9th %.1f us: %.1f "
           "medians\n",
           flow, action != NULL ? action : "sampled", median, us[n * 99 / 100], p999,
           p999 / median);
    free(us);
    mr_policy_free(policy);
    mr_critic_free(critics);
}

int main(int argc, const char **argv) {
    int n = 100000;
    const struct poptOption table[] = {
        {"calls", 0, POPT_ARG_INT, &n, 0, "calls that are timed (default 100000)", "N"},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_act", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    if (rc < -1 || n < 1000) {
        fprintf(stderr, "bench_act: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "--calls: at least 1000");
        return 2;
    }
    static const char *const actions[] = {NULL, "base", "mean", "mode", "best"};
    bench("gaussian", NULL, (size_t)n);
    for (size_t i = 0; i < MR_COUNT(actions); i++)
        bench("real_nvp", actions[i], (size_t)n);
    poptFreeContext(context);
    return 0;
}
