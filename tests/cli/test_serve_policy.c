// `millrace serve-policy` as a process: asked over a socket, stopped by a signal.

#include <math.h>
#include <zmq.h>

#include "envs/zmq/message.h"
#include "tests/cli/command_runner.h"

TestSuite(serve_policy, .init = scratch_enter, .fini = scratch_leave, .timeout = 60);

static void train(void) {
    outcome o =
        RUN("train", "Pendulum-v1", "--steps", "50", "--learning-starts", "40", "--batch-size", "8",
            "--hidden", "16", "--threads", "1", "--eval-episodes", "1", "--out", "run");
    expect_success(&o);
    outcome_free(&o);
}

typedef struct {
    void *context, *socket;
    mr_message_reader *reader;
    char reply[4096];
} asker;

static void asker_open(asker *a, const char *endpoint) {
    const int timeout_ms = 20000, linger_ms = 0;
    a->context = zmq_ctx_new();
    a->socket = zmq_socket(a->context, ZMQ_REQ);
    zmq_setsockopt(a->socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(a->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    cr_assert_eq(zmq_connect(a->socket, endpoint), 0);
    cr_assert_eq(mr_message_reader_new(&a->reader), MR_OK);
}

static void asker_close(asker *a) {
    mr_message_reader_free(a->reader);
    zmq_close(a->socket);
    zmq_ctx_term(a->context);
}

static mr_message ask(asker *a, uint64_t seq, mr_message message) {
    mr_message_buffer buffer = {0};
    mr_message_head head;
    mr_message got;
    message.seq = seq;
    cr_assert_eq(mr_message_write(&message, &buffer), MR_OK);
    cr_assert_geq(zmq_send(a->socket, buffer.data, buffer.n_bytes, 0), 0);
    const int n_bytes = zmq_recv(a->socket, a->reply, sizeof a->reply, 0);
    cr_assert_gt(n_bytes, 0, "no reply");
    cr_assert_eq(mr_message_read(a->reader, a->reply, (size_t)n_bytes, &head, &got), MR_OK);
    mr_message_buffer_free(&buffer);
    return got;
}

static mr_message act_on(const double *obs, bool stochastic) {
    return (mr_message){
        .type = MR_MESSAGE_ACT, .n = 1, .obs = {obs, 3 * sizeof *obs}, .stochastic = stochastic};
}

static double action_of(mr_message message) {
    double action;
    cr_assert_eq(message.type, MR_MESSAGE_ACTION, "%s", message.message);
    memcpy(&action, message.actions.data, sizeof action);
    return action;
}

static void serves_until(int signal_number, const char *run_or_file) {
    static const double obs[] = {0.6, 0.8, -1}, bad[] = {0.6, NAN, -1};
    asker a;
    const pid_t server =
        start(&(circumstances){0}, "a",
              ARGUMENTS("serve-policy", run_or_file, "--bind", "ipc://socket", "--seed", "3"));
    asker_open(&a, "ipc://socket");
    mr_message got = ask(&a, 0, (mr_message){.type = MR_MESSAGE_HELLO, .client = "test"});
    cr_expect_str_eq(got.name, "Pendulum-v1");
    const double action = action_of(ask(&a, 1, act_on(obs, false)));
    const double sampled = action_of(ask(&a, 2, act_on(obs, true)));
    cr_expect_neq(sampled, action);
    cr_expect_eq(ask(&a, 3, act_on(bad, false)).code, MR_FAULT_BAD_OBS);
    cr_expect_eq(action_of(ask(&a, 4, act_on(obs, false))), action); // it is still there
    cr_expect_eq(action_of(ask(&a, 2, act_on(obs, true))), sampled);
    asker_close(&a);
    kill(server, signal_number);
    outcome o = finish(server, "a");
    expect_success(&o);
    scratch_expect_part(o.out, "6 requests, 4 actions");
    scratch_expect_part(o.err, "at ipc://socket; Ctrl-C stops it");
    outcome_free(&o);
}

Test(serve_policy, serves_a_run_and_a_file_until_a_signal) {
    train();
    serves_until(SIGTERM, "run");
    serves_until(SIGINT, "run/policy.safetensors");
}

Test(serve_policy, refuses_what_it_can_not_serve) {
    outcome o = RUN("serve-policy", "nothing");
    expect_refusal(&o, 1, "nothing");
    mkdir("empty", 0777);
    o = RUN("serve-policy", "empty");
    expect_refusal(&o, 1, "empty holds no policy.safetensors");
    o = RUN("serve-policy");
    cr_expect_eq(o.code, 2);
    outcome_free(&o);
    train();
    o = RUN("serve-policy", "run", "--bind", "tcp://0.0.0.0:*");
    expect_refusal(&o, 2, "--insecure");
}
