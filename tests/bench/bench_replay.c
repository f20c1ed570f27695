// Batches drawn from a replay buffer a second, beside the rate at which memory hands out such rows.
//
// The sizes are those of HalfCheetah-v5, batch 256. The bare loop copies as many bytes from as many
// random places of an array of the same size: what a buffer that no cache holds cannot do without.
// Both take turns in short rounds; the medians are over the rounds.

#include "agents/replay.h"
#include "bench.h"

#include <popt.h>
#include <stdio.h>
#include <string.h>

enum { OBS_DIM = 17, ACT_DIM = 6, BATCH = 256, MAX_ROUNDS = 100, ROUND_BATCHES = 200 };

typedef struct {
    int rows, rounds, json;
} bench_options;

static void die(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_replay: %s\n", mr_error_message());
    exit(1);
}

static mr_replay *filled_replay(size_t n) {
    mr_replay *replay;
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    double obs[OBS_DIM];
    mr_real act[ACT_DIM] = {0};
    die(mr_replay_new(n + 1, 1, OBS_DIM, ACT_DIM, &replay));
    for (size_t j = 0; j < OBS_DIM; j++)
        obs[j] = mr_random_normal(&random);
    mr_replay_begin(replay, 0, obs);
    for (size_t i = 0; i < n; i++) {
        obs[i % OBS_DIM] = (double)i;
        mr_replay_push(replay, 0,
                       &(mr_transition){.act = act, .reward = (double)i, .next_obs = obs});
    }
    return replay;
}

static double time_draws(const mr_replay *replay, mr_random *random, mr_transitions *out) {
    const double begun = bench_busy();
    for (size_t i = 0; i < ROUND_BATCHES; i++)
        mr_replay_sample(replay, random, 0, BATCH, 1, 0.99, out);
    return ROUND_BATCHES / (bench_busy() - begun);
}

// Two observations side by side, an action and a reward of each drawn transition.
static double time_copies(size_t n, const float *memory, mr_random *random) {
    static float out[BATCH * (2 * OBS_DIM + ACT_DIM + 1)];
    const float *obs = memory, *act = obs + (n + 1) * OBS_DIM, *reward = act + n * ACT_DIM;
    const double begun = bench_busy();
    for (size_t i = 0; i < (size_t)ROUND_BATCHES * BATCH; i++) {
        const size_t slot = mr_random_below(random, n);
        float *row = out + i % BATCH * (2 * OBS_DIM + ACT_DIM + 1);
        memcpy(row, obs + slot * OBS_DIM, 2 * OBS_DIM * sizeof *row);
        memcpy(row + 2 * OBS_DIM, act + slot * ACT_DIM, ACT_DIM * sizeof *row);
        row[2 * OBS_DIM + ACT_DIM] = reward[slot];
        __asm__ volatile("" : : "r"(row) : "memory"); // the copies are not left out
    }
    return ROUND_BATCHES / (bench_busy() - begun);
}

static void bench(const bench_options *o) {
    static mr_real obs[BATCH * OBS_DIM], act[BATCH * ACT_DIM], reward[BATCH], discount[BATCH],
        next_obs[BATCH * OBS_DIM];
    mr_transitions out = {
        .obs = obs, .act = act, .reward = reward, .discount = discount, .next_obs = next_obs};
    const size_t n = (size_t)o->rows, n_floats = (n + 1) * (OBS_DIM + ACT_DIM + 1);
    mr_replay *replay = filled_replay(n);
    mr_random random = mr_random_stream(2, MR_STREAM_TEST, 0);
    double draws[MAX_ROUNDS], copies[MAX_ROUNDS], ratios[MAX_ROUNDS];
    float *memory = malloc(n_floats * sizeof *memory);
    if (memory == NULL)
        die(mr_fail_memory("a benchmark"));
    for (size_t i = 0; i < n_floats; i++)
        memory[i] = (float)i;
    for (int r = 0; r < o->rounds; r++) {
        draws[r] = time_draws(replay, &random, &out);
        copies[r] = time_copies(n, memory, &random);
        ratios[r] = draws[r] / copies[r];
    }
    const size_t n_rounds = (size_t)o->rounds;
    const double drawn = bench_median(n_rounds, draws), bare = bench_median(n_rounds, copies),
                 ratio = bench_median(n_rounds, ratios);
    if (o->json)
        printf("{\"rows\": %d, \"batches_per_s\": %.1f, \"copies_per_s\": %.1f, "
               "\"ratio_to_copies\": %.3f}\n",
               o->rows, drawn, bare, ratio);
    else
        printf("%d transitions: %.0f batches/s; bare copies %.0f/s; ratio %.3f\n", o->rows, drawn,
               bare, ratio);
    free(memory);
    mr_replay_free(replay);
}

int main(int argc, const char **argv) {
    bench_options o = {.rows = 1000000, .rounds = 15};
    const struct poptOption table[] = {
        {"rows", 0, POPT_ARG_INT, &o.rows, 0, "transitions in the buffer (default 1000000)", "N"},
        {"rounds", 0, POPT_ARG_INT, &o.rounds, 0, "rounds of each (default 15, at most 100)", "N"},
        {"json", 0, POPT_ARG_NONE, &o.json, 0, "print one JSON object", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_replay", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    if (rc < -1 || o.rows < 2 || o.rounds < 1 || o.rounds > MAX_ROUNDS) {
        fprintf(stderr, "bench_replay: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "a number is out of range");
        return 2;
    }
    bench(&o);
    poptFreeContext(context);
    return 0;
}
