// The server's side of the protocol, without sockets: exactly once, one session at a time, nothing
// done for what is refused.

#include "envs/zmq/responder.h"

#include <malloc.h>
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "envs/mujoco/render.h"
#include "envs/zmq/process.h"
#include "base/random.h"
#include "tests/envs/conversation.h"

enum { N_ENVS = 3, OBS_DIM = 3 };

static const double lease_s = 10;
static mr_vec_env *envs;
static mr_responder *responder;
static double now_s;

static void begin(void) {
    cr_assert_eq(mr_vec_env_open("Pendulum-v1", NULL, N_ENVS, 1, &envs), MR_OK);
    cr_assert_eq(mr_responder_new(envs, lease_s, &responder), MR_OK);
    conversation_begin();
}

static void end(void) {
    mr_responder_free(responder);
    mr_vec_env_close(envs);
    conversation_end();
}

TestSuite(responder, .init = begin, .fini = end);

static mr_bytes answer(mr_bytes asked) {
    return mr_responder_answer(responder, asked, now_s);
}

static void expect_fault(mr_fault fault) {
    cr_expect_eq(got.type, MR_MESSAGE_ERROR);
    cr_expect_eq(got.code, fault, "%s: %s", mr_fault_name(got.code), got.message);
}

static size_t n_steps(void) {
    return mr_responder_get_metrics(responder).n_steps;
}

static const uint64_t all[] = {0, 1, 2};
static const mr_message_seed seeds[] = {{true, 5}, {true, 6}, {true, 7}};

static const mr_message hello = {.type = MR_MESSAGE_HELLO, .client = "test"};
static const mr_message ping = {.type = MR_MESSAGE_PING};
static const mr_message bye = {.type = MR_MESSAGE_BYE};

static mr_message reset_of(size_t n, const uint64_t *which) {
    return (mr_message){
        .type = MR_MESSAGE_RESET, .n = n, .envs = which, .n_seeds = n, .seeds = seeds};
}

static mr_message step_of(size_t n, const uint64_t *which, const double *actions) {
    return (mr_message){
        .type = MR_MESSAGE_STEP, .n = n, .envs = which, .actions = {actions, n * sizeof *actions}};
}

static double obs_at(size_t i) {
    double value;
    memcpy(&value, (const char *)got.obs.data + i * sizeof value, sizeof value);
    return value;
}

Test(responder, says_what_it_serves) {
    ask('a', 0, hello);
    cr_expect_eq(got.type, MR_MESSAGE_SPEC);
    cr_expect_str_eq(got.name, "Pendulum-v1");
    cr_expect_eq(got.num_envs, N_ENVS);
    cr_expect_eq(got.obs_dim, OBS_DIM);
    cr_expect_eq(got.act_dim, 1);
    cr_expect_str_eq(got.obs_dtype, "f8");
    cr_expect_eq(got.max_episode_steps, 200);
    cr_expect_eq(got.lease_s, lease_s);
    cr_expect_eq(((const double *)memcpy(&(double){0}, got.act_high.data, 8))[0], 2);
}

Test(responder, steps_as_the_environments_themselves) {
    static const double actions[] = {0.5, -1, 2};
    double obs[OBS_DIM];
    mr_env *env;
    mr_step step;
    ask('a', 0, hello);
    ask('a', 1, reset_of(3, all));
    cr_assert_eq(got.type, MR_MESSAGE_STATE);
    ask('a', 2, step_of(3, (uint64_t[]){2, 0, 1}, actions));
    cr_assert_eq(got.type, MR_MESSAGE_TRANSITION);
    // Row 0 of the message is environment 2, which was reset with seed 7.
    cr_assert_eq(mr_env_open("Pendulum-v1", NULL, &env), MR_OK);
    cr_assert_eq(mr_env_reset(env, &(uint64_t){7}, obs), MR_OK);
    cr_assert_eq(mr_env_step(env, actions, obs, &step), MR_OK);
    for (size_t j = 0; j < OBS_DIM; j++)
        cr_expect_eq(obs_at(j), obs[j]);
    cr_expect_eq(memcmp(got.reward.data, &step.reward, sizeof step.reward), 0);
    mr_env_close(env);
}

Test(responder, executes_every_request_once) {
    ask('a', 0, hello);
    keep_reply();
    send_again();
    expect_kept();
    ask('a', 1, reset_of(3, all));
    ask('a', 2, step_of(1, all, (double[]){1}));
    keep_reply();
    for (int i = 0; i < 3; i++) {
        send_again();
        expect_kept();
    }
    cr_expect_eq(n_steps(), 1);
}

Test(responder, refuses_what_is_out_of_sequence_and_forgets_nothing_for_it) {
    ask('a', 0, hello);
    ask('a', 1, reset_of(3, all));
    ask('a', 2, step_of(1, all, (double[]){1}));
    keep_reply();
    ask('a', 0, hello); // a late duplicate
    expect_fault(MR_FAULT_BAD_SEQUENCE);
    ask('a', 1, reset_of(3, all));
    expect_fault(MR_FAULT_BAD_SEQUENCE);
    ask('a', 4, step_of(1, all, (double[]){1}));
    expect_fault(MR_FAULT_BAD_SEQUENCE);
    ask('a', 2, step_of(1, all, (double[]){1}));
    expect_kept();
    cr_expect_eq(n_steps(), 1);
}

Test(responder, leases_to_one_session_at_a_time) {
    ask('b', 7, ping);
    expect_fault(MR_FAULT_UNKNOWN_SESSION);
    ask('a', 0, hello);
    ask('a', 1, reset_of(3, all));
    now_s += 0.9 * lease_s;
    ask('b', 0, hello);
    expect_fault(MR_FAULT_BUSY);
    ask('a', 2, ping);
    now_s += 0.9 * lease_s;
    ask('b', 0, hello);
    expect_fault(MR_FAULT_BUSY);
    now_s += 0.2 * lease_s;
    ask('b', 0, hello);
    cr_expect_eq(got.type, MR_MESSAGE_SPEC);
    ask('b', 1, step_of(1, all, (double[]){1})); // nothing of the one before goes on
    expect_fault(MR_FAULT_NEEDS_RESET);
    ask('a', 3, ping);
    expect_fault(MR_FAULT_UNKNOWN_SESSION);
}

Test(responder, lets_a_silent_session_go_on_where_nobody_came) {
    ask('a', 0, hello);
    now_s += 5 * lease_s;
    ask('a', 1, ping);
    cr_expect_eq(got.type, MR_MESSAGE_PONG);
}

Test(responder, is_free_after_bye_and_says_it_again) {
    ask('a', 0, hello);
    ask('a', 1, bye);
    cr_expect_eq(got.type, MR_MESSAGE_BYE);
    ask('b', 0, hello);
    cr_expect_eq(got.type, MR_MESSAGE_SPEC);
    ask('a', 1, bye);
    cr_expect_eq(got.type, MR_MESSAGE_BYE);
    ask('a', 0, hello); // a late duplicate takes nothing from anybody
    expect_fault(MR_FAULT_BAD_SEQUENCE);
    ask('a', 2, ping);
    expect_fault(MR_FAULT_UNKNOWN_SESSION);
    for (int i = 0; i < 200; i++) { // more than are remembered
        ask('b', 1, bye);
        ask((char)(i % 2 + 'c'), 0, hello);
        ask((char)(i % 2 + 'c'), 1, bye);
    }
}

static mr_message hello_of(const char *process) {
    mr_message message = hello;
    snprintf(message.process, sizeof message.process, "%s", process);
    return message;
}

Test(responder, knows_a_process_that_begins_anew_and_makes_way_at_once) {
    ask('a', 0, hello_of("host:7:100:boot:1"));
    ask('a', 1, reset_of(1, all));
    ask('b', 0, hello_of("host:8:100:boot:1")); // another process
    expect_fault(MR_FAULT_BUSY);
    cr_expect_not_null(strstr(got.message, "(of process host:7);"), "%s", got.message);
    ask('b', 0, hello);
    expect_fault(MR_FAULT_BUSY);
    ask('c', 0, hello_of("host:7:100:boot:1"));
    cr_expect_eq(got.type, MR_MESSAGE_SPEC);
    ask('c', 1, step_of(1, all, (double[]){1})); // nothing of the one before goes on
    expect_fault(MR_FAULT_NEEDS_RESET);
    ask('a', 2, step_of(1, all, (double[]){1}));
    expect_fault(MR_FAULT_UNKNOWN_SESSION);
    cr_expect_eq(n_steps(), 0);
}

Test(responder, gives_nothing_back_to_the_older_of_two_sessions_of_a_process) {
    ask('a', 0, hello_of("host:7:100:boot:1"));
    ask('b', 0, hello_of("host:7:100:boot:1"));
    ask('a', 0, hello_of("host:7:100:boot:1"));
    expect_fault(MR_FAULT_BUSY);
    cr_expect_not_null(strstr(got.message, "newer session of the same process"), "%s", got.message);
    ask('b', 1, ping);
    cr_expect_eq(got.type, MR_MESSAGE_PONG);
    now_s += 2 * lease_s; // and after a silence neither, but from the one that was silent
    ask('a', 0, hello_of("host:7:100:boot:1"));
    cr_expect_eq(got.type, MR_MESSAGE_SPEC);
    ask('b', 0, hello_of("host:7:100:boot:1"));
    expect_fault(MR_FAULT_BUSY);
    ask('a', 1, bye);
    ask('b', 0, hello_of("host:7:100:boot:1"));
    cr_expect_eq(got.type, MR_MESSAGE_SPEC);
    ask('b', 1, reset_of(1, all));
    cr_expect_eq(got.type, MR_MESSAGE_STATE);
}

Test(responder, takes_nameless_clients_for_different_processes) {
    ask('a', 0, hello);
    ask('b', 0, hello);
    expect_fault(MR_FAULT_BUSY);
}

Test(responder, frees_the_environments_of_a_process_that_died) {
    char name[MR_MESSAGE_TEXT_SIZE];
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        mr_process_name(name);
        _exit(write(ends[1], name, sizeof name) == sizeof name ? 0 : 1);
    }
    cr_assert_eq(read(ends[0], name, sizeof name), sizeof name);
    waitpid(child, NULL, 0);
    ask('a', 0, hello_of(name));
    ask('a', 1, ping);
    cr_expect_eq(got.type, MR_MESSAGE_PONG); // nobody else came
    ask('b', 0, hello);
    cr_expect_eq(got.type, MR_MESSAGE_SPEC);
    ask('b', 1, bye);
    mr_process_name(name);
    ask('c', 0, hello_of(name)); // of one that lives
    ask('b', 0, hello);
    expect_fault(MR_FAULT_BAD_SEQUENCE);
    ask('d', 0, hello);
    expect_fault(MR_FAULT_BUSY);
}

Test(responder, lets_who_gave_up_on_a_request_leave_all_the_same) {
    ask('a', 0, hello);
    ask('a', 1, reset_of(1, all));
    ask('a', 3, bye); // request 2 never came
    cr_expect_eq(got.type, MR_MESSAGE_BYE);
    keep_reply();
    ask('b', 0, hello);
    cr_expect_eq(got.type, MR_MESSAGE_SPEC);
    ask('a', 2, step_of(1, all, (double[]){1})); // it comes now
    expect_fault(MR_FAULT_BAD_SEQUENCE);
    ask('a', 3, bye);
    expect_kept();
    cr_expect_eq(n_steps(), 0);
}

static size_t n_bytes_allocated(void) {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

// 64 sessions are remembered. A reply here has 4,096 x 3 observations of 8 bytes.
Test(responder, keeps_no_reply_of_sessions_that_ended) {
    enum { N = 4096, N_SESSIONS = 64, REPLY = N * OBS_DIM * 8 };
    static uint64_t which[N];
    static mr_message_seed seeds_of_all[N];
    end();
    cr_assert_eq(mr_vec_env_open("Pendulum-v1", NULL, N, 1, &envs), MR_OK);
    cr_assert_eq(mr_responder_new(envs, lease_s, &responder), MR_OK);
    conversation_begin();
    for (size_t i = 0; i < N; i++)
        which[i] = i;
    mr_message reset = reset_of(N, which);
    reset.seeds = seeds_of_all;
    size_t after_first = 0;
    for (int i = 0; i <= N_SESSIONS; i++) {
        ask((char)(i + ' '), 0, hello);
        ask((char)(i + ' '), 1, reset);
        cr_assert_geq(reply.n_bytes, REPLY);
        ask((char)(i + ' '), 2, bye);
        if (i == 0)
            after_first = n_bytes_allocated();
    }
    cr_expect_lt(n_bytes_allocated(), after_first + 2 * REPLY); // it was 64 times that
}

Test(responder, steps_nothing_where_anything_is_wrong) {
    static const double good[] = {0, 0}, bad[] = {0, NAN}, infinite[] = {INFINITY, 0};
    ask('a', 0, hello);
    ask('a', 1, reset_of(2, all));
    ask('a', 2, step_of(2, (uint64_t[]){0, 3}, good));
    expect_fault(MR_FAULT_BAD_ENV);
    ask('a', 3, step_of(2, (uint64_t[]){1, 1}, good));
    expect_fault(MR_FAULT_BAD_ENV);
    ask('a', 4, step_of(2, all, bad));
    expect_fault(MR_FAULT_BAD_ACTION);
    ask('a', 5, step_of(2, all, infinite));
    expect_fault(MR_FAULT_BAD_ACTION);
    ask('a', 6, step_of(2, (uint64_t[]){0, 2}, good)); // 2 was never reset
    expect_fault(MR_FAULT_NEEDS_RESET);
    mr_message cut = step_of(2, all, good);
    cut.actions.n_bytes--;
    ask('a', 7, cut);
    expect_fault(MR_FAULT_BAD_MESSAGE);
    ask('a', 8, (mr_message){.type = MR_MESSAGE_RENDER, .width = 64, .height = 64});
    expect_fault(MR_FAULT_ENV_FAILED);
    ask('a', 9, (mr_message){.type = MR_MESSAGE_PONG});
    expect_fault(MR_FAULT_BAD_MESSAGE);
    cr_expect_eq(n_steps(), 0);
    ask('a', 10, step_of(2, all, good)); // errors are replies like others
    cr_expect_eq(got.type, MR_MESSAGE_TRANSITION);
}

Test(responder, wants_a_reset_after_the_end_of_an_episode) {
    ask('a', 0, hello);
    ask('a', 1, reset_of(1, all));
    uint64_t seq = 2;
    bool truncated = false;
    while (!truncated && seq < 300) {
        ask('a', seq++, step_of(1, all, (double[]){0}));
        cr_assert_eq(got.type, MR_MESSAGE_TRANSITION);
        truncated = got.truncated[0];
    }
    cr_expect_eq(n_steps(), 200);
    ask('a', seq++, step_of(1, all, (double[]){0}));
    expect_fault(MR_FAULT_NEEDS_RESET);
    ask('a', seq++, reset_of(1, all));
    ask('a', seq++, step_of(1, all, (double[]){0}));
    cr_expect_eq(got.type, MR_MESSAGE_TRANSITION);
}

Test(responder, clips_actions_to_the_bounds) {
    ask('a', 0, hello);
    double obs[2];
    const float out_of_range[] = {100};
    ask('a', 1, reset_of(1, all));
    ask('a', 2, step_of(1, all, (double[]){2}));
    obs[0] = obs_at(2);
    ask('a', 3, reset_of(1, all));
    mr_message as_f4 = step_of(1, all, NULL);
    as_f4.actions = (mr_bytes){out_of_range, sizeof out_of_range};
    ask('a', 4, as_f4);
    obs[1] = obs_at(2);
    cr_expect_eq(obs[0], obs[1]);
}

Test(responder, goes_on_at_random_without_a_seed) {
    static const mr_message_seed none[] = {{0}};
    mr_message reset = reset_of(1, all);
    ask('a', 0, hello);
    ask('a', 1, reset);
    reset.seeds = none;
    ask('a', 2, reset);
    const double second = obs_at(0);
    ask('a', 3, reset);
    cr_expect_neq(obs_at(0), second);
}

// ---- Pictures

enum { WIDTH = 64, HEIGHT = 48 };

static mr_message render_of(uint64_t env, uint64_t width, uint64_t height) {
    return (mr_message){.type = MR_MESSAGE_RENDER, .env = env, .width = width, .height = height};
}

// On a machine that can't draw, the picture is refused and the test skipped.
Test(responder, draws_the_environment_that_is_asked_for) {
    static const mr_render_options options = {.width = WIDTH, .height = HEIGHT};
    unsigned char expected[HEIGHT * WIDTH * 3];
    mr_render *render;
    end();
    cr_assert_eq(mr_vec_env_open("Hopper-v5", NULL, 2, 1, &envs), MR_OK);
    cr_assert_eq(mr_responder_new(envs, lease_s, &responder), MR_OK);
    conversation_begin();
    ask('a', 0, hello);
    ask('a', 1, reset_of(2, all));
    if (mr_render_open(mr_vec_env_at(envs, 1), &options, &render) != MR_OK)
        cr_skip_test("%s", mr_error_message());
    cr_assert_eq(mr_render_draw(render, expected), MR_OK);
    mr_render_close(render);
    for (uint64_t seq = 2; seq < 6; seq++) { // in turn with another of another size
        const uint64_t env = (seq + 1) % 2;
        ask('a', seq, render_of(env, WIDTH, HEIGHT / (2 - env)));
        cr_assert_eq(got.type, MR_MESSAGE_FRAME, "%s", got.message);
        cr_assert_eq(got.rgb.n_bytes, 3 * WIDTH * (HEIGHT / (2 - env)));
        cr_expect(env == 0 || memcmp(got.rgb.data, expected, sizeof expected) == 0);
    }
}

Test(responder, says_why_there_is_no_picture) {
    ask('a', 0, hello);
    ask('a', 1, render_of(0, WIDTH, HEIGHT)); // Pendulum-v1 has none
    expect_fault(MR_FAULT_ENV_FAILED);
    ask('a', 2, render_of(N_ENVS, WIDTH, HEIGHT));
    expect_fault(MR_FAULT_BAD_ENV);
    ask('a', 3, render_of(0, 8192, 8192)); // 200 MB
    expect_fault(MR_FAULT_BAD_MESSAGE);
}

Test(responder, answers_what_is_addressed_and_nothing_else) {
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    uint8_t bytes[100];
    ask('a', 0, hello);
    for (int i = 0; i < 10000; i++) {
        const size_t n = mr_random_below(&random, sizeof bytes);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)mr_random_u32(&random);
        reply = mr_responder_answer(responder, (mr_bytes){bytes, n}, now_s);
        cr_expect_eq(reply.n_bytes, 0);
    }
    ask('b', 3, (mr_message){.type = MR_MESSAGE_TRANSITION});
    expect_fault(MR_FAULT_UNKNOWN_SESSION);
    ask('a', 1, ping);
    cr_expect_eq(got.type, MR_MESSAGE_PONG);
}
