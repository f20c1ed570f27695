#include "tests/agents/meow_case.h"

#include <math.h>

#include "tests/agents/agent_case.h"

enum { OBS_DIM = 3, ACT_DIM = 2, N_STEPS = 100 };

// As for SAC (test_sac.c), with one layer more; log-densities at the bounds of actions, where
// float32 has 1 - a to 0.3%, are not among its cases.
static const double float_tolerance = 1e-5;

TestSuite(meow, .init = scratch_enter, .fini = scratch_leave);

Test(meow, has_pytorchs_losses_and_gradients_to_float32) {
    case_check("meow", float_tolerance);
}

// ---- What it is not for

static void expect_refused(const mr_meow_options *options, const mr_agent_setup *setup,
                           const char *reason) {
    mr_agent *agent = NULL;
    cr_expect_eq(small_meow_new(options, setup, OBS_DIM, ACT_DIM, &agent), MR_ERR_USAGE);
    cr_expect_null(agent);
    scratch_expect_message(reason);
}

Test(meow, refuses_policies_that_change_volumes_and_names_the_part) {
    static const struct {
        const char *policy, *part;
    } cases[] = {{"real_nvp", "coupling changes volumes"},
                 {"nsf_ar", "autoregressive changes volumes"},
                 {"[coupling(shift), lu]", "lu changes volumes"},
                 {"[reverse, spline]", "spline changes volumes"},
                 {"deterministic", "a policy that is stochastic"}};
    const mr_agent_setup setup = small_defaults(1).setup;
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_meow_options options = small_meow_options;
        snprintf(options.policy, sizeof options.policy, "%s", cases[i].policy);
        expect_refused(&options, &setup, cases[i].part);
    }
}

Test(meow, takes_every_policy_that_keeps_volumes) {
    static const char *const policies[] = {
        "gaussian", "[autoregressive(shift, hidden=8)]*2",
        "[inverse(coupling(shift, hidden=8, net=residual)), permutation, reverse, shift]"};
    for (size_t i = 0; i < MR_COUNT(policies); i++) {
        mr_meow_options options = small_meow_options;
        snprintf(options.policy, sizeof options.policy, "%s", policies[i]);
        mr_agent_free(small_meow(&options, OBS_DIM, ACT_DIM));
    }
}

Test(meow, refuses_a_learned_temperature_and_critics_of_the_intrinsic_reward) {
    mr_agent_setup setup = small_defaults(1).setup;
    mr_meow_options options = small_meow_options;
    options.alpha = (mr_auto){.automatic = true};
    expect_refused(&options, &setup, "alpha is auto");
    options.alpha = (mr_auto){.value = 0};
    expect_refused(&options, &setup, "alpha is 0");
    setup.has_intrinsic = true;
    expect_refused(&small_meow_options, &setup, "bonus_critic shared");
}

// ---- Updates

/// An agent after some updates, and what it learned from.
typedef struct {
    mr_agent *agent;
    mr_batch_maker *batches;
    mr_replay *replay;
} student;

static student student_new(const mr_meow_options *options) {
    const mr_batch_options batch_options = small_batch_options(NULL);
    student s = {.agent = small_meow(options, OBS_DIM, ACT_DIM)};
    s.batches = small_batches(mr_agent_policy(s.agent), &batch_options);
    s.replay = small_replay(mr_agent_policy(s.agent), N_STEPS, 1);
    return s;
}

static void student_free(student *s) {
    mr_agent_free(s->agent);
    mr_batch_maker_free(s->batches);
    mr_replay_free(s->replay);
}

Test(meow, targets_follow_by_tau_at_every_update) {
    student s = student_new(&small_meow_options);
    static const char *const learners[] = {"policy", "shift"};
    for (size_t k = 0; k < MR_COUNT(learners); k++) {
        const mr_params *params = small_params(s.agent, learners[k]);
        const mr_params *target = small_target(s.agent, learners[k]);
        mr_real *old = small_copy(target, mr_params_read(target));
        cr_assert_eq(small_update(s.agent, s.batches, s.replay), MR_OK, "%s", mr_error_message());
        cr_expect_not(small_is_same(params, mr_params_read(params), old), "%s", learners[k]);
        for (size_t i = 0; i < mr_params_size(params); i++) {
            const mr_real way = mr_params_read(params)[i] - old[i];
            cr_expect_eq(mr_params_read(target)[i], old[i] + (mr_real)small_meow_options.tau * way);
        }
        free(old);
    }
    student_free(&s);
}

static double norm_of(const mr_agent *agent, const char *learner) {
    const mr_params *params = small_params(agent, learner);
    double sum = 0;
    for (size_t i = 0; i < mr_params_trained_size(params); i++)
        sum += pow((double)mr_params_grad(params)[i], 2);
    return sqrt(sum);
}

// The gradient stays in the parameters as the optimizer got it.
Test(meow, clips_the_gradient_of_policy_and_shifts_together) {
    mr_meow_options options = small_meow_options;
    options.max_grad_norm = 1e9;
    student plain = student_new(&options);
    options.max_grad_norm = 0.01;
    student clipped = student_new(&options);
    cr_assert_eq(small_update(plain.agent, plain.batches, plain.replay), MR_OK);
    cr_assert_eq(small_update(clipped.agent, clipped.batches, clipped.replay), MR_OK);
    const mr_meow_metrics *metrics = mr_agent_metrics(clipped.agent);
    const double of_policy = norm_of(plain.agent, "policy"),
                 of_shift = norm_of(plain.agent, "shift");
    const double norm = hypot(of_policy, of_shift);
    cr_expect_gt(of_policy, 0.01);
    cr_expect_gt(of_shift, 0.01);
    cr_expect_float_eq(metrics->grad_norm, norm, 1e-6 * norm);
    cr_expect_float_eq(norm_of(clipped.agent, "policy"), 0.01 * of_policy / norm, 1e-6);
    cr_expect_float_eq(norm_of(clipped.agent, "shift"), 0.01 * of_shift / norm, 1e-6);
    student_free(&plain);
    student_free(&clipped);
}

// ---- The action without noise

// The mode of Q before the tanh: Q / alpha less log |det| of the tanh.
static double q_before_tanh(mr_agent *agent, const mr_real *obs, const mr_real *act) {
    double log_det = 0;
    for (size_t j = 0; j < ACT_DIM; j++)
        log_det += log1p(-pow((double)act[j], 2));
    return meow_values_at(agent, obs, act).q / small_meow_options.alpha.value + log_det;
}

Test(meow, the_action_without_noise_has_the_largest_q_before_the_tanh) {
    enum { N_POINTS = 200 };
    const double obs[OBS_DIM] = {0.3, -1, 2};
    const mr_real obs_real[OBS_DIM] = {(mr_real)0.3, -1, 2};
    mr_agent *agent = small_meow(&small_meow_options, OBS_DIM, ACT_DIM);
    mr_policy *policy = mr_agent_policy(agent);
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 0);
    mr_real mode[ACT_DIM], act[ACT_DIM], noise[ACT_DIM];
    small_bend_agent(agent);
    cr_assert_eq(mr_policy_prepare(policy, 1), MR_OK);
    cr_assert_eq(mr_policy_sample_units(policy, 1, obs, NULL, mode, NULL), MR_OK);
    const double largest = q_before_tanh(agent, obs_real, mode);
    for (size_t i = 0; i < N_POINTS; i++) {
        mr_random_fill_normal(&random, ACT_DIM, noise);
        cr_assert_eq(mr_policy_sample_units(policy, 1, obs, noise, act, NULL), MR_OK);
        // It falls by half the squared length of the noise; float32 has either to 1e-5.
        const double drop = (pow((double)noise[0], 2) + pow((double)noise[1], 2)) / 2;
        cr_expect_float_eq(q_before_tanh(agent, obs_real, act), largest - drop,
                           1e-4 * (1 + fabs(largest) + drop));
    }
    mr_agent_free(agent);
}
