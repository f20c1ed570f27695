// Training over `millrace serve`, with real processes that are stopped, killed and begun again.

#include <arpa/inet.h>
#include <sys/socket.h>

#include "tests/envs/bad_link.h"
#include "tests/cli/same_run.h"
#include "tests/cli/server_process.h"

TestSuite(bridge, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

// Episodes that end by termination, evaluations in their middle.
#define RUN_WITH(env, out, episodes, timeout, retries, ...)                                        \
    ARGUMENTS("train", env, "--threads", "1", "--hidden", "16", "--policy", "gaussian",            \
              "--batch-size", "16", "--learning-starts", "200", "--buffer-size", "20000",          \
              "--eval-every", "900", "--eval-episodes", episodes, "--timeout", timeout,            \
              "--retries", retries, "--out", out, __VA_ARGS__)
#define RUN_OF(env, out, ...) RUN_WITH(env, out, "2", "0.2", "9", __VA_ARGS__)

static pid_t serve(const char *name, const char *env, const char *bind) {
    return start(&(circumstances){0}, name, ARGUMENTS("serve", env, "--bind", bind));
}

static const char any_port[] = "tcp://127.0.0.1:*";

enum { REMOTE_ENV_SIZE = ENDPOINT_SIZE + 4 };

// zmq:ENDPOINT, of the server that was started as `name`.
static const char *remote_env(const char *name, char env[REMOTE_ENV_SIZE]) {
    memcpy(env, "zmq:", 4);
    read_endpoint(name, env + 4);
    return env;
}

// Until a file has so many lines.
static void wait_for_lines(const char *path, size_t n) {
    for (int i = 0; i < 6000; i++) {
        char *text = access(path, F_OK) == 0 ? scratch_read(path) : strdup("");
        size_t n_lines = 0;
        for (const char *c = text; *c != '\0'; c++)
            n_lines += *c == '\n';
        free(text);
        if (n_lines >= n)
            return;
        nap(5);
    }
    cr_assert_fail("%s never had %zu lines", path, n);
}

static void expect_same_policies(const char *run_a, const char *run_b) {
    static const char *const names[] = {"policy.safetensors", "best_policy.safetensors",
                                        "evaluations.csv"};
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        char path_a[64], path_b[64], *a, *b;
        size_t n_a, n_b;
        snprintf(path_a, sizeof path_a, "%s/%s", run_a, names[i]);
        snprintf(path_b, sizeof path_b, "%s/%s", run_b, names[i]);
        cr_assert_eq(mr_file_read(path_a, &a, &n_a), MR_OK, "%s", mr_error_message());
        cr_assert_eq(mr_file_read(path_b, &b, &n_b), MR_OK, "%s", mr_error_message());
        cr_expect(n_a == n_b && memcmp(a, b, n_a) == 0, "%s differs", names[i]);
        free(a);
        free(b);
    }
}

static void train_here(const char *steps) {
    run_well(RUN_OF("InvertedPendulum-v5", "here", "--steps", steps));
}

Test(bridge, trains_to_the_same_bits_as_in_process) {
    const pid_t a = start(&(circumstances){0}, "a",
                          ARGUMENTS("serve", "Hopper-v5", "--num-envs", "2", "--bind", "ipc://a",
                                    "--env-set", "frame_skip=2"));
    const pid_t b =
        start(&(circumstances){0}, "b",
              ARGUMENTS("serve", "Hopper-v5", "--bind", "ipc://b", "--env-set", "frame_skip=2"));
    run_well(RUN_WITH("zmq:ipc://a,zmq:ipc://b", "there", "3", "0.2", "9", "--steps", "2000",
                      "--seed", "3"));
    outcome o = RUN("eval", "there", "--episodes", "3", "--json");
    expect_success(&o);
    scratch_expect_part(o.out, "\"env\":\"Hopper-v5\"");
    outcome_free(&o);
    stop(a, "a");
    stop(b, "b");
    char *config = scratch_read("there/config.yaml");
    scratch_expect_part(config, "env: zmq:ipc://a,zmq:ipc://b\n");
    scratch_expect_part(config, "num_envs: 3\n");
    free(config);
    const pid_t whole = start(&(circumstances){0}, "whole",
                              ARGUMENTS("serve", "Hopper-v5", "--num-envs", "3", "--bind",
                                        "ipc://c", "--env-set", "frame_skip=2"));
    run_well(RUN_WITH("zmq:ipc://c", "whole", "3", "0.2", "9", "--steps", "2000", "--seed", "3",
                      "--num-envs", "3"));
    stop(whole, "whole");
    expect_same_policies("there", "whole");
}

// The infos are columns; those of a server come with its first step.
Test(bridge, progress_has_the_infos_of_the_task_as_in_process) {
    const pid_t server =
        start(&(circumstances){0}, "s", ARGUMENTS("serve", "Hopper-v5", "--bind", "ipc://s"));
    run_well(RUN_OF("zmq:ipc://s", "there", "--steps", "1100"));
    stop(server, "s");
    run_well(RUN_OF("Hopper-v5", "here", "--steps", "1100"));
    char *there = read_progress("there/progress.csv"), *here = read_progress("here/progress.csv");
    cr_expect_str_eq(there, here);
    scratch_expect_part(here, ",rollout/reward_forward,");
    free(there);
    free(here);
}

static void expect_gamma(const char *config) {
    char *text = scratch_read(config);
    scratch_expect_part(text, "\ngamma: 0.9999\n");
    free(text);
}

// The server says its task when the run begins, and a run from it knows it by the policy.
Test(bridge, presets_have_their_values_for_the_task_of_the_server) {
    const pid_t server =
        start(&(circumstances){0}, "s", ARGUMENTS("serve", "Swimmer-v5", "--bind", "ipc://s"));
    run_well(RUN_OF("zmq:ipc://s", "there", "--steps", "210"));
    expect_gamma("there/config.yaml");
    run_well(RUN_OF("zmq:ipc://s", "tuned", "--steps", "210", "--from", "there"));
    // Swimmer has scalar critics, which any temperature suits.
    run_well(RUN_OF("zmq:ipc://s", "hot", "--steps", "210", "--alpha", "0.2"));
    stop(server, "s");
    expect_gamma("tuned/config.yaml");
    run_well(RUN_OF("Swimmer-v5", "here", "--steps", "210", "--from", "there"));
    expect_gamma("here/config.yaml");
}

// 10,000 steps, each of them over a proxy that harms one message in 25.
Test(bridge, trains_to_the_same_bits_over_a_bad_link) {
    static bad_link link;
    train_here("10000");
    const pid_t server = serve("server", "InvertedPendulum-v5", "ipc://pendulum");
    bad_link_begin(&link, "ipc://link", "ipc://pendulum");
    run_well(RUN_WITH("zmq:ipc://link", "there", "2", "0.02", "1000", "--steps", "10000"));
    bad_link_end(&link);
    expect_same_policies("here", "there");
    stop(server, "server");
}

Test(bridge, keeps_nothing_of_where_it_was_trained_in_the_policy) {
    char env[REMOTE_ENV_SIZE];
    const pid_t a = serve("a", "InvertedPendulum-v5", any_port);
    run_well(RUN_OF(remote_env("a", env), "there", "--steps", "2000"));
    stop(a, "a");
    train_here("2000");
    expect_same_policies("here", "there");
}

Test(bridge, goes_on_with_a_server_that_was_killed_and_begun_again) {
    pid_t a = serve("a", "InvertedPendulum-v5", "ipc://a");
    const pid_t trainer =
        start(&(circumstances){0}, "trainer", RUN_OF("zmq:ipc://a", "there", "--steps", "6000"));
    for (size_t i = 0; i < 3; i++) {
        wait_for_lines("there/progress.csv", 2 + i);
        kill(a, SIGKILL);
        outcome killed = finish(a, "a");
        cr_expect_eq(killed.code, 128 + SIGKILL);
        outcome_free(&killed);
        nap(30);
        a = serve("a", "InvertedPendulum-v5", "ipc://a");
    }
    outcome o = finish(trainer, "trainer");
    expect_success(&o);
    scratch_expect_part(o.out, "finished after 6000 steps");
    outcome_free(&o);
    stop(a, "a");
}

Test(bridge, waits_for_a_server_that_was_paused) {
    const pid_t a = serve("a", "InvertedPendulum-v5", "ipc://a");
    const pid_t trainer =
        start(&(circumstances){0}, "trainer", RUN_OF("zmq:ipc://a", "there", "--steps", "3000"));
    wait_for_lines("there/progress.csv", 2);
    kill(a, SIGSTOP);
    nap(900); // several timeouts
    kill(a, SIGCONT);
    outcome o = finish(trainer, "trainer");
    expect_success(&o);
    outcome_free(&o);
    stop(a, "a");
    train_here("3000");
    expect_same_policies("here", "there"); // nothing was lost, nothing stepped twice
}

Test(bridge, saves_and_names_the_endpoint_when_the_retries_are_spent_and_resumes) {
    pid_t a = serve("a", "InvertedPendulum-v5", "ipc://a");
    const pid_t trainer =
        start(&(circumstances){0}, "trainer",
              RUN_WITH("zmq:ipc://a", "there", "2", "0.05", "2", "--steps", "3000"));
    wait_for_lines("there/progress.csv", 2);
    kill(a, SIGKILL);
    outcome o = finish(a, "a");
    outcome_free(&o);
    o = finish(trainer, "trainer");
    cr_expect_eq(o.code, 1);
    scratch_expect_part(o.err, "ipc://a: no reply to '");
    scratch_expect_part(o.err, "--resume there");
    outcome_free(&o);
    a = serve("a", "InvertedPendulum-v5", "ipc://a");
    o = RUN("train", "--resume", "there", "--timeout", "5");
    expect_success(&o);
    outcome_free(&o);
    stop(a, "a");
    train_here("3000");
    expect_same_policies("here", "there");
}

Test(bridge, says_that_it_waits_and_stops_waiting_when_told) {
    const pid_t trainer = start(&(circumstances){0}, "trainer",
                                ARGUMENTS("train", "zmq:ipc://nobody", "--timeout", "0.3",
                                          "--retries", "1000", "--out", "there"));
    wait_for_lines("trainer.err", 2);
    kill(trainer, SIGINT);
    outcome o = finish(trainer, "trainer");
    cr_expect_eq(o.code, 128 + SIGINT);
    scratch_expect_part(o.err, "ipc://nobody: no reply yet, asked 2 times");
    scratch_expect_part(o.err, "millrace train: stopped\n");
    cr_expect_neq(access("there", F_OK), 0);
    outcome_free(&o);
}

Test(bridge, stops_an_evaluation_that_waits_for_a_server) {
    train_here("300");
    const pid_t evaluation = start(&(circumstances){0}, "eval",
                                   ARGUMENTS("eval", "here", "--env", "zmq:ipc://nobody",
                                             "--timeout", "0.3", "--retries", "1000"));
    wait_for_lines("eval.err", 1);
    kill(evaluation, SIGTERM);
    outcome o = finish(evaluation, "eval");
    cr_expect_eq(o.code, 128 + SIGTERM);
    scratch_expect_part(o.err, "millrace eval: stopped\n");
    outcome_free(&o);
}

// The session of the one that was stopped must not be in the way of the next.
Test(bridge, resumes_at_once_after_it_was_stopped_in_the_middle_of_a_step) {
    const pid_t a = serve("a", "InvertedPendulum-v5", "ipc://a");
    const pid_t trainer =
        start(&(circumstances){0}, "trainer", RUN_OF("zmq:ipc://a", "there", "--steps", "3000"));
    wait_for_lines("there/progress.csv", 2);
    kill(a, SIGSTOP);
    nap(100); // it is waiting for a step
    kill(trainer, SIGINT);
    outcome o = finish(trainer, "trainer");
    cr_expect_eq(o.code, 130); // stopped in good order, as anywhere else
    scratch_expect_part(o.out, "--resume there");
    outcome_free(&o);
    kill(a, SIGCONT);
    run_well(ARGUMENTS("train", "--resume", "there"));
    stop(a, "a");
    train_here("3000");
    expect_same_policies("here", "there");
}

Test(bridge, serves_one_trainer_at_a_time_and_the_next_after_a_crash) {
    const pid_t a =
        start(&(circumstances){0}, "a",
              ARGUMENTS("serve", "InvertedPendulum-v5", "--bind", "ipc://a", "--lease", "0.4"));
    const pid_t first =
        start(&(circumstances){0}, "first", RUN_OF("zmq:ipc://a", "first", "--steps", "1000000"));
    wait_for_lines("first/progress.csv", 2);
    outcome o = run(RUN_OF("zmq:ipc://a", "second", "--steps", "300"));
    expect_refusal(&o, 1, "ipc://a: busy: ");
    kill(first, SIGKILL);
    o = finish(first, "first");
    outcome_free(&o);
    nap(500);
    run_well(RUN_OF("zmq:ipc://a", "second", "--steps", "300"));
    stop(a, "a");
}

Test(bridge, hands_the_environments_on_when_a_trainer_is_done) {
    const pid_t a = serve("a", "InvertedPendulum-v5", "ipc://a");
    for (int i = 0; i < 3; i++) {
        char out[16];
        snprintf(out, sizeof out, "run%d", i);
        outcome o = run(RUN_OF("zmq:ipc://a", out, "--steps", "300"));
        expect_success(&o);
        outcome_free(&o);
    }
    stop(a, "a");
}

static void send_noise(int port) {
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned char noise[4096];
    srand(1);
    for (int k = 0; k < 200; k++) {
        const int connection = socket(AF_INET, SOCK_STREAM, 0);
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (unsigned char)rand();
        // Some get past ZeroMQ's greeting.
        if (k % 2 == 0)
            memcpy(noise, "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32);
        if (connect(connection, (const struct sockaddr *)&address, sizeof address) == 0)
            cr_expect_neq(send(connection, noise, sizeof noise, MSG_NOSIGNAL), 0);
        close(connection);
    }
}

Test(bridge, stays_up_for_others_whatever_comes_in) {
    char env[REMOTE_ENV_SIZE];
    const pid_t a = serve("a", "InvertedPendulum-v5", any_port);
    const pid_t trainer = start(&(circumstances){0}, "trainer",
                                RUN_OF(remote_env("a", env), "there", "--steps", "2000"));
    wait_for_lines("there/progress.csv", 2);
    const size_t n_before = n_open_files(a);
    send_noise(port_of(env));
    outcome o = finish(trainer, "trainer");
    expect_success(&o);
    outcome_free(&o);
    nap(100);
    cr_expect_leq(n_open_files(a), n_before + 2);
    stop(a, "a");
    train_here("2000");
    expect_same_policies("here", "there");
}

Test(bridge, trains_over_an_encrypted_connection) {
    outcome o = RUN("keygen", "server");
    expect_success(&o);
    outcome_free(&o);
    mkdir("allowed", 0777);
    o = RUN("keygen", "allowed/me");
    expect_success(&o);
    outcome_free(&o);
    char env[REMOTE_ENV_SIZE];
    const pid_t a =
        start(&(circumstances){0}, "a",
              ARGUMENTS("serve", "InvertedPendulum-v5", "--bind", any_port, "--curve-secret-key",
                        "server.key_secret", "--curve-allow", "allowed"));
    o = run(RUN_WITH(remote_env("a", env), "refused", "2", "0.2", "0", "--steps", "300"));
    expect_refusal(&o, 1, ": no reply to 'hello'");
    run_well(RUN_OF(env, "there", "--steps", "300", "--curve-server-key", "server.key",
                    "--curve-secret-key", "allowed/me.key_secret"));
    o = RUN("eval", "there", "--episodes", "1"); // with the run's keys
    expect_success(&o);
    outcome_free(&o);
    stop(a, "a");
}

// The reply never comes; what is said before is what counts.
static void expect_warning_of_key(outcome o) {
    scratch_expect_part(o.err, "warning: k.key_secret is a secret key that others");
    outcome_free(&o);
}

#define WITH_OPEN_KEY                                                                              \
    "--timeout", "0.02", "--retries", "0", "--curve-server-key", "k.key", "--curve-secret-key",    \
        "k.key_secret"

Test(bridge, warns_of_a_secret_key_that_others_can_read) {
    outcome o = RUN("keygen", "k");
    expect_success(&o);
    outcome_free(&o);
    cr_assert_eq(chmod("k.key_secret", 0644), 0);
    cr_assert_eq(mkdir("allowed", 0777), 0);
    char *public_key = scratch_read("k.key");
    scratch_write("allowed/k.key", public_key);
    free(public_key);
    const pid_t server =
        start(&(circumstances){0}, "server",
              ARGUMENTS("serve", "Pendulum-v1", "--bind", "ipc://s", "--curve-secret-key",
                        "k.key_secret", "--curve-allow", "allowed"));
    wait_for_lines("server.err", 2);
    kill(server, SIGTERM);
    expect_warning_of_key(finish(server, "server"));
    expect_warning_of_key(RUN("train", "zmq:ipc://nobody", "--out", "there", WITH_OPEN_KEY));
    train_here("300");
    expect_warning_of_key(RUN("eval", "here", "--env", "zmq:ipc://nobody", WITH_OPEN_KEY));
    cr_assert_eq(chmod("k.key_secret", 0600), 0);
    o = RUN("train", "zmq:ipc://nobody", "--out", "there", WITH_OPEN_KEY);
    cr_expect_null(strstr(o.err, "warning"), "%s", o.err);
    outcome_free(&o);
}

Test(bridge, serves_in_no_place_that_is_taken) {
    scratch_write("file", "precious");
    outcome o = RUN("serve", "Pendulum-v1", "--bind", "ipc://file");
    expect_refusal(&o, 1, "ipc://file: a file is there");
    char *kept = scratch_read("file");
    cr_expect_str_eq(kept, "precious");
    free(kept);
    const pid_t server = serve("server", "Pendulum-v1", "ipc://s");
    wait_for_lines("server.err", 1);
    o = RUN("serve", "Pendulum-v1", "--bind", "ipc://s");
    expect_refusal(&o, 1, "ipc://s: another server is there");
    kill(server, SIGKILL);
    o = finish(server, "server");
    outcome_free(&o);
    const pid_t next = serve("next", "Pendulum-v1", "ipc://s");
    wait_for_lines("next.err", 1);
    stop(next, "next");
}

Test(bridge, refuses_addresses_that_others_reach) {
    outcome o = RUN("serve", "InvertedPendulum-v5", "--bind", "tcp://0.0.0.0:*");
    expect_refusal(&o, 2, "--insecure");
    o = RUN("serve", "zmq:ipc://a");
    expect_refusal(&o, 2, "is remote already");
    o = RUN("serve", "InvertedPendulum-v5", "--bind", "tcp://127.0.0.1:99999");
    expect_refusal(&o, 2, "is no endpoint");
    o = RUN("eval", "nothing", "--env", "zmq:ipc://a");
    cr_expect_eq(o.code, 1);
    outcome_free(&o);
}
