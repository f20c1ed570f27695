#include "agents/td3.h"

#include <math.h>

#include "tests/agents/agent_case.h"
#include "tests/agents/small.h"

enum { OBS_DIM = 3, ACT_DIM = 2, N_STEPS = 100, N_ROWS = 64 };

// As for SAC (test_sac.c): fewer layers, and the same reckoning.
static const double float_tolerance = 1e-5;

TestSuite(td3, .init = scratch_enter, .fini = scratch_leave);

Test(td3, has_pytorchs_losses_and_gradients_to_float32) {
    case_check("td3", float_tolerance);
    case_check("td3_quantile", float_tolerance);
    case_check("td3_categorical", float_tolerance);
}

static const mr_td3_options options = {.tau = 0.25,
                                       .actor_lr = 1e-2,
                                       .critic_lr = 1e-2,
                                       .policy_delay = 3,
                                       .exploration_noise = 0.5,
                                       .target_noise = 0.2,
                                       .target_noise_clip = 0.5};

static mr_agent *agent_with(const mr_td3_options *of) {
    const mr_policy_spec spec = small_spec("deterministic", OBS_DIM, ACT_DIM);
    mr_agent_setup setup = small_defaults(1).setup;
    mr_agent *agent = NULL;
    setup.n_envs = N_ROWS;
    cr_assert_eq(mr_agent_new(&mr_agent_td3, &spec, &setup, of, &agent), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_policy_prepare(mr_agent_policy(agent), N_ROWS), MR_OK);
    return agent;
}

// ---- Updates

typedef struct {
    mr_params *params;
    mr_real *old;
} watched;

static void remember(watched *w) {
    free(w->old);
    w->old = small_copy(w->params, mr_params_read(w->params));
}

static bool has_moved(const watched *w) {
    return !small_is_same(w->params, mr_params_read(w->params), w->old);
}

// Fujimoto et al. 2018, algorithm 1: `if t mod d`.
Test(td3, policy_and_all_targets_wait_for_their_turn) {
    mr_agent *agent = agent_with(&options);
    const mr_batch_options batch_options = small_batch_options(NULL);
    mr_batch_maker *batches = small_batches(mr_agent_policy(agent), &batch_options);
    mr_replay *replay = small_replay(mr_agent_policy(agent), N_STEPS, 1);
    watched critic = {.params = small_params(agent, "critic")};
    watched delayed[] = {{.params = small_params(agent, "policy")},
                         {.params = small_target(agent, "policy")},
                         {.params = small_target(agent, "critic")}};
    for (size_t k = 0; k < 7; k++) {
        remember(&critic);
        for (size_t i = 0; i < MR_COUNT(delayed); i++)
            remember(&delayed[i]);
        cr_assert_eq(small_update(agent, batches, replay), MR_OK, "%s", mr_error_message());
        cr_expect(has_moved(&critic), "update %zu", k);
        for (size_t i = 0; i < MR_COUNT(delayed); i++)
            cr_expect_eq(has_moved(&delayed[i]), k % options.policy_delay == 0, "update %zu, %zu",
                         k, i);
    }
    free(critic.old);
    for (size_t i = 0; i < MR_COUNT(delayed); i++)
        free(delayed[i].old);
    mr_replay_free(replay);
    mr_batch_maker_free(batches);
    mr_agent_free(agent);
}

// ---- Acting

typedef struct {
    double obs[N_ROWS * OBS_DIM];
    mr_real act[N_ROWS * ACT_DIM], plain[N_ROWS * ACT_DIM];
} actions;

static void explore(double noise, actions *a) {
    mr_td3_options own = options;
    own.exploration_noise = noise;
    mr_agent *agent = agent_with(&own);
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < N_ROWS * OBS_DIM; i++)
        a->obs[i] = mr_random_normal(&random);
    cr_assert_eq(mr_agent_act(agent, N_ROWS, a->obs, 7, a->act), MR_OK);
    cr_assert_eq(
        mr_policy_sample_units(mr_agent_policy(agent), N_ROWS, a->obs, NULL, a->plain, NULL),
        MR_OK);
    mr_agent_free(agent);
}

Test(td3, explores_around_the_policys_action) {
    actions none, some, much;
    explore(0, &none);
    explore(0.01, &some);
    explore(10, &much);
    double sum_squares = 0;
    size_t n_at_bounds = 0;
    for (size_t i = 0; i < N_ROWS * ACT_DIM; i++) {
        cr_expect_eq(none.act[i], none.plain[i]);
        sum_squares += pow(some.act[i] - some.plain[i], 2);
        cr_expect(fabs(much.act[i]) <= 1);
        n_at_bounds += fabs(much.act[i]) == 1;
    }
    // The deviation of 128 normals is known to 1 / sqrt(2 * 128) = 6%: four of those.
    cr_expect_float_eq(sqrt(sum_squares / (N_ROWS * ACT_DIM)), 0.01, 0.01 * 0.25);
    // P(|N(0, 10)| < 1) = 8%; of 128 at most 25 or so.
    cr_expect_gt(n_at_bounds, 100);
}

Test(td3, its_policy_has_the_same_action_with_and_without_noise) {
    mr_agent *agent = agent_with(&options);
    const double obs[OBS_DIM] = {0.3, -1, 2};
    const mr_real noise[ACT_DIM] = {1, -2};
    mr_real act[ACT_DIM], noisy[ACT_DIM], log_prob;
    mr_policy *policy = mr_agent_policy(agent);
    cr_expect(!mr_policy_is_stochastic(policy));
    cr_assert_eq(mr_policy_sample_units(policy, 1, obs, NULL, act, NULL), MR_OK);
    cr_assert_eq(mr_policy_sample_units(policy, 1, obs, noise, noisy, &log_prob), MR_OK);
    for (size_t j = 0; j < ACT_DIM; j++)
        cr_expect_eq(act[j], noisy[j]);
    cr_expect_eq(log_prob, 0);
    mr_agent_free(agent);
}
