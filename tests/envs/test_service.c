// Endpoints, keys, and the socket of a server.

#include "envs/zmq/service.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <zmq.h>

#include "envs/zmq/curve.h"
#include "envs/zmq/endpoint.h"
#include "tests/scratch.h"

TestSuite(service, .init = scratch_enter, .fini = scratch_leave);

Test(service, knows_what_only_this_machine_reaches) {
    static const char *const local[] = {"ipc:///tmp/a", "tcp://127.0.0.1:5555", "tcp://127.8.9.1:*",
                                        "tcp://localhost:1", "tcp://[::1]:5555"};
    static const char *const open[] = {"tcp://0.0.0.0:5555",  "tcp://*:5555",
                                       "tcp://10.0.0.1:5555", "tcp://[::]:5555",
                                       "tcp://eth0:5555",     "tcp://127.0.0.1.example.org:5555"};
    for (size_t i = 0; i < MR_COUNT(local); i++)
        cr_expect(mr_endpoint_is_local(local[i]), "%s", local[i]);
    for (size_t i = 0; i < MR_COUNT(open); i++)
        cr_expect_not(mr_endpoint_is_local(open[i]), "%s", open[i]);
}

Test(service, takes_no_address_for_another) {
    static const char *const bad[] = {"",           "foo",           "tcp://",        "tcp://a",
                                      "tcp://a:00", "tcp://a:99999", "tcp://a:5555x", "ipc://"};
    for (size_t i = 0; i < MR_COUNT(bad); i++)
        cr_expect_eq(mr_endpoint_check(bad[i], true), MR_ERR_USAGE, "%s", bad[i]);
    cr_expect_eq(mr_endpoint_check("tcp://127.0.0.1:*", true), MR_OK);
    cr_expect_eq(mr_endpoint_check("tcp://127.0.0.1:*", false), MR_ERR_USAGE);
}

static mr_bytes echo(void *self, mr_bytes request) {
    (void)self;
    return request;
}

static mr_status try_to_open(const mr_service_options *options) {
    mr_service *service = NULL;
    const mr_status status =
        mr_service_open((mr_answerer){.answer = echo, .max_bytes = 1000}, options, &service);
    mr_service_close(service);
    return status;
}

Test(service, binds_what_others_reach_only_with_keys_or_when_told_so) {
    mkdir("allowed", 0777);
    cr_assert_eq(mr_curve_make_pair("server"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_curve_make_pair("allowed/client"), MR_OK);
    cr_expect_eq(try_to_open(&(mr_service_options){.bind = "tcp://0.0.0.0:*"}), MR_ERR_USAGE);
    scratch_expect_message("--insecure");
    cr_expect_eq(try_to_open(&(mr_service_options){.bind = "tcp://0.0.0.0:*", .insecure = true}),
                 MR_OK);
    mr_service_options keyed = {.bind = "tcp://0.0.0.0:*", .curve_secret_key = "server.key_secret"};
    cr_expect_eq(try_to_open(&keyed), MR_ERR_USAGE);
    scratch_expect_message("--curve-allow");
    keyed.curve_allow = "allowed";
    cr_expect_eq(try_to_open(&keyed), MR_OK, "%s", mr_error_message());
    keyed.curve_secret_key = "server.key"; // the wrong one of the two
    cr_expect_eq(try_to_open(&keyed), MR_ERR_INPUT);
    keyed.curve_allow = "nowhere";
    cr_expect_eq(try_to_open(&keyed), MR_ERR_USAGE);
    scratch_expect_message("nowhere holds no public key");
}

Test(service, makes_keys_once_and_for_one) {
    struct stat info;
    char public[MR_KEY_SIZE], secret[MR_KEY_SIZE], derived[MR_KEY_SIZE];
    cr_assert_eq(mr_curve_make_pair("me"), MR_OK);
    cr_assert_eq(stat("me.key_secret", &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0600);
    cr_expect_eq(mr_curve_make_pair("me"), MR_ERR_USAGE);
    scratch_expect_message("exists already");
    cr_assert_eq(mr_curve_read("me.key", MR_KEY_PUBLIC, public), MR_OK);
    cr_assert_eq(mr_curve_read("me.key_secret", MR_KEY_SECRET, secret), MR_OK);
    cr_assert_eq(zmq_curve_public(derived, secret), 0);
    cr_expect_str_eq(derived, public);
    cr_expect_eq(mr_curve_read("me.key", MR_KEY_SECRET, secret), MR_ERR_INPUT);
    scratch_write("bare", public);
    cr_expect_eq(mr_curve_read("bare", MR_KEY_PUBLIC, derived), MR_OK);
    scratch_write("bad", "    public-key = \"0123456789012345678901234567890123456789012345\"\n");
    cr_expect_eq(mr_curve_read("bad", MR_KEY_PUBLIC, derived), MR_ERR_INPUT);
}

Test(service, knows_a_key_that_others_can_read) {
    static const mode_t open_modes[] = {0644, 0640, 0602, 0620};
    cr_assert_eq(mr_curve_make_pair("me"), MR_OK);
    cr_expect_not(mr_curve_is_open_to_others("me.key_secret"));
    for (size_t i = 0; i < MR_COUNT(open_modes); i++) {
        cr_assert_eq(chmod("me.key_secret", open_modes[i]), 0);
        cr_expect(mr_curve_is_open_to_others("me.key_secret"), "%o", (unsigned)open_modes[i]);
    }
    cr_expect_not(mr_curve_is_open_to_others("nowhere"));
}

Test(service, makes_no_key_over_half_a_pair) {
    scratch_write("a.key", "mine");
    cr_expect_eq(mr_curve_make_pair("a"), MR_ERR_USAGE);
    scratch_expect_message("a.key exists already");
    cr_expect_neq(access("a.key_secret", F_OK), 0);
    scratch_write("b.key_secret", "mine");
    cr_expect_eq(mr_curve_make_pair("b"), MR_ERR_USAGE);
    scratch_expect_message("b.key_secret exists already");
    cr_expect_neq(access("b.key", F_OK), 0);
    char *kept = scratch_read("b.key_secret");
    cr_expect_str_eq(kept, "mine");
    free(kept);
}

// ---- With a client

typedef struct {
    mr_service *service;
    pthread_t thread;
    atomic_bool is_stopped;
} running;

static void *serve(void *self) {
    running *r = self;
    while (!atomic_load(&r->is_stopped))
        mr_service_run(r->service, 10);
    return NULL;
}

static void start_service(running *r, const mr_service_options *options) {
    const mr_answerer answerer = {.answer = echo, .max_bytes = 1000};
    atomic_init(&r->is_stopped, false);
    cr_assert_eq(mr_service_open(answerer, options, &r->service), MR_OK, "%s", mr_error_message());
    cr_assert_eq(pthread_create(&r->thread, NULL, serve, r), 0);
}

static void stop_service(running *r) {
    atomic_store(&r->is_stopped, true);
    pthread_join(r->thread, NULL);
    mr_service_close(r->service);
}

static void *connect_to(void *context, const char *endpoint, const char *secret_file) {
    void *socket = zmq_socket(context, ZMQ_REQ);
    zmq_setsockopt(socket, ZMQ_LINGER, &(int){0}, sizeof(int));
    if (secret_file != NULL)
        cr_assert_eq(mr_curve_connect(socket, "server.key", secret_file), MR_OK);
    cr_assert_eq(zmq_connect(socket, endpoint), 0);
    return socket;
}

// A connection that was refused already takes no request at all.
static bool is_answered(void *socket, int timeout_ms) {
    char reply[8];
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    return zmq_send(socket, "hi", 2, 0) == 2 && zmq_recv(socket, reply, sizeof reply, 0) == 2;
}

Test(service, answers_only_those_whose_keys_are_in_the_folder) {
    running r;
    mkdir("allowed", 0777);
    cr_assert_eq(mr_curve_make_pair("server"), MR_OK);
    cr_assert_eq(mr_curve_make_pair("allowed/friend"), MR_OK);
    cr_assert_eq(mr_curve_make_pair("stranger"), MR_OK);
    start_service(&r, &(mr_service_options){.bind = "tcp://127.0.0.1:*",
                                            .curve_secret_key = "server.key_secret",
                                            .curve_allow = "allowed"});
    void *context = zmq_ctx_new();
    const char *endpoint = mr_service_endpoint(r.service);
    void *stranger = connect_to(context, endpoint, "stranger.key_secret");
    void *nobody = connect_to(context, endpoint, NULL);
    void *friend = connect_to(context, endpoint, "allowed/friend.key_secret");
    cr_expect(is_answered(friend, 5000));
    cr_expect_not(is_answered(stranger, 200));
    cr_expect_not(is_answered(nobody, 200));
    cr_expect(is_answered(friend, 5000));
    zmq_close(stranger);
    zmq_close(nobody);
    zmq_close(friend);
    zmq_ctx_term(context);
    stop_service(&r);
}

Test(service, stays_up_whatever_is_sent) {
    running r;
    start_service(&r, &(mr_service_options){.bind = "tcp://127.0.0.1:*"});
    void *context = zmq_ctx_new();
    void *raw = zmq_socket(context, ZMQ_DEALER);
    static char large[2000];
    zmq_setsockopt(raw, ZMQ_LINGER, &(int){0}, sizeof(int));
    cr_assert_eq(zmq_connect(raw, mr_service_endpoint(r.service)), 0);
    zmq_send(raw, "no delimiter", 12, 0);
    zmq_send(raw, "", 0, 0);
    for (int i = 0; i < 40; i++)
        zmq_send(raw, "frame", 5, i < 39 ? ZMQ_SNDMORE : 0);
    zmq_send(raw, "", 0, ZMQ_SNDMORE);
    zmq_send(raw, large, sizeof large, 0); // above what a request may have
    void *other = connect_to(context, mr_service_endpoint(r.service), NULL);
    cr_expect(is_answered(other, 5000));
    zmq_close(raw);
    zmq_close(other);
    zmq_ctx_term(context);
    stop_service(&r);
}
