#include "agents/replay.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/sanitized.h"

static const double gamma_used = 0.875; // a float32 number, so that it comes back as it is

// ---- A plain replay to compare with: every transition whole, in lists from the oldest on

enum { OBS_DIM = 3, ACT_DIM = 2, MAX_ENVS = 4, MAX_SLOTS = 64 };

/// A slot: a transition, or an observation from which none goes out.
typedef struct {
    bool is_transition;
    double obs[OBS_DIM], act[ACT_DIM], reward, next_obs[OBS_DIM];
    bool terminated;
} plain_slot;

typedef struct {
    size_t n;
    plain_slot slot[MAX_SLOTS + 1];
} plain_ring;

/// Both replays, fed alike. Numbers are whole and below 2^24, so that float32 keeps them.
typedef struct {
    mr_replay *replay;
    plain_ring ring[MAX_ENVS];
    size_t n_envs, ring_size;
    double present[MAX_ENVS][OBS_DIM];
    bool begun[MAX_ENVS], in_episode[MAX_ENVS];
    double n_numbers; // given out so far
} pair;

static pair *pair_new(size_t ring_size, size_t n_envs) {
    pair *p = calloc(1, sizeof *p);
    cr_assert(p && n_envs <= MAX_ENVS && ring_size <= MAX_SLOTS);
    p->n_envs = n_envs;
    p->ring_size = ring_size;
    cr_assert_eq(mr_replay_new(n_envs * ring_size, n_envs, OBS_DIM, ACT_DIM, &p->replay), MR_OK);
    return p;
}

static void pair_free(pair *p) {
    mr_replay_free(p->replay);
    free(p);
}

static void draw_obs(pair *p, double obs[OBS_DIM]) {
    for (size_t j = 0; j < OBS_DIM; j++)
        obs[j] = ++p->n_numbers;
}

// The oldest slots go when there are more than fit, the present observation's counted.
static void add_slot(pair *p, size_t env, const plain_slot *slot) {
    plain_ring *ring = &p->ring[env];
    ring->slot[ring->n++] = *slot;
    if (ring->n + 1 <= p->ring_size)
        return;
    memmove(ring->slot, ring->slot + 1, --ring->n * sizeof *ring->slot);
}

static void begin(pair *p, size_t env) {
    if (p->begun[env])
        add_slot(p, env, &(plain_slot){0}); // the last observation of the episode before
    p->begun[env] = p->in_episode[env] = true;
    draw_obs(p, p->present[env]);
    mr_replay_begin(p->replay, env, p->present[env]);
}

static void push(pair *p, size_t env, bool terminated) {
    plain_slot slot = {.is_transition = true, .reward = ++p->n_numbers, .terminated = terminated};
    float act[ACT_DIM];
    memcpy(slot.obs, p->present[env], sizeof slot.obs);
    for (size_t j = 0; j < ACT_DIM; j++) {
        act[j] = (float)++p->n_numbers;
        slot.act[j] = (double)act[j];
    }
    draw_obs(p, slot.next_obs);
    mr_replay_push(p->replay, env,
                   &(mr_transition){.act = act,
                                    .reward = slot.reward,
                                    .next_obs = slot.next_obs,
                                    .terminated = terminated});
    memcpy(p->present[env], slot.next_obs, sizeof slot.next_obs);
    add_slot(p, env, &slot);
}

static size_t plain_size(const pair *p) {
    size_t n = 0;
    for (size_t env = 0; env < p->n_envs; env++)
        for (size_t i = 0; i < p->ring[env].n; i++)
            n += p->ring[env].slot[i].is_transition;
    return n;
}

/// A batch of ROWS drawn transitions.
enum { ROWS = 256 };

typedef struct {
    float obs[ROWS][OBS_DIM], act[ROWS][ACT_DIM], reward[ROWS], discount[ROWS];
    float next_obs[ROWS][OBS_DIM];
} rows;

static void sample(const mr_replay *replay, mr_random *random, size_t n, rows *r) {
    mr_transitions batch = {.obs = r->obs[0],
                            .act = r->act[0],
                            .reward = r->reward,
                            .discount = r->discount,
                            .next_obs = r->next_obs[0]};
    mr_replay_sample(replay, random, 0, n, 1, gamma_used, &batch);
}

static const plain_slot *find_by_reward(const pair *p, double reward) {
    for (size_t env = 0; env < p->n_envs; env++)
        for (size_t i = 0; i < p->ring[env].n; i++)
            if (p->ring[env].slot[i].is_transition && p->ring[env].slot[i].reward == reward)
                return &p->ring[env].slot[i];
    return NULL;
}

static bool same(size_t n, const float *found, const double *expected) {
    for (size_t j = 0; j < n; j++)
        if ((double)found[j] != expected[j])
            return false;
    return true;
}

// Rewards are all different, so that each row says which transition it is.
static void expect_row(const pair *p, const rows *r, size_t i) {
    const plain_slot *slot = find_by_reward(p, (double)r->reward[i]);
    cr_assert_not_null(slot, "a transition of reward %g, which is not there", (double)r->reward[i]);
    cr_assert(same(OBS_DIM, r->obs[i], slot->obs));
    cr_assert(same(ACT_DIM, r->act[i], slot->act));
    cr_assert(same(OBS_DIM, r->next_obs[i], slot->next_obs));
    cr_assert_eq((double)r->discount[i], slot->terminated ? 0 : gamma_used);
}

static void expect_same(pair *p, mr_random *random) {
    static rows r;
    cr_assert_eq(mr_replay_size(p->replay), plain_size(p));
    if (plain_size(p) == 0)
        return;
    sample(p->replay, random, ROWS, &r);
    for (size_t i = 0; i < ROWS; i++)
        expect_row(p, &r, i);
}

// One step of an environment chosen at random; environments get different numbers of steps.
static void live(pair *p, mr_random *random) {
    size_t env = mr_random_below(random, p->n_envs);
    if (env > 0 && mr_random_below(random, 3) == 0)
        env = 0;
    if (!p->in_episode[env])
        begin(p, env);
    const size_t fate = mr_random_below(random, 12);
    push(p, env, fate == 0);
    if (fate < 2) // 1: truncation
        p->in_episode[env] = false;
}

Test(replay, gives_what_a_plain_list_of_transitions_gives) {
    static const struct {
        size_t ring_size, n_envs;
    } cases[] = {{3, 1}, {4, 1}, {17, 1}, {3, 2}, {16, 3}, {50, 4}};
    for (size_t k = 0; k < MR_COUNT(cases); k++) {
        pair *p = pair_new(cases[k].ring_size, cases[k].n_envs);
        mr_random random = mr_random_stream(21, MR_STREAM_TEST, k);
        for (int t = 0; t < 2000; t++) {
            live(p, &random);
            expect_same(p, &random);
        }
        pair_free(p);
    }
}

Test(replay, keeps_every_transition_within_reach) {
    pair *p = pair_new(20, 3);
    mr_random random = mr_random_stream(22, MR_STREAM_TEST, 0);
    for (int t = 0; t < 500; t++)
        live(p, &random);
    // A transition is missed by all of 40 batches with probability e^(-40 ROWS / 60), 1e-74.
    size_t n_missing = plain_size(p);
    for (int k = 0; k < 40; k++) {
        static rows r;
        sample(p->replay, &random, ROWS, &r);
        for (size_t i = 0; i < ROWS; i++) {
            plain_slot *slot = (plain_slot *)find_by_reward(p, (double)r.reward[i]);
            if (slot) {
                n_missing--;
                slot->is_transition = false; // counted
            }
        }
    }
    cr_expect_eq(n_missing, 0);
    pair_free(p);
}

// ---- Priorities

// Slots are replaced at random priorities: of 6 slots, those whose steps are still there are drawn
// in proportion. A share p of n draws has the standard deviation sqrt(p (1 - p) / n): four of them.
Test(replay, draws_in_proportion_to_priorities_and_never_what_was_replaced) {
    enum { N = 40000, SLOTS = 6, N_STEPS = 15 };
    static float obs[N], act[N], reward[N], discount[N], next_obs[N];
    static size_t slot[N];
    static double probability[N];
    double count[N_STEPS] = {0}, priority[N_STEPS], sum = 0;
    mr_transitions batch = {obs, act, reward, discount, next_obs, NULL, slot, probability, NULL, 0};
    mr_random random = mr_random_stream(24, MR_STREAM_TEST, 0);
    mr_replay *replay = NULL;
    cr_assert_eq(mr_replay_new(SLOTS, 1, 1, 1, &replay), MR_OK);
    cr_assert_eq(mr_replay_prioritise(replay), MR_OK);
    mr_replay_begin(replay, 0, &(double){0});
    for (size_t t = 0; t < N_STEPS; t++) // step t starts from observation t
        mr_replay_push(replay, 0,
                       &(mr_transition){.act = &(float){0}, .next_obs = &(double){(double)t + 1}});
    mr_replay_sample(replay, &random, 0, N, 1, gamma_used, &batch);
    for (size_t i = 0; i < N; i++) { // new ones have equal priorities
        cr_expect_float_eq(probability[i], 1. / (SLOTS - 1), 1e-12);
        priority[(size_t)obs[i]] = (double)((size_t)obs[i] % 4 + 1);
        mr_replay_set_priority(replay, slot[i], priority[(size_t)obs[i]]);
    }
    for (size_t t = N_STEPS - (SLOTS - 1); t < N_STEPS; t++)
        sum += priority[t];
    mr_replay_sample(replay, &random, 0, N, 1, gamma_used, &batch);
    for (size_t i = 0; i < N; i++) {
        cr_assert_geq((double)obs[i], N_STEPS - (SLOTS - 1));
        cr_expect_float_eq(probability[i], priority[(size_t)obs[i]] / sum, 1e-12);
        count[(size_t)obs[i]]++;
    }
    for (size_t t = N_STEPS - (SLOTS - 1); t < N_STEPS; t++) {
        const double p = priority[t] / sum;
        cr_expect_float_eq(count[t] / N, p, 4 * sqrt(p * (1 - p) / N), "step %zu", t);
    }
    mr_replay_free(replay);
}

// ---- One behaviour at a time

static mr_replay *replay_new(size_t capacity, size_t n_envs) {
    mr_replay *replay = NULL;
    cr_assert_eq(mr_replay_new(capacity, n_envs, 1, 1, &replay), MR_OK, "%s", mr_error_message());
    return replay;
}

// A step whose action and reward are the number of the observation it starts from.
static void step_to(mr_replay *replay, size_t env, double from, double to, bool terminated) {
    mr_replay_push(replay, env,
                   &(mr_transition){.act = &(float){(float)from},
                                    .reward = from,
                                    .next_obs = &to,
                                    .terminated = terminated});
}

// The row that starts from observation `from`, among many draws.
typedef struct {
    bool found;
    float next_obs, discount;
} drawn;

static drawn draw_from(const mr_replay *replay, double from) {
    enum { N = 4096 }; // of at most 10 transitions: missed with probability e^-400
    static float obs[N], act[N], reward[N], discount[N], next_obs[N];
    mr_transitions batch = {
        .obs = obs, .act = act, .reward = reward, .discount = discount, .next_obs = next_obs};
    mr_random random = mr_random_stream(23, MR_STREAM_TEST, 0);
    mr_replay_sample(replay, &random, 0, N, 1, gamma_used, &batch);
    for (size_t i = 0; i < N; i++)
        if ((double)obs[i] == from)
            return (drawn){true, next_obs[i], discount[i]};
    return (drawn){0};
}

Test(replay, bootstraps_through_truncation) {
    mr_replay *replay = replay_new(10, 1);
    mr_replay_begin(replay, 0, &(double){1});
    step_to(replay, 0, 1, 2, false);
    mr_replay_begin(replay, 0, &(double){100}); // the episode was cut off at observation 2
    step_to(replay, 0, 100, 101, false);
    const drawn last = draw_from(replay, 1);
    cr_expect(last.found);
    cr_expect_eq(last.next_obs, 2);
    cr_expect_eq((double)last.discount, gamma_used);
    mr_replay_free(replay);
}

Test(replay, never_bootstraps_through_termination) {
    mr_replay *replay = replay_new(10, 1);
    mr_replay_begin(replay, 0, &(double){1});
    step_to(replay, 0, 1, 2, true);
    mr_replay_begin(replay, 0, &(double){100});
    step_to(replay, 0, 100, 101, false);
    const drawn last = draw_from(replay, 1);
    cr_expect(last.found);
    cr_expect_eq(last.next_obs, 2);
    cr_expect_eq(last.discount, 0);
    mr_replay_free(replay);
}

Test(replay, never_draws_a_transition_from_an_episodes_last_observation) {
    mr_replay *replay = replay_new(10, 1);
    mr_replay_begin(replay, 0, &(double){1});
    step_to(replay, 0, 1, 2, false);
    cr_expect(!draw_from(replay, 2).found); // the present one: nothing has followed it yet
    mr_replay_begin(replay, 0, &(double){100});
    step_to(replay, 0, 100, 101, true);
    mr_replay_begin(replay, 0, &(double){200});
    cr_expect_eq(mr_replay_size(replay), 2);
    cr_expect(!draw_from(replay, 2).found);
    cr_expect(!draw_from(replay, 101).found);
    cr_expect(!draw_from(replay, 200).found);
    mr_replay_free(replay);
}

Test(replay, an_episode_goes_on_from_the_last_slot_of_a_ring_to_its_first) {
    enum { RING = 5 };
    mr_replay *replay = replay_new(2 * RING, 2); // beyond the first ring lies the second
    mr_replay_begin(replay, 0, &(double){0});
    mr_replay_begin(replay, 1, &(double){1000});
    for (int t = 0; t < 23; t++) {
        step_to(replay, 0, t, t + 1, false);
        for (int k = 0; k <= t; k++) {
            // RING - 1 transitions, and the present observation.
            const drawn found = draw_from(replay, k);
            cr_expect_eq(found.found, k > t - (RING - 1), "observation %d at time %d", k, t);
            if (found.found)
                cr_expect_eq(found.next_obs, (float)(k + 1));
        }
    }
    mr_replay_free(replay);
}

Test(replay, has_room_for_a_transition_of_each_environment_however_small) {
    mr_replay *replay = replay_new(1, 4);
    for (size_t env = 0; env < 4; env++) {
        mr_replay_begin(replay, env, &(double){(double)env});
        step_to(replay, env, (double)env, 10, false);
    }
    cr_expect_eq(mr_replay_size(replay), 4);
    mr_replay_free(replay);
}

// With K equally probable transitions the statistic sum (n_i - N/K)^2 / (N/K) follows a chi-square
// law of K - 1 degrees of freedom: mean K - 1, variance 2 (K - 1). At K = 100 or more it lies
// beyond 6 deviations above, and as far below, with a probability under 1e-6. The rings are filled
// unevenly and have holes where episodes ended.
Test(replay, draws_every_transition_equally_often) {
    enum { MAX_TRANSITIONS = 200, N_BATCHES = 800 };
    static size_t n_drawn[MAX_TRANSITIONS];
    static rows r;
    pair *p = pair_new(60, 3);
    mr_random random = mr_random_stream(24, MR_STREAM_TEST, 0);
    double rewards[MAX_TRANSITIONS];
    size_t n = 0;
    static const int n_steps[] = {90, 45, 15};
    for (size_t env = 0; env < 3; env++)
        for (int t = 0; t < n_steps[env]; t++) {
            if (!p->in_episode[env])
                begin(p, env);
            push(p, env, false);
            if (t % 8 >= 6) // long episodes and episodes of one step, side by side
                p->in_episode[env] = false;
        }
    for (size_t env = 0; env < 3; env++)
        for (size_t i = 0; i < p->ring[env].n; i++)
            if (p->ring[env].slot[i].is_transition)
                rewards[n++] = p->ring[env].slot[i].reward;
    cr_assert_eq(n, mr_replay_size(p->replay));
    cr_assert(n > 80 && n < MAX_TRANSITIONS, "%zu", n);
    for (int k = 0; k < N_BATCHES; k++) {
        sample(p->replay, &random, ROWS, &r);
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < n; j++)
                n_drawn[j] += rewards[j] == (double)r.reward[i];
    }
    const double expected = (double)N_BATCHES * ROWS / (double)n, freedom = (double)n - 1;
    double statistic = 0;
    for (size_t j = 0; j < n; j++)
        statistic += pow((double)n_drawn[j] - expected, 2) / expected;
    cr_expect_float_eq(statistic, freedom, 6 * sqrt(2 * freedom),
                       "chi-square %.1f at %.0f degrees of freedom", statistic, freedom);
    pair_free(p);
}

Test(replay, the_same_stream_draws_the_same_batch) {
    pair *p = pair_new(20, 2);
    mr_random random = mr_random_stream(25, MR_STREAM_TEST, 0);
    static rows a, b;
    for (int t = 0; t < 100; t++)
        live(p, &random);
    mr_random first = mr_random_stream(1, MR_STREAM_REPLAY, 0), again = first;
    sample(p->replay, &first, ROWS, &a);
    sample(p->replay, &again, ROWS, &b);
    cr_expect_arr_eq(&a, &b, sizeof a);
    pair_free(p);
}

// ---- Memory

#ifndef SANITIZED
static double resident_bytes(void) {
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert_not_null(file);
    cr_assert_eq(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}
#endif

// A million transitions in episodes of 1,000 steps, which need 1,001,000 slots and one for the
// present observation. With each observation stored once these are 17 + 6 + 1 float32 numbers and
// a byte each: 97 MB. Stored twice they would be 165 MB.
Test(replay, a_million_transitions_of_half_cheetah_take_at_most_110_megabytes) {
#ifdef SANITIZED
    cr_skip("a sanitizer's own memory would be counted");
#else
    enum { CHEETAH_OBS = 17, CHEETAH_ACT = 6, N = 1000000, N_EPISODE = 1000 };
    const double before = resident_bytes();
    mr_replay *replay = NULL;
    double obs[CHEETAH_OBS] = {0};
    cr_assert_eq(mr_replay_new(N + N / N_EPISODE + 1, 1, CHEETAH_OBS, CHEETAH_ACT, &replay), MR_OK);
    for (int t = 0; t < N; t++) {
        obs[t % CHEETAH_OBS] = t;
        if (t % N_EPISODE == 0)
            mr_replay_begin(replay, 0, obs);
        mr_replay_push(replay, 0,
                       &(mr_transition){.act = (float[CHEETAH_ACT]){(float)t}, .next_obs = obs});
    }
    const double grown = resident_bytes() - before;
    cr_expect_eq(mr_replay_size(replay), N);
    cr_expect_leq(grown, 110e6, "%.1f MB", grown / 1e6);
    cr_expect_geq(grown, 90e6, "%.1f MB cannot hold them: was it measured?", grown / 1e6);
    mr_replay_free(replay);
#endif
}

Test(replay, too_large_for_the_memory_is_reported) {
#ifdef SANITIZED
    cr_skip("a sanitizer stops the program where malloc would give NULL");
#else
    mr_replay *replay = NULL;
    cr_expect_eq(mr_replay_new((size_t)1 << 58, 1, 1, 1, &replay), MR_ERR_MEMORY);
    cr_expect_not_null(strstr(mr_error_message(), "buffer_size"), "%s", mr_error_message());
    cr_expect_null(replay);
#endif
}
