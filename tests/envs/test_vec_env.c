// Environments stepped together: the same numbers as alone, whatever the number of threads.

#include "envs/vec_env.h"

#include "nn/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 5, N_STEPS = 40, OBS_DIM = 11, ACT_DIM = 3 }; // Hopper-v5's sizes

// All that N environments gave over N_STEPS steps.
typedef struct {
    double obs[N_STEPS][N][OBS_DIM];
    mr_step results[N_STEPS][N];
} record;

static void draw_actions(mr_random *random, double actions[N][ACT_DIM]) {
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < ACT_DIM; k++)
            actions[i][k] = mr_random_between(random, -1.0, 1.0);
}

static mr_vec_env *open_vec(int n_threads) {
    mr_vec_env *vec = NULL;
    cr_assert_eq(mr_vec_env_open("Hopper-v5", NULL, N, n_threads, &vec), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_vec_env_n(vec), N);
    cr_assert_eq(mr_vec_env_get_spec(vec)->obs_dim, OBS_DIM);
    cr_assert_eq(mr_vec_env_get_spec(vec)->act_dim, ACT_DIM);
    return vec;
}

static void reset_all(mr_vec_env *vec) {
    for (uint64_t i = 0; i < N; i++) {
        double obs[OBS_DIM];
        cr_assert_eq(mr_vec_env_reset(vec, i, &i, obs), MR_OK);
    }
}

static void play(int n_threads, record *out) {
    mr_vec_env *vec = open_vec(n_threads);
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    double actions[N][ACT_DIM];
    reset_all(vec);
    for (int t = 0; t < N_STEPS; t++) {
        draw_actions(&random, actions);
        cr_assert_eq(mr_vec_env_step(vec, NULL, actions[0], out->obs[t][0], out->results[t]), MR_OK,
                     "%s", mr_error_message());
        for (size_t i = 0; i < N; i++)
            if (out->results[t][i].terminated)
                cr_assert_eq(mr_vec_env_reset(vec, i, NULL, (double[OBS_DIM]){0}), MR_OK);
    }
    mr_vec_env_close(vec);
}

static void play_alone(record *out) {
    for (uint64_t i = 0; i < N; i++) {
        mr_env *env;
        mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
        double actions[N][ACT_DIM], first[OBS_DIM];
        cr_assert_eq(mr_env_open("Hopper-v5", NULL, &env), MR_OK);
        cr_assert_eq(mr_env_reset(env, &i, first), MR_OK);
        for (int t = 0; t < N_STEPS; t++) {
            draw_actions(&random, actions);
            cr_assert_eq(mr_env_step(env, actions[i], out->obs[t][i], &out->results[t][i]), MR_OK);
            if (out->results[t][i].terminated)
                cr_assert_eq(mr_env_reset(env, NULL, first), MR_OK);
        }
        mr_env_close(env);
    }
}

static void expect_same(const record *a, const record *b) {
    cr_expect_arr_eq(a->obs, b->obs, sizeof a->obs);
    for (int t = 0; t < N_STEPS; t++)
        for (size_t i = 0; i < N; i++) {
            cr_expect_eq(a->results[t][i].reward, b->results[t][i].reward);
            cr_expect_eq(a->results[t][i].terminated, b->results[t][i].terminated);
            cr_expect_eq(a->results[t][i].truncated, b->results[t][i].truncated);
        }
}

Test(vec_env, equals_its_environments_stepped_alone) {
    static record together, alone;
    play(1, &together);
    play_alone(&alone);
    expect_same(&together, &alone);
}

Test(vec_env, gives_the_same_numbers_for_one_thread_and_for_two) {
    static record one, two;
    play(1, &one);
    play(2, &two);
    expect_same(&one, &two);
}

Test(vec_env, reports_the_first_environment_that_failed_and_steps_the_others) {
    mr_vec_env *vec = open_vec(2);
    double actions[N][ACT_DIM] = {{0}}, obs[N][OBS_DIM];
    mr_step results[N] = {0};
    reset_all(vec);
    actions[2][1] = NAN;
    actions[4][0] = NAN;
    cr_assert_eq(mr_vec_env_step(vec, NULL, actions[0], obs[0], results), MR_ERR_NUMERIC);
    cr_expect_not_null(strstr(mr_error_message(), "environment 2: Hopper-v5: action 1"), "%s",
                       mr_error_message());
    cr_expect_gt(results[0].reward, 0.5); // healthy, at rest
    cr_expect_gt(results[3].reward, 0.5);
    mr_vec_env_close(vec);
}

Test(vec_env, leaves_the_rows_of_inactive_environments_alone) {
    mr_vec_env *vec = open_vec(2);
    double actions[N][ACT_DIM] = {{0}}, obs[N][OBS_DIM] = {{0}};
    mr_step results[N] = {0};
    const bool active[N] = {true, false, true, true, false};
    reset_all(vec);
    actions[1][0] = NAN; // would be refused, were it read
    cr_assert_eq(mr_vec_env_step(vec, active, actions[0], obs[0], results), MR_OK, "%s",
                 mr_error_message());
    for (size_t i = 0; i < N; i++) {
        cr_expect_eq(obs[i][0] != 0.0, active[i]);
        cr_expect_eq(results[i].reward != 0.0, active[i]);
    }
    mr_vec_env_close(vec);
}

Test(vec_env, refuses_no_copies_no_threads_and_unknown_names) {
    mr_vec_env *vec = NULL;
    cr_expect_eq(mr_vec_env_open("Hopper-v5", NULL, 0, 1, &vec), MR_ERR_USAGE);
    cr_expect_eq(mr_vec_env_open("Hopper-v5", NULL, 1, 0, &vec), MR_ERR_USAGE);
    cr_expect_eq(mr_vec_env_open("Hoper-v5", NULL, 2, 1, &vec), MR_ERR_USAGE);
    cr_expect_not_null(strstr(mr_error_message(), "Hopper-v5"));
    cr_expect_null(vec);
    mr_vec_env_close(NULL);
}
