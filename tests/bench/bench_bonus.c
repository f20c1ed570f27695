// How well online densities follow a moving mixture, and what they cost.
//
//     bench_bonus [FLOW ...]
//
// A line for each flow: nats of error at 1,000, 2,000, 4,000 and 8,000 steps, then milliseconds for
// a step of the bonus (a state scored, a batch of 256 scored, training as often as in training)
// with 2, 4 and 17 features.

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/agents/moving_mixture.h"

static const char *const usual[] = {"gaussian",
                                    "real_nvp:layers=4,hidden=64x64",
                                    "real_nvp:layers=8,hidden=64x64",
                                    "maf:layers=4,hidden=64x64",
                                    "nsf:layers=2,hidden=64x64",
                                    "nsf_ar:layers=2,hidden=64x64",
                                    "glow:layers=4,hidden=64x64"};

enum { N_MOMENTS = 4, MAX_DIM = 17 };

static const uint64_t moments[N_MOMENTS] = {1000, 2000, 4000, 8000};

static mr_status follow(const char *flow) {
    mr_status status;
    mr_bonus *bonus = NULL;
    const mr_env_spec spec = mixture_spec();
    const mr_bonus_options options = mixture_options(flow);
    MR_TRY(mr_bonus_new(&options, &spec, &bonus));
    for (uint64_t t = 0, k = 0; k < N_MOMENTS; t++) {
        double nats;
        if (t == moments[k]) {
            MR_TRY(mixture_error(bonus, t, &nats));
            printf("  %6.3f", nats);
            k++;
        }
        MR_TRY(mixture_step(bonus, t));
    }
done:
    mr_bonus_free(bonus);
    return status;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// Milliseconds a step, with normal states of `dim` features.
static mr_status take_time(const char *flow, size_t dim) {
    enum { N_BEFORE = MIXTURE_BATCH + 8, N_STEPS = 200 };
    static mr_real batch[MIXTURE_BATCH * MAX_DIM], paid[MIXTURE_BATCH];
    mr_status status;
    mr_bonus *bonus = NULL;
    double begun = 0;
    const mr_env_spec spec = {.name = "Normal-v0", .obs_dim = dim};
    const mr_bonus_options options = mixture_options(flow);
    MR_TRY(mr_bonus_new(&options, &spec, &bonus));
    for (uint64_t t = 0; t < N_BEFORE + N_STEPS; t++) {
        mr_random random = mr_random_stream(3, MR_STREAM_TEST, t);
        double obs[MAX_DIM];
        if (t == N_BEFORE)
            begun = seconds();
        mr_random_fill_normal(&random, MIXTURE_BATCH * dim, batch);
        for (size_t j = 0; j < dim; j++)
            obs[j] = (double)batch[j];
        mr_bonus_visit(bonus, NULL, obs);
        MR_TRY(score_and_train(bonus, batch, paid));
    }
    printf("  %6.3f", 1e3 * (seconds() - begun) / N_STEPS);
done:
    mr_bonus_free(bonus);
    return status;
}

int main(int argc, char **argv) {
    static const size_t dims[] = {2, 4, MAX_DIM};
    const size_t n = argc > 1 ? (size_t)argc - 1 : MR_COUNT(usual);
    const char *const *flows = argc > 1 ? (const char *const *)argv + 1 : usual;
    printf("%-32s  nats off the truth after 1, 2, 4, 8 thousand steps; ms with 2, 4, 17 features\n",
           "flow");
    for (size_t i = 0; i < n; i++) {
        printf("%-32s", flows[i]);
        mr_status status = follow(flows[i]);
        for (size_t k = 0; k < MR_COUNT(dims) && status == MR_OK; k++)
            status = take_time(flows[i], dims[k]);
        puts(status == MR_OK ? "" : mr_error_message());
        fflush(stdout);
    }
    return 0;
}
