#include "agents/evaluate.h"

#include <math.h>

#include <criterion/criterion.h>

static const char env_name[] = "InvertedPendulum-v5";

enum { OBS_DIM = 4, ACT_DIM = 1, N = 7, SEED = 40 };

static mr_policy *policy_new(size_t max_rows) {
    static const double low[] = {-3}, high[] = {3};
    const mr_policy_spec spec = {.env = env_name,
                                 .flow = "real_nvp",
                                 .obs_dim = OBS_DIM,
                                 .act_dim = ACT_DIM,
                                 .act_low = low,
                                 .act_high = high,
                                 .hidden = {.n = 1, .width = {16}}};
    mr_policy *policy = NULL;
    cr_assert_eq(mr_policy_new(&spec, 2, &policy), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_policy_prepare(policy, max_rows), MR_OK);
    return policy;
}

static mr_evaluation *evaluate(size_t n_copies, int n_threads, bool deterministic) {
    mr_policy *policy = policy_new(n_copies);
    mr_vec_env *envs = NULL;
    mr_evaluation *evaluation = NULL;
    cr_assert_eq(mr_vec_env_open(env_name, NULL, n_copies, n_threads, &envs), MR_OK);
    cr_assert_eq(mr_evaluation_new(N, &evaluation), MR_OK);
    const mr_eval_options how = {.seed = SEED, .deterministic = deterministic};
    cr_assert_eq(mr_evaluate(policy, envs, &how, evaluation), MR_OK, "%s", mr_error_message());
    mr_vec_env_close(envs);
    mr_policy_free(policy);
    return evaluation;
}

// One episode, step by step.
static void play(mr_policy *policy, mr_env *env, uint64_t episode, bool deterministic,
                 double *episode_return, size_t *length) {
    const uint64_t seed = SEED + episode;
    mr_random random = mr_random_stream(seed, MR_STREAM_EVAL, 0);
    double obs[OBS_DIM], action[ACT_DIM];
    mr_real act[ACT_DIM], noise[ACT_DIM];
    mr_step step = {0};
    *episode_return = 0;
    *length = 0;
    cr_assert_eq(mr_env_reset(env, &seed, obs), MR_OK);
    while (!step.terminated && !step.truncated) {
        mr_random_fill_normal(&random, ACT_DIM, noise);
        cr_assert_eq(mr_policy_act_units(policy, obs, deterministic ? NULL : noise, act), MR_OK);
        mr_policy_scale(policy, 1, act, action);
        cr_assert_eq(mr_env_step(env, action, obs, &step), MR_OK);
        *episode_return += step.reward;
        ++*length;
    }
}

static void check_by_hand(bool deterministic) {
    mr_evaluation *found = evaluate(1, 1, deterministic);
    mr_policy *policy = policy_new(1);
    mr_env *env = NULL;
    cr_assert_eq(mr_env_open(env_name, NULL, &env), MR_OK);
    for (size_t i = 0; i < N; i++) {
        double episode_return;
        size_t length;
        play(policy, env, i, deterministic, &episode_return, &length);
        cr_expect_eq(found->returns[i], episode_return, "episode %zu", i);
        cr_expect_eq(found->lengths[i], length, "episode %zu", i);
    }
    mr_env_close(env);
    mr_policy_free(policy);
    mr_evaluation_free(found);
}

Test(evaluate, deterministic_episodes_are_those_played_step_by_step) {
    check_by_hand(true);
}

Test(evaluate, stochastic_episodes_are_those_played_step_by_step) {
    check_by_hand(false);
}

Test(evaluate, noise_makes_other_episodes) {
    mr_evaluation *with = evaluate(1, 1, false), *without = evaluate(1, 1, true);
    cr_expect(memcmp(with->lengths, without->lengths, N * sizeof *with->lengths) != 0);
    mr_evaluation_free(with);
    mr_evaluation_free(without);
}

Test(evaluate, mean_and_deviation_are_those_of_the_episodes) {
    mr_evaluation *e = evaluate(1, 1, false);
    double mean = 0, variance = 0, length = 0;
    for (size_t i = 0; i < N; i++) {
        mean += e->returns[i] / N;
        length += (double)e->lengths[i] / N;
    }
    for (size_t i = 0; i < N; i++)
        variance += pow(e->returns[i] - mean, 2) / N;
    cr_assert_gt(variance, 0);
    // Sums of 7 terms, twice: 20 roundings of 2^-53.
    cr_expect_float_eq(e->mean_return, mean, 3e-15 * mean);
    cr_expect_float_eq(e->mean_length, length, 3e-15 * length);
    cr_expect_float_eq(e->std_return, sqrt(variance), 3e-15 * mean);
    mr_evaluation_free(e);
}

Test(evaluate, the_number_of_copies_and_threads_changes_nothing) {
    for (int deterministic = 0; deterministic < 2; deterministic++) {
        mr_evaluation *one = evaluate(1, 1, deterministic);
        static const size_t n_copies[] = {2, 3, N, N + 2}; // the last: more than there are episodes
        for (size_t k = 0; k < MR_COUNT(n_copies); k++) {
            mr_evaluation *many = evaluate(n_copies[k], 2, deterministic);
            for (size_t i = 0; i < N; i++) {
                cr_expect_eq(many->lengths[i], one->lengths[i], "%zu copies, episode %zu",
                             n_copies[k], i);
                cr_expect_eq(many->returns[i], one->returns[i], "%zu copies, episode %zu",
                             n_copies[k], i);
            }
            cr_expect_eq(many->mean_return, one->mean_return);
            cr_expect_eq(many->std_return, one->std_return);
            mr_evaluation_free(many);
        }
        mr_evaluation_free(one);
    }
}

Test(evaluate, freeing_nothing_is_fine) {
    mr_evaluation_free(NULL);
}

// What a watcher is shown: for each episode, 0, 1, 2, ... steps.
typedef struct {
    size_t n_looks, n_begun, next[N];
    mr_status answer; // to the tenth look and those after it
} witness;

static mr_status look(void *self, size_t copy, size_t episode, size_t n_steps) {
    witness *w = self;
    cr_expect_lt(copy, 2);
    cr_assert_lt(episode, N);
    cr_expect_eq(n_steps, w->next[episode], "episode %zu", episode);
    w->n_begun += n_steps == 0;
    w->next[episode] = n_steps + 1;
    return ++w->n_looks >= 10 && w->answer != MR_OK ? mr_fail(w->answer, "seen enough") : MR_OK;
}

static mr_status evaluate_before(witness *w, mr_evaluation *evaluation) {
    const mr_eval_watcher watcher = {.self = w, .look = look};
    mr_policy *policy = policy_new(2);
    mr_vec_env *envs = NULL;
    cr_assert_eq(mr_vec_env_open(env_name, NULL, 2, 1, &envs), MR_OK);
    const mr_eval_options how = {.seed = SEED, .watcher = &watcher};
    const mr_status status = mr_evaluate(policy, envs, &how, evaluation);
    mr_vec_env_close(envs);
    mr_policy_free(policy);
    return status;
}

Test(evaluate, shows_a_watcher_every_state) {
    witness w = {0};
    mr_evaluation *evaluation = NULL;
    cr_assert_eq(mr_evaluation_new(N, &evaluation), MR_OK);
    cr_expect_eq(evaluate_before(&w, evaluation), MR_OK, "%s", mr_error_message());
    cr_expect_eq(w.n_begun, N);
    for (size_t i = 0; i < N; i++)
        cr_expect_eq(w.next[i], evaluation->lengths[i] + 1, "episode %zu", i);
    mr_evaluation_free(evaluation);
}

Test(evaluate, ends_when_its_watcher_fails) {
    witness w = {.answer = MR_ERR_IO};
    mr_evaluation *evaluation = NULL;
    cr_assert_eq(mr_evaluation_new(N, &evaluation), MR_OK);
    cr_expect_eq(evaluate_before(&w, evaluation), MR_ERR_IO);
    cr_expect_eq(w.n_looks, 10);
    cr_expect_str_eq(mr_error_message(), "seen enough");
    mr_evaluation_free(evaluation);
}

// ---- A simulation that makes much of the last bit: 200 steps of it

static const char chaotic_name[] = "HalfCheetah-v5";

enum { CHAOTIC_OBS_DIM = 17, CHAOTIC_ACT_DIM = 6, CHAOTIC_STEPS = 200, N_CHAOTIC = 5 };

static mr_policy *chaotic_policy(void) {
    double low[CHAOTIC_ACT_DIM], high[CHAOTIC_ACT_DIM];
    for (size_t j = 0; j < CHAOTIC_ACT_DIM; j++)
        high[j] = -(low[j] = -1);
    const mr_policy_spec spec = {.env = chaotic_name,
                                 .flow = "real_nvp:layers=2,hidden=32",
                                 .obs_dim = CHAOTIC_OBS_DIM,
                                 .act_dim = CHAOTIC_ACT_DIM,
                                 .act_low = low,
                                 .act_high = high,
                                 .hidden = {.n = 2, .width = {64, 64}}};
    mr_policy *policy = NULL;
    cr_assert_eq(mr_policy_new(&spec, 2, &policy), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_policy_prepare(policy, 1), MR_OK);
    return policy;
}

static mr_evaluation *play_chaos(size_t n_episodes, size_t n_copies, int n_threads,
                                 mr_eval_options how) {
    mr_policy *policy = chaotic_policy();
    mr_vec_env *envs = NULL;
    mr_evaluation *evaluation = NULL;
    how.max_steps = CHAOTIC_STEPS;
    cr_assert_eq(mr_vec_env_open(chaotic_name, NULL, n_copies, n_threads, &envs), MR_OK);
    cr_assert_eq(mr_evaluation_new(n_episodes, &evaluation), MR_OK);
    cr_assert_eq(mr_evaluate(policy, envs, &how, evaluation), MR_OK, "%s", mr_error_message());
    mr_vec_env_close(envs);
    mr_policy_free(policy);
    return evaluation;
}

// Alone, as the first of a fresh copy; against in company, and as a later one of a used copy.
static void check_depends_on_seed_alone(bool deterministic) {
    static const size_t n_copies[] = {1, 2, N_CHAOTIC, N_CHAOTIC + 2};
    double alone[N_CHAOTIC];
    for (size_t i = 0; i < N_CHAOTIC; i++) {
        mr_evaluation *one = play_chaos(
            1, 1, 1, (mr_eval_options){.seed = SEED + i, .deterministic = deterministic});
        alone[i] = one->returns[0];
        mr_evaluation_free(one);
    }
    for (size_t k = 0; k < MR_COUNT(n_copies); k++)
        for (int n_threads = 1; n_threads <= 2; n_threads++) {
            mr_evaluation *many =
                play_chaos(N_CHAOTIC, n_copies[k], n_threads,
                           (mr_eval_options){.seed = SEED, .deterministic = deterministic});
            for (size_t i = 0; i < N_CHAOTIC; i++)
                cr_expect_eq(many->returns[i], alone[i], "%zu copies: seed %zu gives %.17g, not %g",
                             n_copies[k], SEED + i, many->returns[i], alone[i]);
            mr_evaluation_free(many);
        }
}

Test(evaluate, a_deterministic_episode_depends_on_its_seed_alone) {
    check_depends_on_seed_alone(true);
}

Test(evaluate, a_stochastic_episode_depends_on_its_seed_alone) {
    check_depends_on_seed_alone(false);
}

// ---- Ends

// HalfCheetah never ends by itself before its limit of 1,000 steps.
Test(evaluate, cuts_off_episodes_that_go_on_too_long) {
    mr_evaluation *e = play_chaos(3, 2, 1, (mr_eval_options){.deterministic = true});
    cr_expect_eq(e->n_ended, 3);
    cr_expect_eq(e->n_cut, 3);
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(e->lengths[i], CHAOTIC_STEPS);
    mr_evaluation_free(e);
}

Test(evaluate, does_not_count_an_episode_that_ends_with_its_last_step_as_cut_off) {
    mr_evaluation *whole = evaluate(1, 1, true), *limited = NULL;
    mr_policy *policy = policy_new(1);
    mr_vec_env *envs = NULL;
    const mr_eval_options how = {
        .seed = SEED, .deterministic = true, .max_steps = whole->lengths[0]};
    cr_assert_eq(mr_vec_env_open(env_name, NULL, 1, 1, &envs), MR_OK);
    cr_assert_eq(mr_evaluation_new(1, &limited), MR_OK);
    cr_assert_eq(mr_evaluate(policy, envs, &how, limited), MR_OK);
    cr_expect_eq(limited->lengths[0], whole->lengths[0]);
    cr_expect_eq(limited->n_cut, 0);
    mr_vec_env_close(envs);
    mr_policy_free(policy);
    mr_evaluation_free(whole);
    mr_evaluation_free(limited);
}

// Asks to stop as the fourth episode begins.
static mr_status stop_at_fourth(void *self, size_t copy, size_t episode, size_t n_steps) {
    volatile sig_atomic_t *stop = self;
    (void)copy, (void)n_steps;
    *stop = episode == 3;
    return MR_OK;
}

Test(evaluate, stops_when_told_to_and_keeps_what_has_ended) {
    volatile sig_atomic_t stop = 0;
    const mr_eval_watcher watcher = {.self = (void *)&stop, .look = stop_at_fourth};
    const mr_eval_options how = {.seed = SEED, .stop = &stop, .watcher = &watcher};
    mr_evaluation *whole = evaluate(1, 1, false), *stopped = NULL;
    mr_policy *policy = policy_new(1);
    mr_vec_env *envs = NULL;
    cr_assert_eq(mr_vec_env_open(env_name, NULL, 1, 1, &envs), MR_OK);
    cr_assert_eq(mr_evaluation_new(N, &stopped), MR_OK);
    cr_expect_eq(mr_evaluate(policy, envs, &how, stopped), MR_STOPPED);
    cr_assert_eq(stopped->n_ended, 3);
    double sum = 0;
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(stopped->returns[i], whole->returns[i]);
        sum += whole->returns[i];
    }
    cr_expect_eq(stopped->mean_return, sum / 3);
    cr_expect_eq(mr_evaluate(policy, envs, &how, stopped), MR_STOPPED); // before it begins
    cr_expect_eq(stopped->n_ended, 0);
    mr_vec_env_close(envs);
    mr_policy_free(policy);
    mr_evaluation_free(whole);
    mr_evaluation_free(stopped);
}
