// Steps of environments over the bridge, beside a bare ZeroMQ ping-pong of the same bytes.
//
// The bare loop is what cannot be saved: a DEALER that sends messages as long as a step's request,
// a ROUTER that answers each with one as long as its reply, both blocking. Ours does the same with
// Pendulum-v1, whose step costs next to nothing, behind a server as `millrace serve` runs it. Each
// server is a thread with a ZeroMQ context of its own. All take turns in short rounds, so that a
// machine whose speed drifts changes each; the medians are over the rounds.

#include "envs/vec_env.h"
#include "envs/zmq/message.h"
#include "envs/zmq/responder.h"
#include "envs/zmq/service.h"

#include "bench.h"

#include <popt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum { MAX_ROUNDS = 200, ENDPOINT_SIZE = 256, OBS_DIM = 3 };

static const char task[] = "Pendulum-v1";

typedef struct {
    int envs, rounds, round_ms, json;
} bench_options;

/// A server of environments, and a client of it.
typedef struct {
    mr_vec_env *served, *stepped;
    mr_responder *responder;
    mr_service *service;
    pthread_t thread;
    atomic_bool is_stopped;
    size_t n_envs;
    double *actions, *obs;
    mr_step *results;
} bridge;

/// A pair of sockets that send each other as many bytes as those two.
typedef struct {
    void *server_context, *client_context, *router, *dealer;
    pthread_t thread;
    size_t n_request, n_reply; // bytes
    char *bytes;
    char endpoint[ENDPOINT_SIZE];
} ping_pong;

/// Round trips a second of a transport, and the ratios in the same round.
typedef struct {
    double ours[MAX_ROUNDS], bare[MAX_ROUNDS], ratio[MAX_ROUNDS];
    double many[MAX_ROUNDS], gain[MAX_ROUNDS]; // steps/s of a message with several environments
} bench_rates;

static void die(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_bridge: %s\n", mr_error_message());
    exit(1);
}

static void check(bool good, const char *what) {
    if (!good)
        die(mr_fail(MR_ERR_IO, "cannot %s: %s", what, zmq_strerror(zmq_errno())));
}

static void *allocate(size_t n, size_t size) {
    void *memory = calloc(n, size);
    if (memory == NULL)
        die(mr_fail_memory("a benchmark"));
    return memory;
}

// Ours

static mr_bytes answer(void *self, mr_bytes request) {
    return mr_responder_answer(self, request, mr_clock_s());
}

static void *serve(void *self) {
    bridge *b = self;
    while (!atomic_load(&b->is_stopped))
        die(mr_service_run(b->service, 100));
    return NULL;
}

static void bridge_reset(bridge *b, size_t i) {
    const uint64_t seed = i;
    die(mr_vec_env_reset(b->stepped, i, &seed, b->obs + i * OBS_DIM));
}

static void bridge_open(bridge *b, const char *bind, size_t n) {
    char name[ENDPOINT_SIZE + 8];
    *b = (bridge){.n_envs = n,
                  .actions = allocate(n, sizeof *b->actions),
                  .obs = allocate(n * OBS_DIM, sizeof *b->obs),
                  .results = allocate(n, sizeof *b->results)};
    die(mr_vec_env_open(task, NULL, n, 1, &b->served));
    die(mr_responder_new(b->served, 60, &b->responder));
    const mr_answerer answerer = {b->responder, answer, mr_responder_max_bytes(b->responder)};
    die(mr_service_open(answerer, &(mr_service_options){.bind = bind}, &b->service));
    pthread_create(&b->thread, NULL, serve, b);
    snprintf(name, sizeof name, "zmq:%s", mr_service_endpoint(b->service));
    die(mr_vec_env_open(name, NULL, n, 1, &b->stepped));
    for (size_t i = 0; i < n; i++)
        bridge_reset(b, i);
}

static void bridge_close(bridge *b) {
    mr_vec_env_close(b->stepped);
    atomic_store(&b->is_stopped, true);
    pthread_join(b->thread, NULL);
    mr_service_close(b->service);
    mr_responder_free(b->responder);
    mr_vec_env_close(b->served);
    free(b->actions), free(b->obs), free(b->results);
}

// Messages a second; resets, one in 200 for each environment, are not counted but take their time.
static double time_bridge(bridge *b, size_t n) {
    const double begun = mr_clock_s();
    for (size_t t = 0; t < n; t++) {
        die(mr_vec_env_step(b->stepped, NULL, b->actions, b->obs, b->results));
        for (size_t i = 0; i < b->n_envs; i++)
            if (b->results[i].truncated)
                bridge_reset(b, i);
    }
    return (double)n / (mr_clock_s() - begun);
}

// ZeroMQ alone

// Until a message of another length comes.
static void *echo(void *self) {
    const ping_pong *p = self;
    for (;;) {
        zmq_msg_t from, empty, body;
        zmq_msg_init(&from), zmq_msg_init(&empty), zmq_msg_init(&body);
        check(zmq_msg_recv(&from, p->router, 0) >= 0 && zmq_msg_recv(&empty, p->router, 0) >= 0 &&
                  zmq_msg_recv(&body, p->router, 0) >= 0,
              "receive");
        const bool is_over = zmq_msg_size(&body) != p->n_request;
        zmq_msg_close(&body);
        check(zmq_msg_send(&from, p->router, ZMQ_SNDMORE) >= 0 &&
                  zmq_msg_send(&empty, p->router, ZMQ_SNDMORE) >= 0 &&
                  zmq_send(p->router, p->bytes, p->n_reply, 0) >= 0,
              "send");
        if (is_over)
            return NULL;
    }
}

static void exchange(const ping_pong *p, size_t n_bytes) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    check(zmq_send(p->dealer, "", 0, ZMQ_SNDMORE) >= 0 &&
              zmq_send(p->dealer, p->bytes, n_bytes, 0) >= 0,
          "send");
    check(zmq_msg_recv(&frame, p->dealer, 0) >= 0 && zmq_msg_recv(&frame, p->dealer, 0) >= 0,
          "receive");
    zmq_msg_close(&frame);
}

static double time_bare(const ping_pong *p, size_t n) {
    const double begun = mr_clock_s();
    for (size_t t = 0; t < n; t++)
        exchange(p, p->n_request);
    return (double)n / (mr_clock_s() - begun);
}

// The bytes of a step of one environment and of its reply.
static void size_messages(ping_pong *p) {
    static const double numbers[OBS_DIM];
    static const uint64_t env;
    static const bool no;
    mr_message_buffer buffer = {0};
    mr_message step = {
        .type = MR_MESSAGE_STEP, .seq = 1000, .n = 1, .envs = &env, .actions = {numbers, 8}};
    mr_message transition = {.type = MR_MESSAGE_TRANSITION,
                             .seq = 1000,
                             .n = 1,
                             .n_truncated = 1,
                             .obs = {numbers, sizeof numbers},
                             .reward = {numbers, 8},
                             .terminated = &no,
                             .truncated = &no};
    die(mr_message_write(&step, &buffer));
    p->n_request = buffer.n_bytes;
    die(mr_message_write(&transition, &buffer));
    p->n_reply = buffer.n_bytes;
    mr_message_buffer_free(&buffer);
}

static void ping_pong_open(ping_pong *p, const char *bind) {
    size_t size = sizeof p->endpoint;
    *p = (ping_pong){.server_context = zmq_ctx_new(), .client_context = zmq_ctx_new()};
    size_messages(p);
    p->bytes = allocate(1, p->n_request + p->n_reply);
    p->router = zmq_socket(p->server_context, ZMQ_ROUTER);
    p->dealer = zmq_socket(p->client_context, ZMQ_DEALER);
    check(zmq_bind(p->router, bind) == 0, "bind");
    check(zmq_getsockopt(p->router, ZMQ_LAST_ENDPOINT, p->endpoint, &size) == 0, "bind");
    check(zmq_connect(p->dealer, p->endpoint) == 0, "connect");
    pthread_create(&p->thread, NULL, echo, p);
}

static void ping_pong_close(ping_pong *p) {
    exchange(p, p->n_request + 1);
    pthread_join(p->thread, NULL);
    zmq_close(p->dealer), zmq_close(p->router);
    zmq_ctx_term(p->client_context), zmq_ctx_term(p->server_context);
    free(p->bytes);
}

// Rounds

static size_t fit_round(double rate, const bench_options *o) {
    return (size_t)(rate * 1e-3 * o->round_ms) + 1;
}

static void run_rounds(bridge *one, bridge *many, const ping_pong *bare, const bench_options *o,
                       bench_rates *rates) {
    const size_t n_one = fit_round(time_bridge(one, 200), o);
    const size_t n_many = fit_round(time_bridge(many, 200), o);
    const size_t n_bare = fit_round(time_bare(bare, 200), o);
    for (int r = 0; r < o->rounds; r++) {
        rates->ours[r] = time_bridge(one, n_one);
        rates->bare[r] = time_bare(bare, n_bare);
        rates->many[r] = time_bridge(many, n_many) * (double)many->n_envs;
        rates->ratio[r] = rates->ours[r] / rates->bare[r];
        rates->gain[r] = rates->many[r] / rates->ours[r];
    }
}

// Reports

static void report(const char *transport, const bench_options *o, bench_rates *rates) {
    const size_t n = (size_t)o->rounds;
    const char *format =
        o->json ? "{\"transport\": \"%s\", \"steps_per_s\": %.0f, \"ping_pongs_per_s\": %.0f, "
                  "\"ratio_to_ping_pong\": %.3f, \"envs\": %d, \"envs_steps_per_s\": %.0f, "
                  "\"gain_by_envs\": %.2f}\n"
                : "%s: %.0f steps/s; ZeroMQ alone %.0f/s; ratio %.3f; %d environments a message: "
                  "%.0f steps/s, %.2f times\n";
    printf(format, transport, bench_median(n, rates->ours), bench_median(n, rates->bare),
           bench_median(n, rates->ratio), o->envs, bench_median(n, rates->many),
           bench_median(n, rates->gain));
    fflush(stdout);
}

static void bench(const char *transport, const char *const binds[3], const bench_options *o) {
    static bench_rates rates;
    bridge one, many;
    ping_pong bare;
    bridge_open(&one, binds[0], 1);
    bridge_open(&many, binds[1], (size_t)o->envs);
    ping_pong_open(&bare, binds[2]);
    run_rounds(&one, &many, &bare, o, &rates);
    report(transport, o, &rates);
    ping_pong_close(&bare);
    bridge_close(&many);
    bridge_close(&one);
}

static void bench_ipc(const bench_options *o) {
    char folder[] = "/tmp/bench_bridge.XXXXXX", binds[3][64];
    if (mkdtemp(folder) == NULL)
        die(mr_fail(MR_ERR_IO, "cannot make a folder in /tmp"));
    for (int i = 0; i < 3; i++)
        snprintf(binds[i], sizeof binds[i], "ipc://%s/%d", folder, i);
    bench("ipc", (const char *const[]){binds[0], binds[1], binds[2]}, o);
    rmdir(folder);
}

int main(int argc, const char **argv) {
    static const char any_port[] = "tcp://127.0.0.1:*";
    bench_options o = {.envs = 16, .rounds = 31, .round_ms = 50};
    const struct poptOption table[] = {
        {"envs", 0, POPT_ARG_INT, &o.envs, 0, "environments of a message (default 16)", "N"},
        {"rounds", 0, POPT_ARG_INT, &o.rounds, 0, "rounds of each (default 31, at most 200)", "N"},
        {"round-ms", 0, POPT_ARG_INT, &o.round_ms, 0, "length of a round (default 50)", "MS"},
        {"json", 0, POPT_ARG_NONE, &o.json, 0, "print one JSON object a line", NULL},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("bench_bridge", argc, argv, table, 0);
    const int rc = poptGetNextOpt(context);
    const bool is_sound = o.envs >= 1 && o.envs <= MR_MESSAGE_MAX_ENVS && o.rounds >= 1 &&
                          o.rounds <= MAX_ROUNDS && o.round_ms >= 1;
    if (rc < -1 || !is_sound) {
        fprintf(stderr, "bench_bridge: %s; see --help\n",
                rc < -1 ? poptBadOption(context, 0) : "a number is out of range");
        return 2;
    }
    bench("tcp", (const char *const[]){any_port, any_port, any_port}, &o);
    bench_ipc(&o);
    poptFreeContext(context);
    return 0;
}
