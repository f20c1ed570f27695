// The classic control tasks: Gymnasium's recorded episodes played again, and how episodes start.
//
// tests/data/envs/classic/ is written by tests/oracle/classic_gymnasium.py, which also compares any
// number of steps where Gymnasium is installed.

#include "envs/classic/classic.h"

#include "csv.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <string.h>

enum { MAX_DIM = 3, N_RESETS = 20000 };

// Two mathematical libraries may differ in the last bit of a sine; an episode of 200 steps carries
// that on. What is rounded to float32 agrees all the same, but where the two lie astride.
static const double tolerance = 1e-9;

static mr_env *open_env(const char *name) {
    mr_env *env = NULL;
    cr_assert_eq(mr_env_open(name, NULL, &env), MR_OK, "%s", mr_error_message());
    return env;
}

static void begin_at(mr_env *env, const double *state, double *own) {
    double obs[MAX_DIM];
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    memcpy(own, state, 2 * sizeof *own);
}

static void expect_near(double value, double expected, size_t t, const char *what) {
    cr_expect_lt(fabs(value - expected), tolerance, "step %zu: %s is %.17g, not %.17g", t, what,
                 value, expected);
}

static void expect_step(mr_env *env, const csv_table *table, size_t t) {
    const double *row = table->rows[t];
    const double *expected = row + csv_column(table, "obs0");
    double obs[MAX_DIM];
    mr_step result;
    cr_assert_eq(mr_env_step(env, row + csv_column(table, "action"), obs, &result), MR_OK, "%s",
                 mr_error_message());
    for (size_t i = 0; i < mr_env_get_spec(env)->obs_dim; i++)
        expect_near(obs[i], expected[i], t, "an observation");
    expect_near(result.reward, row[csv_column(table, "reward")], t, "the reward");
    cr_expect_eq(result.terminated, row[csv_column(table, "terminated")] != 0.0, "step %zu", t);
    cr_expect_eq(result.truncated, row[csv_column(table, "truncated")] != 0.0, "step %zu", t);
}

static void expect_recorded(const char *name) {
    char path[64];
    snprintf(path, sizeof path, "envs/classic/%s.csv", name);
    csv_table *table = csv_load(path);
    mr_env *env = open_env(name);
    double *own = mr_classic_state(env);
    for (size_t t = 0; t < table->n_rows; t++) {
        const double *state = table->rows[t] + csv_column(table, "state0");
        if (table->rows[t][csv_column(table, "start")] != 0.0)
            begin_at(env, state, own);
        for (size_t i = 0; i < 2; i++)
            expect_near(own[i], state[i], t, "the state before");
        expect_step(env, table, t);
    }
    mr_env_close(env);
    free(table);
}

Test(classic, pendulum_plays_the_episodes_that_gymnasium_recorded) {
    expect_recorded("Pendulum-v1");
}

Test(classic, mountain_car_plays_the_episodes_that_gymnasium_recorded) {
    expect_recorded("MountainCarContinuous-v0");
}

// Uniform on [low, high]: all within, the mean and the variance near theirs. Five standard errors
// of N_RESETS draws: high - low times 5 / sqrt(12 n), and times 5 / sqrt(180 n) for the deviation's
// square over its range.
static void expect_uniform(const char *name, size_t i, double low, double high) {
    double sum = 0.0, sum_of_squares = 0.0, obs[MAX_DIM];
    mr_env *env = open_env(name);
    for (int n = 0; n < N_RESETS; n++) {
        cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
        const double x = (mr_classic_state(env)[i] - low) / (high - low);
        cr_assert(0.0 <= x && x <= 1.0, "%s: state %zu starts outside its range", name, i);
        sum += x;
        sum_of_squares += (x - 0.5) * (x - 0.5);
    }
    cr_expect_lt(fabs(sum / N_RESETS - 0.5), 5.0 / sqrt(12.0 * N_RESETS), "%s: %zu", name, i);
    cr_expect_lt(fabs(sum_of_squares / N_RESETS - 1.0 / 12.0), 5.0 / sqrt(180.0 * N_RESETS),
                 "%s: %zu", name, i);
    mr_env_close(env);
}

Test(classic, pendulum_starts_anywhere_and_slowly) {
    expect_uniform("Pendulum-v1", 0, -M_PI, M_PI);
    expect_uniform("Pendulum-v1", 1, -1.0, 1.0);
}

Test(classic, mountain_car_starts_at_rest_in_the_valley) {
    expect_uniform("MountainCarContinuous-v0", 0, -0.6, -0.4);
    mr_env *env = open_env("MountainCarContinuous-v0");
    double obs[MAX_DIM];
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    cr_expect_eq(obs[1], 0.0);
    mr_env_close(env);
}

// Five standard errors of a mean of N_RESETS signs.
Test(classic, two_doors_unlocks_either_as_often_and_shows_it_nowhere) {
    double obs[MAX_DIM], n_right = 0.0, sum_of_products = 0.0;
    mr_env *env = open_env("TwoDoors-v0");
    for (int n = 0; n < N_RESETS; n++) {
        cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
        const double door = mr_classic_state(env)[0];
        cr_assert(fabs(door) == 0.5);
        n_right += door > 0.0;
        sum_of_products += door / 0.5 * obs[0] / (0.05 / sqrt(3.0));
    }
    cr_expect_lt(fabs(n_right / N_RESETS - 0.5), 2.5 / sqrt(N_RESETS));
    cr_expect_lt(fabs(sum_of_products / N_RESETS), 5.0 / sqrt(N_RESETS));
    mr_env_close(env);
}

Test(classic, two_doors_ends_at_the_unlocked_door_alone) {
    static const double tries[] = {-0.5, -0.61, 0.0, 0.39, 0.41, 0.59, 0.61};
    static const bool opens[] = {false, false, false, false, true, true, false};
    double obs[MAX_DIM];
    mr_step result;
    mr_env *env = open_env("TwoDoors-v0");
    for (size_t i = 0; i < MR_COUNT(tries); i++) {
        begin_at(env, (const double[]){0.5, 0.03}, mr_classic_state(env));
        cr_assert_eq(mr_env_step(env, &tries[i], obs, &result), MR_OK);
        cr_expect_eq(result.terminated, opens[i], "%g", tries[i]);
        cr_expect_eq(result.reward, opens[i] ? 0.0 : -1.0, "%g", tries[i]);
        cr_expect_float_eq(obs[0], 0.03, 1e-8);
    }
    mr_env_close(env);
}

Test(classic, states_are_those_of_classic_tasks_alone) {
    mr_env *env = open_env("HalfCheetah-v5");
    cr_expect_null(mr_classic_state(env));
    mr_env_close(env);
}

static void expect_described(const char *name, const char *const *parts, size_t n) {
    char text[4096];
    cr_assert_eq(mr_env_describe(name, NULL, text, sizeof text), MR_OK);
    for (size_t i = 0; i < n; i++)
        cr_expect_not_null(strstr(text, parts[i]), "%s lacks '%s'", text, parts[i]);
}

Test(classic, descriptions_give_bounds_limits_and_ends) {
    static const char *const pendulum[] = {"[-2, 2]", "+-8", "Truncated after 200 steps of 0.05 s",
                                           "Never terminated"};
    static const char *const car[] = {"[-1.2, 0.6]", "+-0.07", "Truncated after 999 steps",
                                      "position >= 0.45", "uniform on [-0.6, -0.4]"};
    static const char *const doors[] = {"[-0.6, -0.4] and [0.4, 0.6]", "Truncated after 20 steps"};
    expect_described("Pendulum-v1", pendulum, MR_COUNT(pendulum));
    expect_described("TwoDoors-v0", doors, MR_COUNT(doors));
    expect_described("MountainCarContinuous-v0", car, MR_COUNT(car));
}

Test(classic, options_change_the_physics_and_the_goal) {
    const mr_env_options moon = {.set = "g=0"}, fast = {.set = "goal_velocity=0.05"};
    const double action[] = {0.0};
    double obs[MAX_DIM];
    mr_step result;
    mr_env *env = NULL;

    cr_assert_eq(mr_env_open("Pendulum-v1", &moon, &env), MR_OK, "%s", mr_error_message());
    begin_at(env, (const double[]){1.0, 0.5}, mr_classic_state(env));
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
    cr_expect_eq(obs[2], 0.5); // nothing pulls
    mr_env_close(env);

    cr_assert_eq(mr_env_open("MountainCarContinuous-v0", &fast, &env), MR_OK);
    begin_at(env, (const double[]){0.449, 0.02}, mr_classic_state(env));
    cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK);
    cr_expect_gt(obs[0], 0.45);
    cr_expect_not(result.terminated); // too slow
    mr_env_close(env);
}
