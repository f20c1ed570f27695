// Rewards on their way from the replay buffer to the agent. All expected numbers are calculated by
// hand, beside them.

#include "agents/batch.h"

#include <math.h>
#include <stdlib.h>

#include <criterion/criterion.h>

enum { ROWS = 512 }; // drawn of at most 12 transitions: one is missed with probability e^-42

static mr_batch_options options_with(size_t n_step) {
    return (mr_batch_options){.batch_size = ROWS,
                              .n_envs = 1,
                              .n_step = n_step,
                              .gamma = 0.5,
                              .reward_scale = 1,
                              .seed = 3};
}

static mr_batch_maker *maker_new(const mr_batch_options *options) {
    mr_batch_maker *maker;
    cr_assert_eq(mr_batch_maker_new(options, 1, 1, &maker), MR_OK, "%s", mr_error_message());
    return maker;
}

static mr_replay *replay_new(size_t ring_size, size_t n_envs) {
    mr_replay *replay;
    cr_assert_eq(mr_replay_new(n_envs * ring_size, n_envs, 1, 1, &replay), MR_OK);
    return replay;
}

static void push(mr_replay *replay, size_t env, double reward, double next_obs, bool terminated) {
    mr_replay_push(replay, env,
                   &(mr_transition){.act = &(mr_real){0},
                                    .reward = reward,
                                    .next_obs = &next_obs,
                                    .terminated = terminated});
}

// An episode of `n` steps from observation `first` on, which count up; rewards 1, 2, 4, 8, ...
static void play(mr_replay *replay, size_t env, int first, int n, bool terminated) {
    mr_replay_begin(replay, env, &(double){first});
    for (int t = 0; t < n; t++)
        push(replay, env, ldexp(1, t), first + t + 1, terminated && t + 1 == n);
}

// The row that starts from observation `obs`; -1: none does.
static int find_row(const mr_batch *batch, double obs) {
    for (int i = 0; i < ROWS; i++)
        if ((double)batch->obs[i] == obs)
            return i;
    return -1;
}

typedef struct {
    double obs, reward, discount, next_obs;
} expected_row;

static void expect_rows(const mr_batch *batch, size_t n, const expected_row *rows) {
    for (size_t k = 0; k < n; k++) {
        const int i = find_row(batch, rows[k].obs);
        cr_assert_geq(i, 0, "no row from %g", rows[k].obs);
        cr_expect_eq((double)batch->reward[i], rows[k].reward, "from %g: reward %g", rows[k].obs,
                     (double)batch->reward[i]);
        cr_expect_eq((double)batch->discount[i], rows[k].discount, "from %g", rows[k].obs);
        cr_expect_eq((double)batch->next_obs[i], rows[k].next_obs, "from %g", rows[k].obs);
    }
}

static const mr_batch *draw(mr_batch_maker *maker, const mr_replay *replay) {
    const mr_batch *batch = NULL;
    cr_assert_eq(mr_batch_draw(maker, replay, NULL, 0, &batch), MR_OK, "%s", mr_error_message());
    return batch;
}

static void check_drawn(const mr_replay *replay, size_t n_step, size_t n,
                        const expected_row *rows) {
    const mr_batch_options options = options_with(n_step);
    mr_batch_maker *maker = maker_new(&options);
    expect_rows(draw(maker, replay), n, rows);
    mr_batch_maker_free(maker);
}

// ---- Returns of n steps: gamma is 1/2, so that 1 + 2/2 + 4/4 = 3

Test(batch, sums_the_rewards_of_3_steps) {
    static const expected_row rows[] = {{10, 3, 0.125, 13}, {11, 6, 0.125, 14}};
    mr_replay *replay = replay_new(20, 1);
    play(replay, 0, 10, 5, true);
    check_drawn(replay, 3, MR_COUNT(rows), rows);
    mr_replay_free(replay);
}

Test(batch, a_return_ends_with_a_termination) {
    static const expected_row rows[] = {{12, 12, 0, 15}, {13, 16, 0, 15}, {14, 16, 0, 15}};
    mr_replay *replay = replay_new(20, 1);
    play(replay, 0, 10, 5, true);
    play(replay, 0, 100, 2, false);
    check_drawn(replay, 3, MR_COUNT(rows), rows);
    mr_replay_free(replay);
}

// The next episode begins without a termination before it: a time limit, or a remote environment
// that its server has reset.
Test(batch, a_return_is_bootstrapped_from_the_observation_before_a_truncation) {
    static const expected_row rows[] = {{12, 12, 0.125, 15}, {13, 16, 0.25, 15}, {14, 16, 0.5, 15}};
    mr_replay *replay = replay_new(20, 1);
    play(replay, 0, 10, 5, false);
    play(replay, 0, 100, 2, false);
    check_drawn(replay, 3, MR_COUNT(rows), rows);
    mr_replay_free(replay);
}

Test(batch, a_return_is_bootstrapped_from_the_present_observation) {
    static const expected_row rows[] = {{10, 3, 0.125, 13}, {11, 4, 0.25, 13}, {12, 4, 0.5, 13}};
    mr_replay *replay = replay_new(20, 1);
    play(replay, 0, 10, 3, false);
    check_drawn(replay, 3, MR_COUNT(rows), rows);
    mr_replay_free(replay);
}

// Each ring of 5 slots is full, so that the last step of one lies beside the first of the other.
Test(batch, a_return_never_goes_on_in_another_copy) {
    static const expected_row rows[] = {{10, 3, 0.125, 13},
                                        {13, 8, 0.5, 14},
                                        {20, 3, 0.125, 23},
                                        {22, 8, 0.25, 24},
                                        {23, 8, 0.5, 24}};
    mr_replay *replay = replay_new(5, 2);
    play(replay, 0, 10, 4, false);
    play(replay, 1, 20, 4, false);
    check_drawn(replay, 3, MR_COUNT(rows), rows);
    mr_replay_free(replay);
}

// After 7 steps of reward 1, a ring of 5 slots holds the steps from 3, 4, 5 and 6; that from 4 is
// in its last slot, and what follows it in its first. 1 + 1/2 + 1/4 = 1.75.
Test(batch, a_return_goes_on_from_the_last_slot_of_a_ring_to_its_first) {
    static const expected_row rows[] = {
        {3, 1.75, 0.125, 6}, {4, 1.75, 0.125, 7}, {5, 1.5, 0.25, 7}, {6, 1, 0.5, 7}};
    mr_replay *replay = replay_new(5, 1);
    mr_replay_begin(replay, 0, &(double){0});
    for (int t = 0; t < 7; t++)
        push(replay, 0, 1, t + 1, false);
    check_drawn(replay, 3, MR_COUNT(rows), rows);
    const mr_batch_options options = options_with(3);
    mr_batch_maker *maker = maker_new(&options);
    cr_expect_eq(find_row(draw(maker, replay), 2), -1);
    mr_batch_maker_free(maker);
    mr_replay_free(replay);
}

// ---- Normalised rewards

static void observe(mr_batch_maker *maker, double reward_a, bool first_a, double reward_b,
                    bool first_b) {
    const mr_step steps[] = {{.reward = reward_a, .lost = isnan(reward_a)}, {.reward = reward_b}};
    const bool is_first[] = {first_a, first_b};
    mr_batch_observe(maker, steps, is_first);
}

// A plays two episodes and is lost at the last step, B plays one. G of A: 1, 1 + 1/2 = 1.5, 1; of
// B: 2, 2 + 2/2 = 3, 2 + 3/2 = 3.5, 1/4 + 3.5/2 = 2. Their mean is 14/7 = 2, their squared
// distances from it sum to 1 + 1/4 + 1 + 0 + 1 + 9/4 + 0 = 11/2: a variance of 11/14.
static mr_batch_maker *observed_maker(bool normalizes, double max_return) {
    mr_batch_options options = options_with(1);
    options.n_envs = 2;
    options.reward_scale = 10;
    options.normalize_reward = normalizes;
    options.max_return = max_return;
    mr_batch_maker *maker = maker_new(&options);
    observe(maker, 1, true, 2, true);
    observe(maker, 1, false, 2, false);
    observe(maker, 1, true, 2, false);
    observe(maker, NAN, false, 0.25, false);
    return maker;
}

static double drawn_reward(mr_batch_maker *maker) {
    mr_replay *replay = replay_new(5, 2);
    mr_replay_begin(replay, 0, &(double){0});
    push(replay, 0, 3, 1, false);
    const double reward = (double)draw(maker, replay)->reward[0];
    mr_replay_free(replay);
    return reward;
}

Test(batch, a_reward_is_divided_by_the_deviation_of_the_discounted_return) {
    mr_batch_maker *maker = observed_maker(true, 0);
    const double expected = 3 * 10 / sqrt(11. / 14);
    cr_expect_float_eq(drawn_reward(maker), expected, 1e-6 * expected);
    mr_batch_maker_free(maker);
}

// The largest return of observed_maker is 3.5, which a divisor of 3.5 / 2 makes 2; the deviation of
// sqrt(11/14) makes it less than 10.
Test(batch, a_normalised_return_is_at_most_the_largest_that_is_asked_for) {
    static const struct {
        double max_return, divisor;
    } cases[] = {{2, 3.5 / 2}, {10, 0.88640526042791834}}; // the square root of 11/14
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_batch_maker *maker = observed_maker(true, cases[i].max_return);
        const double expected = 3 * 10 / cases[i].divisor;
        cr_expect_float_eq(drawn_reward(maker), expected, 1e-6 * expected);
        mr_batch_maker_free(maker);
    }
}

Test(batch, a_reward_is_only_scaled_by_default) {
    mr_batch_maker *maker = observed_maker(false, 0);
    cr_expect_eq(drawn_reward(maker), 30);
    mr_batch_maker_free(maker);
}

Test(batch, a_return_that_has_not_varied_divides_by_nothing) {
    mr_batch_options options = options_with(1);
    options.normalize_reward = true;
    mr_batch_maker *maker = maker_new(&options);
    const mr_step step = {.reward = 7};
    cr_expect_eq(drawn_reward(maker), 3);
    for (int t = 0; t < 10; t++)
        mr_batch_observe(maker, &step, &(bool){true});
    cr_expect_eq(drawn_reward(maker), 3);
    mr_batch_maker_free(maker);
}

// ---- Observations

Test(batch, observations_are_standardised_by_the_statistics_of_now) {
    mr_obs_norm *norm;
    mr_batch_options options = options_with(1);
    cr_assert_eq(mr_obs_norm_new(1, &norm), MR_OK);
    options.obs_norm = norm;
    mr_batch_maker *maker = maker_new(&options);
    mr_replay *replay = replay_new(5, 1);
    mr_replay_begin(replay, 0, &(double){3});
    push(replay, 0, 1, 7, false);
    cr_expect_eq(draw(maker, replay)->obs[0], 3); // as it is, as long as nothing is known
    mr_obs_norm_add(norm, &(double){3});
    mr_obs_norm_add(norm, &(double){7}); // mean 5, deviation 2
    const mr_batch *batch = draw(maker, replay);
    cr_expect_float_eq((double)batch->obs[0], -1, 1e-6);
    cr_expect_float_eq((double)batch->next_obs[0], 1, 1e-6);
    mr_batch_maker_free(maker);
    mr_replay_free(replay);
    mr_obs_norm_free(norm);
}

// ---- Priorities

// Two transitions; losses of 4 and 1/4 make priorities of (2 + 1e-6)^0.5 and (1/2 + 1e-6)^0.5, and
// weights of 1 for the rarer one and (p_a / p_b)^-0.8 for the other.
Test(batch, rows_are_weighted_against_the_probability_that_they_were_drawn_with) {
    mr_batch_options options = options_with(1);
    options.priority_alpha = 0.5;
    options.priority_beta = 0.8;
    mr_batch_maker *maker = maker_new(&options);
    mr_replay *replay = replay_new(6, 1);
    cr_assert_eq(mr_replay_prioritise(replay), MR_OK);
    play(replay, 0, 10, 2, false);
    const mr_batch *batch = draw(maker, replay);
    mr_real loss[ROWS];
    for (int i = 0; i < ROWS; i++) {
        cr_expect_eq(batch->weight[i], 1);
        loss[i] = batch->obs[i] == 10 ? 4 : (mr_real)0.25;
    }
    mr_batch_reprioritise(maker, replay, loss);
    batch = draw(maker, replay);
    cr_assert(find_row(batch, 10) >= 0 && find_row(batch, 11) >= 0);
    const double ratio = pow((2 + 1e-6) / (0.5 + 1e-6), 0.5);
    cr_expect_float_eq((double)batch->weight[find_row(batch, 11)], 1, 1e-7);
    cr_expect_float_eq((double)batch->weight[find_row(batch, 10)], pow(ratio, -0.8), 1e-7);
    mr_batch_maker_free(maker);
    mr_replay_free(replay);
}

// ---- Demonstrations

// Returns of 2 steps with gamma 1/2: 1 + 2/2 of the run's, 1 + 2/2, 2 + 4/2 of the demonstrations.
Test(batch, the_last_rows_are_of_demonstrations) {
    enum { N_LAST = 200 };
    mr_batch_options options = options_with(2);
    options.n_demonstrations = N_LAST;
    mr_batch_maker *maker = maker_new(&options);
    mr_replay *replay = replay_new(6, 1), *demonstrations = replay_new(6, 1);
    play(replay, 0, 10, 2, false);
    play(demonstrations, 0, 100, 3, true);
    const mr_batch *batch;
    cr_assert_eq(mr_batch_draw(maker, replay, demonstrations, 0, &batch), MR_OK);
    for (int i = 0; i < ROWS; i++)
        cr_expect_eq(batch->obs[i] >= 100, i >= ROWS - N_LAST, "row %d", i);
    expect_rows(batch, 4,
                (expected_row[]){
                    {10, 2, 0.25, 12}, {11, 2, 0.5, 12}, {100, 2, 0.25, 102}, {102, 4, 0, 103}});
    mr_batch_maker_free(maker);
    mr_replay_free(replay);
    mr_replay_free(demonstrations);
}

// Of two transitions with priorities 2:1, and three of demonstrations: N P is 4/3, 2/3 and 1.
Test(batch, demonstrations_are_weighted_as_drawn_uniformly) {
    mr_batch_options options = options_with(1);
    options.priority_alpha = 0.5;
    options.priority_beta = 1;
    options.n_demonstrations = ROWS / 2;
    mr_batch_maker *maker = maker_new(&options);
    mr_replay *replay = replay_new(6, 1), *demonstrations = replay_new(6, 1);
    cr_assert_eq(mr_replay_prioritise(replay), MR_OK);
    play(replay, 0, 10, 2, false);
    play(demonstrations, 0, 100, 3, true);
    const mr_batch *batch;
    mr_real loss[ROWS];
    cr_assert_eq(mr_batch_draw(maker, replay, demonstrations, 0, &batch), MR_OK);
    for (int i = 0; i < ROWS; i++) // of a demonstration: has no priority
        loss[i] = batch->obs[i] == 10 ? 16 : batch->obs[i] == 11 ? 1 : 1000;
    mr_batch_reprioritise(maker, replay, loss);
    cr_assert_eq(mr_batch_draw(maker, replay, demonstrations, 0, &batch), MR_OK);
    cr_expect_float_eq((double)batch->weight[find_row(batch, 11)], 1, 1e-6);
    cr_expect_float_eq((double)batch->weight[find_row(batch, 10)], 0.5, 1e-6);
    cr_expect_float_eq((double)batch->weight[find_row(batch, 101)], 2. / 3, 1e-6);
    mr_batch_maker_free(maker);
    mr_replay_free(replay);
    mr_replay_free(demonstrations);
}

Test(batch, an_episode_of_demonstrations_counts_as_one_of_the_run) {
    mr_batch_options options = options_with(1);
    options.normalize_reward = true;
    mr_batch_maker *here = maker_new(&options), *there = maker_new(&options);
    const double rewards[] = {1, 3, -2, 5};
    for (int t = 0; t < 4; t++)
        mr_batch_observe(here, &(mr_step){.reward = rewards[t]}, &(bool){t == 0});
    mr_batch_observe_episode(there, 4, rewards);
    cr_expect_eq(drawn_reward(here), drawn_reward(there));
    cr_expect_neq(drawn_reward(there), 3);
    mr_batch_maker_free(here);
    mr_batch_maker_free(there);
}

// ---- Intrinsic rewards

static const mr_env_spec line = {.name = "Line-v0", .obs_dim = 1};

// A bonus that has seen the places of an episode.
static mr_bonus *bonus_new(void) {
    const mr_bonus_options options = {.kind = "rnd",
                                      .flow = "",
                                      .scale = 0.25,
                                      .decay = "none",
                                      .features = "all",
                                      .normalize = "auto",
                                      .n_steps = 1000,
                                      .batch_size = ROWS,
                                      .n_envs = 1,
                                      .seed = 4,
                                      .n_threads = 1};
    mr_bonus *bonus;
    cr_assert_eq(mr_bonus_new(&options, &line, &bonus), MR_OK, "%s", mr_error_message());
    for (int i = 0; i < ROWS; i++)
        mr_bonus_visit(bonus, NULL, &(double){10 + i % 6});
    return bonus;
}

// b of the state `obs`, as the bonus is now.
static double score_of(mr_bonus *bonus, double obs) {
    static mr_real states[ROWS], scores[ROWS];
    for (int i = 0; i < ROWS; i++)
        states[i] = (mr_real)obs;
    mr_bonus_score_more(bonus, states, scores);
    return (double)scores[0];
}

static void check_intrinsic(bool is_separate) {
    mr_bonus *bonus = bonus_new();
    mr_batch_options options = options_with(2);
    options.bonus = bonus;
    options.is_separate = is_separate;
    mr_batch_maker *maker = maker_new(&options);
    mr_replay *replay = replay_new(20, 1);
    play(replay, 0, 10, 5, true);
    const mr_batch *batch = draw(maker, replay);
    cr_expect_eq(batch->beta, 0.25);
    for (int t = 0; t < 5; t++) {
        const int i = find_row(batch, 10 + t);
        const bool has_two = t < 4;
        const double task = ldexp(1, t) + (has_two ? ldexp(1, t + 1) / 2 : 0);
        const double b = score_of(bonus, 11 + t) + (has_two ? 0.5 * score_of(bonus, 12 + t) : 0);
        cr_assert_geq(i, 0);
        cr_expect_neq(score_of(bonus, 11 + t), 0);
        cr_expect_float_eq((double)batch->reward[i], is_separate ? task : task + 0.25 * b,
                           1e-5 * (1 + task));
        if (is_separate)
            cr_expect_float_eq((double)batch->intrinsic[i], b, 1e-5 * (1 + fabs(b)));
    }
    mr_replay_free(replay);
    mr_batch_maker_free(maker);
    mr_bonus_free(bonus);
}

Test(batch, intrinsic_rewards_of_2_steps_are_summed_apart) {
    check_intrinsic(true);
}

Test(batch, intrinsic_rewards_of_2_steps_are_added_to_the_tasks) {
    check_intrinsic(false);
}
