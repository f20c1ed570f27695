// `millrace eval`: that an episode depends on its seed alone, that every evaluation ends, and what
// Ctrl-C leaves.

#include <jansson.h>
#include <math.h>

#include "tests/cli/server_process.h"

// A policy of next to nothing for a task that makes much of the last bit.
static void enter(void) {
    scratch_enter();
    outcome o = RUN("train", "HalfCheetah-v5", "--steps", "20", "--hidden", "16", "--threads", "1",
                    "--eval-episodes", "1", "--eval-max-steps", "10", "--out", "run");
    expect_success(&o);
    outcome_free(&o);
}

TestSuite(eval, .init = enter, .fini = scratch_leave, .timeout = 120);

enum { N_EPISODES = 4 };

static void take_returns(outcome *o, size_t n, double *returns) {
    expect_success(o);
    json_t *object = json_loads(o->out, 0, NULL), *list = json_object_get(object, "returns");
    cr_assert_eq(json_array_size(list), n, "%s", o->out);
    for (size_t i = 0; i < n; i++)
        returns[i] = json_number_value(json_array_get(list, i));
    json_decref(object);
    outcome_free(o);
}

#define EVAL(...) RUN("eval", "run", "--json", "--max-steps", "250", __VA_ARGS__)

static void check_alone(const char *kind) {
    double together[N_EPISODES], alone;
    char seed[16];
    outcome o = EVAL("--episodes", "4", "--seed", "7", "--threads", "2", kind);
    take_returns(&o, N_EPISODES, together);
    for (int i = 0; i < N_EPISODES; i++) {
        snprintf(seed, sizeof seed, "%d", 7 + i);
        o = EVAL("--episodes", "1", "--seed", seed, "--threads", "1", kind);
        take_returns(&o, 1, &alone);
        cr_expect_eq(alone, together[i], "seed %s: %.17g alone, %.17g in company", seed, alone,
                     together[i]);
    }
}

Test(eval, a_deterministic_episode_is_the_same_alone_and_in_company) {
    check_alone("--deterministic");
}

Test(eval, a_stochastic_episode_is_the_same_alone_and_in_company) {
    check_alone("--stochastic");
}

Test(eval, an_episode_is_the_same_over_the_bridge) {
    double here[N_EPISODES], there[N_EPISODES];
    const pid_t server =
        start(&(circumstances){0}, "server",
              ARGUMENTS("serve", "HalfCheetah-v5", "--num-envs", "3", "--bind", "ipc://cheetahs"));
    outcome o = EVAL("--episodes", "4", "--stochastic");
    take_returns(&o, N_EPISODES, here);
    o = EVAL("--episodes", "4", "--stochastic", "--env", "zmq:ipc://cheetahs");
    take_returns(&o, N_EPISODES, there);
    for (size_t i = 0; i < N_EPISODES; i++)
        cr_expect_eq(there[i], here[i], "%.17g and %.17g", there[i], here[i]);
    stop(server, "server");
}

// ---- Ends

Test(eval, cuts_off_an_episode_that_nothing_ends_and_says_so) {
    outcome o = RUN("eval", "run", "--episodes", "2", "--env-set", "max_episode_steps=0");
    expect_success(&o);
    scratch_expect_part(o.out, "mean length  1000.0\n");
    scratch_expect_part(o.err, "note: 2 of the episodes had not ended after 1000 steps");
    scratch_expect_part(o.err, "--max-steps");
    outcome_free(&o);
    o = EVAL("--episodes", "2");
    scratch_expect_part(o.out, "\"mean_length\":250.0");
    cr_expect_str_eq(o.err, "");
    outcome_free(&o);
}

Test(eval, a_time_limit_of_more_than_1000_steps_is_the_task_s_own) {
    outcome o = RUN("eval", "run", "--episodes", "1", "--env-set", "max_episode_steps=1100");
    expect_success(&o);
    scratch_expect_part(o.out, "mean length  1100.0\n");
    cr_expect_str_eq(o.err, "");
    outcome_free(&o);
}

static outcome interrupt(const char *const *arguments, int signal_number) {
    const pid_t child = start(&(circumstances){0}, "long", arguments);
    nap(1000);
    kill(child, signal_number);
    return finish(child, "long"); // the suite's time would run out
}

Test(eval, answers_a_signal_in_the_middle_of_the_first_episode) {
    outcome o = interrupt(
        ARGUMENTS("eval", "run", "--max-steps", "1000000000", "--env-set", "max_episode_steps=0"),
        SIGTERM);
    cr_expect_eq(o.code, 128 + SIGTERM);
    cr_expect_str_eq(o.out, "");
    cr_expect_str_eq(o.err, "millrace eval: stopped; 0 of 10 episodes had ended\n");
    outcome_free(&o);
}

Test(eval, reports_what_has_ended_when_it_is_stopped) {
    outcome o = interrupt(ARGUMENTS("eval", "run", "--max-steps", "20", "--episodes", "1000000",
                                    "--json", "--coverage"),
                          SIGINT);
    cr_expect_eq(o.code, 128 + SIGINT);
    scratch_expect_part(o.err, " of 1000000 episodes had ended; the report is about these\n");
    json_t *object = json_loads(o.out, 0, NULL);
    const json_t *returns = json_object_get(object, "returns");
    const size_t n = json_array_size(returns);
    double sum = 0;
    cr_assert_gt(n, 0);
    for (size_t i = 0; i < n; i++)
        sum += json_number_value(json_array_get(returns, i));
    cr_expect_eq(json_integer_value(json_object_get(object, "episodes")), (json_int_t)n);
    cr_expect_eq(json_number_value(json_object_get(object, "mean_return")), sum / (double)n);
    json_decref(object);
    outcome_free(&o);
}

// A server that doesn't answer is waited for as long as --timeout and --retries say.
Test(eval, answers_a_signal_while_it_waits_for_a_server) {
    const pid_t server = start(&(circumstances){0}, "server",
                               ARGUMENTS("serve", "HalfCheetah-v5", "--bind", "ipc://cheetah"));
    const pid_t child = start(&(circumstances){0}, "long",
                              ARGUMENTS("eval", "run", "--env", "zmq:ipc://cheetah", "--max-steps",
                                        "20", "--episodes", "1000000", "--timeout", "100"));
    nap(1000);
    kill(server, SIGSTOP);
    nap(200);
    kill(child, SIGINT);
    outcome o = finish(child, "long");
    cr_expect_eq(o.code, 128 + SIGINT);
    scratch_expect_part(o.out, "mean length  20.0");
    outcome_free(&o);
    kill(server, SIGCONT);
    stop(server, "server");
}

// ---- Training that evaluates for ever

Test(eval, training_answers_a_signal_in_an_evaluation_and_goes_on_from_there) {
    outcome o = interrupt(ARGUMENTS("train", "HalfCheetah-v5", "--env-set", "max_episode_steps=0",
                                    "--hidden", "16", "--steps", "100", "--eval-every", "50",
                                    "--eval-max-steps", "1000000000", "--out", "endless"),
                          SIGINT);
    cr_expect_eq(o.code, 128 + SIGINT);
    scratch_expect_part(o.out, "stopped after 50 steps");
    outcome_free(&o);
    o = interrupt(ARGUMENTS("train", "--resume", "endless"), SIGTERM);
    cr_expect_eq(o.code, 128 + SIGTERM);
    scratch_expect_part(o.err, "resuming endless at step 50 of 100");
    outcome_free(&o);
}
