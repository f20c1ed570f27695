// What env.c promises of every environment, on one that does what a test tells it.

#include "envs/env_ops.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

// An environment of two observations and two actions whose numbers are set from outside.
typedef struct {
    double obs[2], reward;
    bool terminated;
    mr_status status;
    int n_resets, n_steps, n_closes;
    const uint64_t *seed;
} puppet;

static mr_status puppet_reset(void *self, const uint64_t *seed, double *obs) {
    puppet *p = self;
    p->n_resets++;
    p->seed = seed;
    memcpy(obs, p->obs, sizeof p->obs);
    return p->status == MR_OK ? MR_OK : mr_fail(p->status, "the puppet failed");
}

static mr_status puppet_step(void *self, const double *action, double *obs, mr_step *result) {
    puppet *p = self;
    (void)action;
    p->n_steps++;
    memcpy(obs, p->obs, sizeof p->obs);
    result->reward = p->reward;
    result->terminated = p->terminated;
    return p->status == MR_OK ? MR_OK : mr_fail(p->status, "the puppet failed");
}

static void puppet_close(void *self) {
    puppet *p = self;
    p->n_closes++;
}

static const mr_env_ops puppet_ops = {puppet_reset, puppet_step, puppet_close, NULL};
static const mr_env_ops other_ops = {puppet_reset, puppet_step, puppet_close, NULL};

static const double low[] = {-1.0, -1.0}, high[] = {1.0, 1.0};
static const double no_action[2];

static mr_env *wrap(puppet *p, size_t max_episode_steps) {
    const mr_env_spec spec = {
        .name = "Puppet-v0",
        .obs_dim = 2,
        .act_dim = 2,
        .act_low = low,
        .act_high = high,
        .max_episode_steps = max_episode_steps,
        .engine = "puppet",
        .engine_version = "1",
    };
    mr_env *env = NULL;
    cr_assert_eq(mr_env_wrap(&puppet_ops, p, &spec, &env), MR_OK);
    return env;
}

static void begin(mr_env *env) {
    double obs[2];
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_OK, "%s", mr_error_message());
}

static mr_status step(mr_env *env, mr_step *result) {
    double obs[2];
    return mr_env_step(env, no_action, obs, result);
}

static void expect_message(const char *part) {
    cr_expect_not_null(strstr(mr_error_message(), part), "\"%s\" lacks \"%s\"", mr_error_message(),
                       part);
}

Test(env, hands_on_observation_reward_and_seed) {
    puppet p = {.obs = {1.0, 2.0}, .reward = 3.0};
    mr_env *env = wrap(&p, 0);
    const uint64_t seed = 7;
    double obs[2];
    cr_assert_eq(mr_env_reset(env, &seed, obs), MR_OK);
    cr_expect_eq(p.seed, &seed);
    cr_expect_eq(obs[0], 1.0);
    p.obs[1] = 5.0;
    mr_step result;
    cr_assert_eq(mr_env_step(env, no_action, obs, &result), MR_OK);
    cr_expect_eq(obs[1], 5.0);
    cr_expect_eq(result.reward, 3.0);
    cr_expect_not(result.terminated);
    cr_expect_not(result.truncated);
    mr_env_close(env);
}

Test(env, knows_another_engine_or_version_from_its_own_and_from_none) {
    puppet p = {0};
    mr_env *env = wrap(&p, 0);
    const mr_env_spec *spec = mr_env_get_spec(env);
    cr_expect_not(mr_env_is_other_engine(spec, "puppet", "1"));
    cr_expect(mr_env_is_other_engine(spec, "puppet", "2"));
    cr_expect(mr_env_is_other_engine(spec, "marionette", "1"));
    cr_expect_not(mr_env_is_other_engine(spec, "puppet", ""));
    cr_expect_not(mr_env_is_other_engine(spec, NULL, NULL));
    mr_env_close(env);
}

Test(env, truncates_at_the_episode_limit) {
    puppet p = {0};
    mr_env *env = wrap(&p, 3);
    for (int episode = 0; episode < 2; episode++) {
        begin(env);
        for (int t = 1; t <= 3; t++) {
            mr_step result;
            cr_assert_eq(step(env, &result), MR_OK);
            cr_expect_eq(result.truncated, t == 3);
            cr_expect_not(result.terminated);
        }
    }
    mr_env_close(env);
}

Test(env, never_truncates_without_a_limit) {
    puppet p = {0};
    mr_env *env = wrap(&p, 0);
    begin(env);
    for (int t = 0; t < 2000; t++) {
        mr_step result;
        cr_assert_eq(step(env, &result), MR_OK);
        cr_assert_not(result.truncated);
    }
    mr_env_close(env);
}

Test(env, keeps_termination_and_truncation_apart_when_both_happen) {
    puppet p = {.terminated = true};
    mr_env *env = wrap(&p, 1);
    begin(env);
    mr_step result;
    cr_assert_eq(step(env, &result), MR_OK);
    cr_expect(result.terminated);
    cr_expect(result.truncated); // as Gymnasium's time limit does
    mr_env_close(env);
}

Test(env, refuses_a_step_before_the_first_reset) {
    puppet p = {0};
    mr_env *env = wrap(&p, 0);
    mr_step result;
    cr_assert_eq(step(env, &result), MR_ERR_USAGE);
    expect_message("Puppet-v0");
    expect_message("reset");
    cr_expect_eq(p.n_steps, 0);
    mr_env_close(env);
}

Test(env, refuses_a_step_after_the_end) {
    puppet p = {.terminated = true};
    mr_env *env = wrap(&p, 0);
    begin(env);
    mr_step result;
    cr_assert_eq(step(env, &result), MR_OK);
    cr_expect_eq(step(env, &result), MR_ERR_USAGE);
    p.terminated = false;
    begin(env);
    cr_expect_eq(step(env, &result), MR_OK);
    mr_env_close(env);
}

Test(env, refuses_an_action_that_is_not_finite_and_does_not_move) {
    puppet p = {0};
    mr_env *env = wrap(&p, 0);
    begin(env);
    const double bad[][2] = {{0.0, NAN}, {0.0, INFINITY}, {0.0, -INFINITY}};
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        double obs[2];
        mr_step result;
        cr_expect_eq(mr_env_step(env, bad[i], obs, &result), MR_ERR_NUMERIC);
        expect_message("action 1");
    }
    cr_expect_eq(p.n_steps, 0);
    mr_step result;
    cr_expect_eq(step(env, &result), MR_OK);
    mr_env_close(env);
}

Test(env, refuses_a_first_observation_that_is_not_finite) {
    puppet p = {.obs = {0.0, NAN}};
    mr_env *env = wrap(&p, 0);
    double obs[2] = {8.0, 9.0};
    cr_assert_eq(mr_env_reset(env, NULL, obs), MR_ERR_NUMERIC);
    expect_message("observation 1");
    cr_expect_eq(obs[0], 8.0);
    mr_step result;
    cr_expect_eq(step(env, &result), MR_ERR_USAGE);
    mr_env_close(env);
}

Test(env, refuses_a_step_whose_numbers_are_not_finite_and_leaves_the_results_untouched) {
    const puppet bad[] = {{.obs = {INFINITY, 0.0}}, {.reward = NAN}};
    const char *named[] = {"observation 0", "reward"};
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        puppet p = {0};
        mr_env *env = wrap(&p, 0);
        begin(env);
        p.obs[0] = bad[i].obs[0];
        p.reward = bad[i].reward;
        double obs[2] = {8.0, 9.0};
        mr_step result = {.reward = 7.0};
        cr_expect_eq(mr_env_step(env, no_action, obs, &result), MR_ERR_NUMERIC);
        expect_message(named[i]);
        cr_expect_eq(obs[0], 8.0);
        cr_expect_eq(result.reward, 7.0);
        cr_expect_eq(step(env, &result), MR_ERR_USAGE); // the episode is over
        mr_env_close(env);
    }
}

Test(env, passes_on_the_failure_of_an_environment) {
    puppet p = {0};
    mr_env *env = wrap(&p, 0);
    begin(env);
    p.status = MR_ERR_IO;
    mr_step result;
    cr_expect_eq(step(env, &result), MR_ERR_IO);
    expect_message("the puppet failed");
    cr_expect_eq(step(env, &result), MR_ERR_USAGE);
    double obs[2];
    cr_expect_eq(mr_env_reset(env, NULL, obs), MR_ERR_IO);
    mr_env_close(env);
}

Test(env, closes_what_it_wraps_once) {
    puppet p = {0};
    mr_env_close(wrap(&p, 0));
    cr_expect_eq(p.n_closes, 1);
    mr_env_close(NULL);
}

Test(env, unwraps_to_its_own_functions_alone) {
    puppet p = {0};
    mr_env *env = wrap(&p, 0);
    cr_expect_eq(mr_env_unwrap(env, &puppet_ops), &p);
    cr_expect_null(mr_env_unwrap(env, &other_ops));
    mr_env_close(env);
}
