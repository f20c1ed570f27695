// Environments of servers: stepped as if they were here, whatever happens in between.

#include <math.h>
#include <unistd.h>

#include "envs/zmq/curve.h"
#include "envs/zmq/message.h"
#include "base/random.h"
#include "tests/envs/bad_link.h"
#include "tests/envs/server_thread.h"
#include "tests/scratch.h"

#include <sys/stat.h>

TestSuite(remote, .init = scratch_enter, .fini = scratch_leave);

enum { OBS_DIM = 3, MAX_ENVS = 4 };

static const mr_env_link quick = {.timeout_s = 0.1, .retries = 3};
static const mr_env_link patient = {.timeout_s = 5, .retries = 2};

static mr_status open_remote(const char *name, const mr_env_link *link, size_t n,
                             mr_vec_env **out) {
    return mr_vec_env_open(name, &(mr_env_options){.link = link}, n, 1, out);
}

static mr_vec_env *must_open(const char *name, const mr_env_link *link, size_t n) {
    mr_vec_env *vec = NULL;
    cr_assert_eq(open_remote(name, link, n, &vec), MR_OK, "%s", mr_error_message());
    return vec;
}

static void serve(server_thread *s, const char *env, size_t n, double lease_s, const char *bind) {
    server_begin(s, env, n, lease_s, &(mr_service_options){.bind = bind});
}

static void reset_all(mr_vec_env *vec, double *obs) {
    for (size_t i = 0; i < mr_vec_env_n(vec); i++)
        cr_assert_eq(mr_vec_env_reset(vec, i, &(uint64_t){100 + i}, obs + i * OBS_DIM), MR_OK, "%s",
                     mr_error_message());
}

// Steps both by the same actions and resets where episodes end: every number is the same.
static void expect_same_steps(mr_vec_env *a, mr_vec_env *b, size_t n_steps) {
    const size_t n = mr_vec_env_n(a);
    double obs_a[MAX_ENVS * OBS_DIM], obs_b[MAX_ENVS * OBS_DIM], actions[MAX_ENVS];
    mr_step steps_a[MAX_ENVS], steps_b[MAX_ENVS];
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    reset_all(a, obs_a);
    reset_all(b, obs_b);
    cr_assert_eq(memcmp(obs_a, obs_b, n * OBS_DIM * sizeof *obs_a), 0);
    for (size_t k = 0; k < n_steps; k++) {
        for (size_t i = 0; i < n; i++)
            actions[i] = mr_random_between(&random, -2, 2);
        cr_assert_eq(mr_vec_env_step(a, NULL, actions, obs_a, steps_a), MR_OK, "step %zu: %s", k,
                     mr_error_message());
        cr_assert_eq(mr_vec_env_step(b, NULL, actions, obs_b, steps_b), MR_OK);
        cr_assert_eq(memcmp(obs_a, obs_b, n * OBS_DIM * sizeof *obs_a), 0, "step %zu", k);
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(steps_a[i].reward, steps_b[i].reward);
            cr_assert_not(steps_a[i].lost);
            cr_assert_eq(steps_a[i].truncated, steps_b[i].truncated);
            if (!steps_a[i].truncated)
                continue;
            const uint64_t seed = k + i;
            cr_assert_eq(mr_vec_env_reset(a, i, &seed, obs_a + i * OBS_DIM), MR_OK);
            cr_assert_eq(mr_vec_env_reset(b, i, &seed, obs_b + i * OBS_DIM), MR_OK);
        }
    }
}

static void expect_same_as_here(const char *name, const mr_env_link *link, size_t n,
                                size_t n_steps) {
    mr_vec_env *there = must_open(name, link, 0), *here;
    cr_assert_eq(mr_vec_env_n(there), n);
    cr_assert_eq(mr_vec_env_open("Pendulum-v1", NULL, n, 1, &here), MR_OK);
    cr_expect_str_eq(mr_vec_env_get_spec(there)->name, "Pendulum-v1");
    cr_expect_str_eq(mr_vec_env_get_spec(there)->engine, mr_vec_env_get_spec(here)->engine);
    expect_same_steps(there, here, n_steps);
    mr_vec_env_close(there);
    mr_vec_env_close(here);
}

Test(remote, steps_as_here_over_several_servers) {
    server_thread a, b;
    serve(&a, "Pendulum-v1", 3, 60, "ipc://a");
    serve(&b, "Pendulum-v1", 1, 60, "ipc://b");
    expect_same_as_here("zmq:ipc://a,zmq:ipc://b", &patient, 4, 500);
    // All is given back at the end.
    cr_expect_not(mr_responder_get_metrics(a.responder).is_held);
    server_end(&a);
    server_end(&b);
}

Test(remote, steps_only_those_that_are_active) {
    server_thread a;
    double obs[2 * OBS_DIM], before;
    mr_step steps[2] = {0};
    serve(&a, "Pendulum-v1", 2, 60, "ipc://a");
    mr_vec_env *vec = must_open("zmq:ipc://a", &patient, 2);
    reset_all(vec, obs);
    before = obs[0];
    steps[0].reward = 7;
    cr_assert_eq(mr_vec_env_step(vec, (bool[]){false, true}, (double[]){NAN, 1}, obs, steps),
                 MR_OK);
    cr_expect_eq(obs[0], before);
    cr_expect_eq(steps[0].reward, 7);
    cr_expect_eq(mr_responder_get_metrics(a.responder).n_steps, 1);
    cr_expect_eq(mr_vec_env_step(vec, NULL, (double[]){NAN, 1}, obs, steps), MR_ERR_NUMERIC);
    mr_vec_env_close(vec);
    server_end(&a);
}

Test(remote, refuses_what_does_not_fit) {
    server_thread a, b;
    mr_vec_env *vec = NULL;
    mr_env *env = NULL;
    serve(&a, "Pendulum-v1", 2, 60, "ipc://a");
    serve(&b, "MountainCarContinuous-v0", 1, 60, "ipc://b");
    cr_expect_eq(open_remote("zmq:ipc://a", &patient, 3, &vec), MR_ERR_USAGE);
    scratch_expect_message("ipc://a has 2");
    cr_expect_eq(open_remote("zmq:ipc://a,zmq:ipc://b", &patient, 0, &vec), MR_ERR_USAGE);
    scratch_expect_message("ipc://b has MountainCarContinuous-v0");
    cr_expect_eq(mr_vec_env_open("zmq:ipc://a", &(mr_env_options){.set = "a=1"}, 0, 1, &vec),
                 MR_ERR_USAGE);
    cr_expect_eq(open_remote("zmq:nowhere", &patient, 0, &vec), MR_ERR_USAGE);
    cr_expect_eq(open_remote("zmq:", &patient, 0, &vec), MR_ERR_USAGE);
    cr_expect_eq(
        open_remote("zmq:ipc://c", &(mr_env_link){.timeout_s = 0.02, .retries = 2}, 0, &vec),
        MR_ERR_IO);
    scratch_expect_message("ipc://c: no reply to 'hello' within 0.02 s, 3 times");
    cr_expect_eq(mr_env_open("zmq:ipc://a", NULL, &env), MR_ERR_USAGE); // it has two
    cr_assert_eq(mr_env_open("zmq:ipc://b", NULL, &env), MR_OK, "%s", mr_error_message());
    mr_env_close(env);
    server_end(&a);
    server_end(&b);
}

Test(remote, truncates_episodes_when_a_server_is_restarted) {
    server_thread a, b;
    double obs[3 * OBS_DIM];
    const double actions[3] = {0};
    mr_step steps[3];
    serve(&a, "Pendulum-v1", 2, 60, "ipc://a");
    serve(&b, "Pendulum-v1", 1, 60, "ipc://b");
    mr_vec_env *vec = must_open("zmq:ipc://a,zmq:ipc://b", &patient, 3);
    reset_all(vec, obs);
    cr_assert_eq(mr_vec_env_step(vec, NULL, actions, obs, steps), MR_OK);
    server_end(&a);
    serve(&a, "Pendulum-v1", 2, 60, "ipc://a");
    cr_assert_eq(mr_vec_env_step(vec, NULL, actions, obs, steps), MR_OK, "%s", mr_error_message());
    cr_expect(steps[0].lost && steps[0].truncated);
    cr_expect(steps[1].lost && !steps[2].lost);
    // One is reset, the other stays lost until it is.
    cr_assert_eq(mr_vec_env_reset(vec, 0, NULL, obs), MR_OK);
    cr_assert_eq(mr_vec_env_step(vec, NULL, actions, obs, steps), MR_OK);
    cr_expect(!steps[0].lost && steps[1].lost && !steps[2].lost);
    // A reset finds out as well.
    server_end(&b);
    serve(&b, "Pendulum-v1", 1, 60, "ipc://b");
    cr_assert_eq(mr_vec_env_reset(vec, 2, NULL, obs + 2 * OBS_DIM), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_vec_env_step(vec, NULL, actions, obs, steps), MR_OK);
    cr_expect(!steps[2].lost);
    mr_vec_env_close(vec);
    server_end(&a);
    server_end(&b);
}

// ---- A step that gets no reply

static const mr_env_link hasty = {.timeout_s = 0.1, .retries = 0};

// It is at the step for longer than the client waits.
static void step_without_reply(server_thread *s, mr_vec_env *vec, double *obs, mr_step *result) {
    reset_all(vec, obs);
    atomic_store(&s->pause_us, 600000);
    cr_assert_eq(mr_vec_env_step(vec, NULL, (double[]){2}, obs, result), MR_ERR_IO);
    scratch_expect_message("ipc://a: no reply to 'step' within 0.1 s, 1 time");
}

Test(remote, takes_no_reply_to_an_action_before_for_that_to_the_next) {
    server_thread a;
    double obs[OBS_DIM], expected[OBS_DIM];
    mr_step result, expected_result;
    mr_vec_env *here;
    serve(&a, "Pendulum-v1", 1, 60, "ipc://a");
    mr_vec_env *vec = must_open("zmq:ipc://a", &hasty, 1);
    step_without_reply(&a, vec, obs, &result);
    cr_expect_eq(mr_vec_env_step(vec, NULL, (double[]){-1}, obs, &result), MR_ERR_IO);
    usleep(800000); // its reply is there
    cr_expect_eq(mr_vec_env_step(vec, NULL, (double[]){-1}, obs, &result), MR_ERR_USAGE);
    scratch_expect_message("reset the environment first");
    reset_all(vec, obs);
    cr_assert_eq(mr_vec_env_step(vec, NULL, (double[]){-1}, obs, &result), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_vec_env_open("Pendulum-v1", NULL, 1, 1, &here), MR_OK);
    reset_all(here, expected);
    cr_assert_eq(mr_vec_env_step(here, NULL, (double[]){-1}, expected, &expected_result), MR_OK);
    cr_expect_eq(memcmp(obs, expected, sizeof obs), 0);
    cr_expect_eq(result.reward, expected_result.reward);
    cr_expect_eq(mr_responder_get_metrics(a.responder).n_steps, 2);
    mr_vec_env_close(here);
    mr_vec_env_close(vec);
    server_end(&a);
}

Test(remote, frees_a_server_that_is_still_at_a_step) {
    server_thread a;
    double obs[OBS_DIM];
    mr_step result;
    serve(&a, "Pendulum-v1", 1, 60, "ipc://a");
    mr_vec_env *vec = must_open("zmq:ipc://a", &hasty, 1);
    step_without_reply(&a, vec, obs, &result);
    mr_vec_env_close(vec);
    scratch_expect_message("no reply to 'step'"); // not what became of the goodbye
    vec = must_open("zmq:ipc://a", &patient, 1);
    reset_all(vec, obs);
    mr_vec_env_close(vec);
    server_end(&a);
}

Test(remote, refuses_a_server_restarted_with_another_environment) {
    server_thread a;
    double obs[OBS_DIM];
    mr_step result;
    serve(&a, "Pendulum-v1", 1, 60, "ipc://a");
    mr_vec_env *vec = must_open("zmq:ipc://a", &patient, 1);
    reset_all(vec, obs);
    server_end(&a);
    serve(&a, "MountainCarContinuous-v0", 1, 60, "ipc://a");
    cr_expect_eq(mr_vec_env_step(vec, NULL, (double[]){0}, obs, &result), MR_ERR_INPUT);
    scratch_expect_message("restarted with another environment");
    mr_vec_env_close(vec);
    server_end(&a);
}

// The code of its answer, or MR_FAULT_NONE where it is welcome.
static mr_fault hello_of_another_process(const char *endpoint) {
    mr_message hello = {.type = MR_MESSAGE_HELLO, .client = "test", .process = "elsewhere:1:1:1:1"};
    mr_message_buffer request = {0};
    mr_message_reader *reader;
    mr_message_head head;
    mr_message reply;
    char bytes[4096];
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_REQ);
    cr_assert_eq(mr_message_write(&hello, &request), MR_OK);
    cr_assert_eq(mr_message_reader_new(&reader), MR_OK);
    cr_assert_eq(zmq_connect(socket, endpoint), 0);
    zmq_send(socket, request.data, request.n_bytes, 0);
    const int n_bytes = zmq_recv(socket, bytes, sizeof bytes, 0);
    cr_assert(n_bytes > 0 && n_bytes <= (int)sizeof bytes);
    cr_assert_eq(mr_message_read(reader, bytes, (size_t)n_bytes, &head, &reply), MR_OK);
    const mr_fault code = reply.type == MR_MESSAGE_ERROR ? reply.code : MR_FAULT_NONE;
    mr_message_reader_free(reader);
    mr_message_buffer_free(&request);
    zmq_close(socket);
    zmq_ctx_term(context);
    return code;
}

// Of the same process: a program that opens its environments anew, and has not closed the first.
Test(remote, gives_way_to_a_later_one_of_its_process_and_takes_nothing_back) {
    server_thread a;
    double obs[OBS_DIM];
    mr_step result;
    serve(&a, "Pendulum-v1", 1, 60, "ipc://a");
    mr_vec_env *first = must_open("zmq:ipc://a", &patient, 1);
    reset_all(first, obs);
    mr_vec_env *second = must_open("zmq:ipc://a", &patient, 1);
    reset_all(second, obs);
    cr_expect_eq(mr_vec_env_step(first, NULL, (double[]){0}, obs, &result), MR_ERR_IO);
    scratch_expect_message("ipc://a: busy: ");
    cr_expect_eq(mr_vec_env_step(second, NULL, (double[]){0}, obs, &result), MR_OK);
    mr_vec_env_close(first);
    cr_expect_eq(mr_vec_env_step(second, NULL, (double[]){0}, obs, &result), MR_OK);
    mr_vec_env_close(second);
    server_end(&a);
}

Test(remote, keeps_its_lease_while_it_computes) {
    server_thread a;
    double obs[OBS_DIM];
    mr_step result;
    serve(&a, "Pendulum-v1", 1, 0.3, "ipc://a");
    mr_vec_env *vec = must_open("zmq:ipc://a", &patient, 1);
    reset_all(vec, obs);
    for (int i = 0; i < 5; i++) {
        usleep(200000);
        cr_expect_eq(hello_of_another_process("ipc://a"), MR_FAULT_BUSY);
    }
    cr_expect_eq(mr_vec_env_step(vec, NULL, (double[]){0}, obs, &result), MR_OK);
    mr_vec_env_close(vec);
    server_end(&a);
}

Test(remote, encrypts_where_both_sides_have_keys) {
    server_thread a;
    mr_vec_env *vec = NULL;
    mkdir("allowed", 0777);
    cr_assert_eq(mr_curve_make_pair("server"), MR_OK);
    cr_assert_eq(mr_curve_make_pair("allowed/me"), MR_OK);
    cr_assert_eq(mr_curve_make_pair("stranger"), MR_OK);
    server_begin(&a, "Pendulum-v1", 1, 60,
                 &(mr_service_options){.bind = "ipc://a",
                                       .curve_secret_key = "server.key_secret",
                                       .curve_allow = "allowed"});
    mr_env_link link = quick;
    cr_expect_eq(open_remote("zmq:ipc://a", &link, 0, &vec), MR_ERR_IO); // no keys
    link.curve_server_key = "server.key";
    cr_expect_eq(open_remote("zmq:ipc://a", &link, 0, &vec), MR_ERR_USAGE); // half of them
    link.curve_secret_key = "stranger.key_secret";
    cr_expect_eq(open_remote("zmq:ipc://a", &link, 0, &vec), MR_ERR_IO);
    scratch_expect_message("do the keys match?");
    link = patient;
    link.curve_server_key = "server.key";
    link.curve_secret_key = "allowed/me.key_secret";
    expect_same_as_here("zmq:ipc://a", &link, 1, 50);
    server_end(&a);
}

// ---- A minimal server: a REP socket

typedef struct {
    void *socket;
    mr_responder *responder;
    atomic_bool is_stopped;
} rep_server;

static void *rep_run(void *self) {
    rep_server *s = self;
    while (!atomic_load(&s->is_stopped)) {
        char request[4096];
        const int n = zmq_recv(s->socket, request, sizeof request, 0);
        if (n < 0)
            continue;
        const mr_bytes reply = server_answer(s->responder, (mr_bytes){request, (size_t)n});
        zmq_send(s->socket, reply.data, reply.n_bytes, 0);
    }
    return NULL;
}

Test(remote, speaks_to_a_plain_rep_socket) {
    mr_vec_env *envs;
    rep_server s = {0};
    pthread_t thread;
    void *context = zmq_ctx_new();
    s.socket = zmq_socket(context, ZMQ_REP);
    zmq_setsockopt(s.socket, ZMQ_RCVTIMEO, &(int){5}, sizeof(int));
    cr_assert_eq(zmq_bind(s.socket, "ipc://rep"), 0);
    cr_assert_eq(mr_vec_env_open("Pendulum-v1", NULL, 2, 1, &envs), MR_OK);
    cr_assert_eq(mr_responder_new(envs, 60, &s.responder), MR_OK);
    pthread_create(&thread, NULL, rep_run, &s);
    expect_same_as_here("zmq:ipc://rep", &patient, 2, 300);
    atomic_store(&s.is_stopped, true);
    pthread_join(thread, NULL);
    zmq_close(s.socket);
    zmq_ctx_term(context);
    mr_responder_free(s.responder);
    mr_vec_env_close(envs);
}

Test(remote, loses_and_doubles_nothing_over_a_bad_link, .timeout = 120) {
    static bad_link b;
    static const mr_env_link stubborn = {.timeout_s = 0.01, .retries = 1000};
    server_thread s;
    serve(&s, "Pendulum-v1", 2, 60, "ipc://server");
    bad_link_begin(&b, "ipc://proxy", "ipc://server");
    expect_same_as_here("zmq:ipc://proxy", &stubborn, 2, 10000);
    bad_link_end(&b);
    cr_expect_eq(mr_responder_get_metrics(s.responder).n_steps, 20000);
    server_end(&s);
}
