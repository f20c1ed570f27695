// The built-in environments, each of them: what must hold for a new one on the day it is added.

#include "envs/env.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef void env_check(mr_env *env, const mr_env_spec *spec);

static void for_each_env(env_check *check) {
    for (size_t i = 0; i < mr_env_count(); i++) {
        mr_env *env = NULL;
        cr_assert_eq(mr_env_open(mr_env_at(i).name, NULL, &env), MR_OK, "%s", mr_error_message());
        check(env, mr_env_get_spec(env));
        mr_env_close(env);
    }
}

static void random_action(mr_random *random, const mr_env_spec *spec, double *action) {
    for (size_t i = 0; i < spec->act_dim; i++)
        action[i] = mr_random_between(random, spec->act_low[i], spec->act_high[i]);
}

static void check_spec(mr_env *env, const mr_env_spec *spec) {
    (void)env;
    cr_expect_gt(spec->obs_dim, 0);
    cr_expect_gt(spec->act_dim, 0);
    for (size_t i = 0; i < spec->act_dim; i++)
        cr_expect_lt(spec->act_low[i], spec->act_high[i], "%s: action %zu", spec->name, i);
}

Test(registry, opens_every_environment_with_sizes_and_bounds) {
    for_each_env(check_spec);
}

Test(registry, gives_every_environment_its_published_sizes) {
    // Gymnasium's tasks and our own: observation and action sizes, highest action, episode limit
    const struct {
        const char *name;
        size_t obs_dim, act_dim;
        double act_high;
        size_t max_episode_steps;
    } published[] = {
        {"Ant-v5", 105, 8, 1.0, 1000},
        {"HalfCheetah-v5", 17, 6, 1.0, 1000},
        {"Hopper-v5", 11, 3, 1.0, 1000},
        {"Humanoid-v5", 348, 17, 0.4, 1000},
        {"HumanoidStandup-v5", 348, 17, 0.4, 1000},
        {"InvertedDoublePendulum-v5", 9, 1, 1.0, 1000},
        {"InvertedPendulum-v5", 4, 1, 3.0, 1000},
        {"Pusher-v5", 23, 7, 2.0, 100},
        {"Reacher-v5", 10, 2, 1.0, 50},
        {"Swimmer-v5", 8, 2, 1.0, 1000},
        {"Walker2d-v5", 17, 6, 1.0, 1000},
        {"MultiGoal-v0", 2, 2, 1.0, 30},
        {"PointMazeU-v0", 4, 2, 1.0, 200},
        {"SparseAnt-v0", 29, 8, 1.0, 1000},
        {"SparseHalfCheetah-v0", 18, 6, 1.0, 1000},
        {"SparseHopper-v0", 12, 3, 1.0, 1000},
        {"MountainCarContinuous-v0", 2, 1, 1.0, 999},
        {"Pendulum-v1", 3, 1, 2.0, 200},
        {"TwoDoors-v0", 1, 1, 1.0, 20},
    };
    for (size_t i = 0; i < MR_COUNT(published); i++) {
        mr_env *env;
        cr_assert_eq(mr_env_open(published[i].name, NULL, &env), MR_OK);
        const mr_env_spec *spec = mr_env_get_spec(env);
        cr_expect_str_eq(spec->name, published[i].name);
        cr_expect_eq(spec->obs_dim, published[i].obs_dim);
        cr_expect_eq(spec->act_dim, published[i].act_dim);
        cr_expect_eq(spec->max_episode_steps, published[i].max_episode_steps);
        for (size_t k = 0; k < spec->act_dim; k++) {
            cr_expect_eq(spec->act_high[k], published[i].act_high);
            cr_expect_eq(spec->act_low[k], -published[i].act_high);
        }
        mr_env_close(env);
    }
}

// The first observation and `n_steps` random steps after it, summed up in the last observation.
static void play(mr_env *env, const uint64_t *seed, int n_steps, double *obs) {
    const mr_env_spec *spec = mr_env_get_spec(env);
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 0);
    double action[64];
    cr_assert_eq(mr_env_reset(env, seed, obs), MR_OK, "%s", mr_error_message());
    for (int t = 0; t < n_steps; t++) {
        mr_step result;
        random_action(&random, spec, action);
        cr_assert_eq(mr_env_step(env, action, obs, &result), MR_OK, "%s", mr_error_message());
        if (result.terminated || result.truncated)
            break;
    }
}

static void check_same_seed(mr_env *env, const mr_env_spec *spec) {
    const size_t size = spec->obs_dim * sizeof(double);
    double *first = malloc(size), *second = malloc(size), *third = malloc(size);
    const uint64_t seed = 11, other_seed = 12;
    play(env, &seed, 50, first);
    play(env, &seed, 50, second);
    cr_expect_arr_eq(first, second, size, "%s", spec->name);
    play(env, &other_seed, 0, third);
    play(env, &seed, 0, first);
    cr_expect_arr_neq(first, third, size, "%s", spec->name);
    play(env, NULL, 0, second); // goes on: another start
    cr_expect_arr_neq(first, second, size, "%s", spec->name);
    free(first), free(second), free(third);
}

Test(registry, repeats_an_episode_by_its_seed_in_every_environment) {
    for_each_env(check_same_seed);
}

static void check_default_seed(mr_env *env, const mr_env_spec *spec) {
    const size_t size = spec->obs_dim * sizeof(double);
    double *first = malloc(size), *second = malloc(size);
    const uint64_t zero = 0;
    play(env, NULL, 0, first);
    play(env, &zero, 0, second);
    cr_expect_arr_eq(first, second, size, "%s", spec->name);
    free(first), free(second);
}

Test(registry, starts_as_if_seeded_by_0_in_every_environment) {
    for_each_env(check_default_seed);
}

// The number of steps until the episode ends, of at most one more than the limit.
static size_t episode_length(mr_env *env, mr_step *last) {
    const mr_env_spec *spec = mr_env_get_spec(env);
    double *obs = malloc(spec->obs_dim * sizeof *obs);
    double *action = calloc(spec->act_dim, sizeof *action);
    size_t n = 0;
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    do {
        cr_assert_eq(mr_env_step(env, action, obs, last), MR_OK, "%s", mr_error_message());
        n++;
    } while (!last->terminated && !last->truncated && n <= spec->max_episode_steps);
    cr_expect_eq(mr_env_step(env, action, obs, last), MR_ERR_USAGE, "%s", spec->name);
    free(obs), free(action);
    return n;
}

static void check_end(mr_env *env, const mr_env_spec *spec) {
    mr_step last;
    const size_t n = episode_length(env, &last);
    cr_expect_leq(n, spec->max_episode_steps, "%s", spec->name);
    cr_expect_eq(last.truncated, n == spec->max_episode_steps, "%s", spec->name);
}

Test(registry, ends_every_episode_at_its_limit_at_the_latest) {
    for_each_env(check_end);
}

static void check_bad_action(mr_env *env, const mr_env_spec *spec) {
    double *obs = malloc(spec->obs_dim * sizeof *obs);
    double *action = calloc(spec->act_dim, sizeof *action);
    mr_step result;
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK);
    action[spec->act_dim - 1] = NAN;
    cr_expect_eq(mr_env_step(env, action, obs, &result), MR_ERR_NUMERIC, "%s", spec->name);
    cr_expect_not_null(strstr(mr_error_message(), spec->name));
    free(obs), free(action);
}

Test(registry, refuses_actions_that_are_not_a_number_in_every_environment) {
    for_each_env(check_bad_action);
}

static void expect_unknown(const char *name, const char *hint) {
    mr_env *env = NULL;
    cr_expect_eq(mr_env_open(name, NULL, &env), MR_ERR_USAGE);
    cr_expect_null(env);
    cr_expect_not_null(strstr(mr_error_message(), name));
    cr_expect_not_null(strstr(mr_error_message(), hint), "\"%s\" lacks %s", mr_error_message(),
                       hint);
    cr_expect_null(strchr(mr_error_message(), '\n'));
}

Test(registry, hints_at_the_name_that_was_probably_meant) {
    expect_unknown("HalfChetah-v5", "did you mean \"HalfCheetah-v5\"?");
    expect_unknown("hopper", "did you mean \"Hopper-v5\"?");
}

Test(registry, lists_what_there_is_when_no_name_is_near) {
    for (size_t i = 0; i < mr_env_count(); i++)
        expect_unknown("x", mr_env_at(i).name);
}

Test(registry, says_that_gymnasiums_environments_are_pythons) {
    expect_unknown("gymnasium/Pendulum-v1", "millrace.resume");
}

Test(registry, describes_every_environment) {
    for (size_t i = 0; i < mr_env_count(); i++) {
        char text[16384];
        const char *name = mr_env_at(i).name;
        cr_assert_eq(mr_env_describe(name, NULL, text, sizeof text), MR_OK, "%s",
                     mr_error_message());
        cr_expect_eq(strncmp(text, name, strlen(name)), 0);
        const char *const parts[] = {"Observation", "Action", "Reward", "Truncated", "Reset"};
        for (size_t k = 0; k < MR_COUNT(parts); k++)
            cr_expect_not_null(strstr(text, parts[k]), "%s: no %s", name, parts[k]);
    }
}

Test(registry, cuts_a_description_that_does_not_fit) {
    char text[32];
    memset(text, 'x', sizeof text);
    cr_assert_eq(mr_env_describe("Hopper-v5", NULL, text, 16), MR_OK);
    cr_expect_eq(strlen(text), 15);
    cr_expect_eq(text[16], 'x');
    cr_expect_eq(mr_env_describe("Hoper-v5", NULL, text, sizeof text), MR_ERR_USAGE);
}
