// A policy's server without sockets: actions are the policy's own, a repeated request gets the same
// bytes, and whatever is wrong is refused and named.

#include "cli/serve/policy_responder.h"

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/random.h"
#include "tests/envs/conversation.h"

enum { OBS_DIM = 3, ACT_DIM = 2, N_ROWS = 600, SEED = 5 }; // rows: more than are acted on at once

static const double low[] = {-2, -1}, high[] = {2, 0.5};
static mr_policy *policy;
static mr_policy_responder *responder;
static double obs[N_ROWS * OBS_DIM];

static void begin(void) {
    const mr_policy_spec spec = {.env = "Test-v0",
                                 .flow = "real_nvp",
                                 .obs_dim = OBS_DIM,
                                 .act_dim = ACT_DIM,
                                 .act_low = low,
                                 .act_high = high,
                                 .hidden = {.n = 2, .width = {16, 16}}};
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_policy_new(&spec, 1, &policy), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_policy_responder_new(policy, SEED, &responder), MR_OK);
    conversation_begin();
    for (size_t i = 0; i < N_ROWS * OBS_DIM; i++)
        obs[i] = (float)mr_random_between(&random, -3, 3); // the same as f4 and as f8
}

static void end(void) {
    mr_policy_responder_free(responder);
    mr_policy_free(policy);
    conversation_end();
}

TestSuite(policy_responder, .init = begin, .fini = end);

static mr_bytes answer(mr_bytes asked) {
    return mr_policy_responder_answer(responder, asked);
}

static mr_message act_on(size_t n, const double *rows, bool stochastic) {
    return (mr_message){.type = MR_MESSAGE_ACT,
                        .n = n,
                        .obs = {rows, n * OBS_DIM * sizeof *rows},
                        .stochastic = stochastic};
}

static void get_actions(size_t n, double *out) {
    cr_assert_eq(got.type, MR_MESSAGE_ACTION, "%s", got.message);
    cr_assert_eq(got.actions.n_bytes, n * ACT_DIM * sizeof *out);
    memcpy(out, got.actions.data, got.actions.n_bytes);
}

static void expect_fault(mr_fault fault, const char *part) {
    cr_expect_eq(got.type, MR_MESSAGE_ERROR);
    cr_expect_eq(got.code, fault, "%s: %s", mr_fault_name(got.code), got.message);
    cr_expect_not_null(strstr(got.message, part), "no '%s' in: %s", part, got.message);
    cr_expect_null(strchr(got.message, '\n'));
}

Test(policy_responder, says_what_it_serves_to_whoever_asks) {
    for (uint64_t seq = 0; seq < 2; seq++)
        for (char who = 'a'; who < 'c'; who++) {
            ask(who, seq, (mr_message){.type = MR_MESSAGE_HELLO, .client = "test"});
            cr_expect_eq(got.type, MR_MESSAGE_POLICY);
            cr_expect_str_eq(got.name, "Test-v0");
            cr_expect_eq(got.obs_dim, OBS_DIM);
            cr_expect_eq(got.act_dim, ACT_DIM);
            cr_expect_eq(memcmp(got.act_low.data, low, sizeof low), 0);
            cr_expect_eq(memcmp(got.act_high.data, high, sizeof high), 0);
        }
    ask('c', 9, (mr_message){.type = MR_MESSAGE_PING});
    cr_expect_eq(got.type, MR_MESSAGE_PONG);
    ask('c', 10, (mr_message){.type = MR_MESSAGE_BYE});
    cr_expect_eq(got.type, MR_MESSAGE_BYE);
}

Test(policy_responder, acts_as_the_policy_itself) {
    enum { N = 20 };
    mr_real act[N * ACT_DIM];
    double actions[N * ACT_DIM], served[N * ACT_DIM];
    cr_assert_eq(mr_policy_sample_units(policy, N, obs, NULL, act, NULL), MR_OK);
    mr_policy_scale(policy, N, act, actions);
    ask('a', 1, act_on(N, obs, false));
    get_actions(N, served);
    cr_expect_eq(memcmp(served, actions, sizeof actions), 0);
}

// The stream's index by another way: 64-bit FNV-1a of sixteen 'a' by a program of its own
// (python: h = 0xcbf29ce484222325; 16 times h = (h ^ 97) * 0x100000001b3 % 2**64).
Test(policy_responder, samples_with_the_noise_of_its_stream) {
    enum { N = 20 };
    mr_real act[N * ACT_DIM], noise[N * ACT_DIM];
    double actions[N * ACT_DIM], served[N * ACT_DIM];
    mr_random random = mr_random_stream(SEED, MR_STREAM_SERVE, 0xa4b1b1605dd85975 + 7);
    mr_random_fill_normal(&random, N * ACT_DIM, noise);
    cr_assert_eq(mr_policy_sample_units(policy, N, obs, noise, act, NULL), MR_OK);
    mr_policy_scale(policy, N, act, actions);
    ask('a', 7, act_on(N, obs, true));
    get_actions(N, served);
    cr_expect_eq(memcmp(served, actions, sizeof actions), 0);
}

Test(policy_responder, repeats_a_sampled_action_whatever_came_between) {
    ask('a', 7, act_on(N_ROWS, obs, true));
    keep_reply();
    send_again();
    expect_kept();
    ask('b', 1, act_on(3, obs, true));
    ask('a', 8, act_on(N_ROWS, obs, false));
    ask('a', 7, act_on(N_ROWS, obs, true));
    expect_kept();
}

Test(policy_responder, samples_anew_for_another_session_seq_and_seed) {
    double first[ACT_DIM], other[ACT_DIM];
    ask('a', 7, act_on(1, obs, true));
    get_actions(1, first);
    ask('b', 7, act_on(1, obs, true));
    get_actions(1, other);
    cr_expect_neq(memcmp(first, other, sizeof first), 0);
    ask('a', 8, act_on(1, obs, true));
    get_actions(1, other);
    cr_expect_neq(memcmp(first, other, sizeof first), 0);
    mr_policy_responder_free(responder);
    cr_assert_eq(mr_policy_responder_new(policy, SEED + 1, &responder), MR_OK);
    ask('a', 7, act_on(1, obs, true));
    get_actions(1, other);
    cr_expect_neq(memcmp(first, other, sizeof first), 0);
}

// But for the order in which products are summed: some 2 x 16 + 3 float32 roundings a layer, in
// nets of order 1.
Test(policy_responder, acts_on_a_batch_as_on_each_row_alone) {
    static double batch[N_ROWS * ACT_DIM];
    double single[ACT_DIM];
    ask('a', 1, act_on(N_ROWS, obs, false));
    get_actions(N_ROWS, batch);
    for (size_t i = 0; i < N_ROWS; i++) {
        ask('a', 2 + i, act_on(1, obs + i * OBS_DIM, false));
        get_actions(1, single);
        for (size_t j = 0; j < ACT_DIM; j++)
            cr_expect_float_eq(single[j], batch[i * ACT_DIM + j], 1e-5, "row %zu", i);
    }
}

Test(policy_responder, takes_observations_as_f4_too) {
    float narrow[N_ROWS * OBS_DIM];
    for (size_t i = 0; i < N_ROWS * OBS_DIM; i++)
        narrow[i] = (float)obs[i];
    ask('a', 1, act_on(N_ROWS, obs, true));
    keep_reply();
    mr_message message = act_on(N_ROWS, NULL, true);
    message.obs = (mr_bytes){narrow, sizeof narrow};
    ask('a', 1, message);
    expect_kept();
}

Test(policy_responder, names_row_and_column_of_what_is_not_finite) {
    static const double bad[] = {NAN, INFINITY, -INFINITY, 1e300};
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        const double good = obs[500 * OBS_DIM + 1];
        obs[500 * OBS_DIM + 1] = bad[i];
        ask('a', 1, act_on(N_ROWS, obs, false));
        expect_fault(MR_FAULT_BAD_OBS, "row 500, column 1 is ");
        obs[500 * OBS_DIM + 1] = good;
    }
    ask('a', 1, act_on(N_ROWS, obs, false));
    cr_expect_eq(got.type, MR_MESSAGE_ACTION);
}

Test(policy_responder, refuses_actions_that_are_not_finite) {
    mr_params *params = mr_policy_params(policy);
    for (size_t i = 0; i < mr_params_size(params); i++)
        mr_params_value(params)[i] = (mr_real)NAN;
    ask('a', 1, act_on(1, obs, false));
    expect_fault(MR_FAULT_BAD_OBS, "rows 0 to 0: an action is not finite");
}

Test(policy_responder, refuses_sizes_that_are_not_the_policys) {
    mr_message message = act_on(2, obs, false);
    message.obs.n_bytes -= 8;
    ask('a', 1, message);
    expect_fault(MR_FAULT_BAD_MESSAGE, "'obs' has 40 bytes; it must be a bin of 2 x 3 numbers");
    message = act_on(0, obs, false);
    ask('a', 1, message);
    expect_fault(MR_FAULT_BAD_MESSAGE, "'n' must be");
    message = act_on(mr_policy_responder_max_rows(responder) + 1, obs, false);
    message.obs.n_bytes = 8;
    ask('a', 1, message);
    expect_fault(MR_FAULT_BAD_MESSAGE, "observations go into one message");
}

Test(policy_responder, refuses_what_is_for_environments) {
    ask('a', 1, (mr_message){.type = MR_MESSAGE_RESET});
    expect_fault(MR_FAULT_BAD_MESSAGE, "this server has a policy");
    ask('a', 1, (mr_message){.type = MR_MESSAGE_PONG});
    expect_fault(MR_FAULT_BAD_MESSAGE, "this server has a policy");
}

// "v" is the map's first key, and the number after it is its value.
Test(policy_responder, refuses_other_versions_and_answers_no_noise) {
    ask('a', 1, (mr_message){.type = MR_MESSAGE_PING});
    request.data[3] = 2;
    send_again();
    expect_fault(MR_FAULT_BAD_VERSION, "version 2");
    cr_expect(got.fatal);
    reply = mr_policy_responder_answer(responder, (mr_bytes){"noise", 5});
    cr_expect_eq(reply.n_bytes, 0);
}

Test(policy_responder, counts_what_it_has_done) {
    ask('a', 0, (mr_message){.type = MR_MESSAGE_HELLO, .client = "test"});
    ask('a', 1, act_on(20, obs, false));
    ask('a', 2, act_on(1, (double[]){NAN, 0, 0}, false));
    const mr_policy_responder_metrics f = mr_policy_responder_get_metrics(responder);
    cr_expect_eq(f.n_requests, 3);
    cr_expect_eq(f.n_actions, 20);
}
