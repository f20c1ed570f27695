// A ROUTER socket, its clients' keys, and the loop between them and who answers.

#include "envs/zmq/service.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "envs/zmq/bind.h"
#include "envs/zmq/curve.h"
#include "envs/zmq/endpoint.h"
#include "base/clock.h"

enum {
    MAX_FRAMES = 16, // of a message that came by way of proxies
    QUEUE = 16,      // messages that a connection may have in flight; the protocol needs one
    LINGER_MS = 200, // so that the reply to a last request still leaves
    // That a connection has to say who it is; libzmq's 30 s let silent ones hold three times as
    // many descriptors. Not less: while an environment is stepped, no key is looked at.
    HANDSHAKE_MS = 10000,
};

struct mr_service {
    mr_answerer answerer;
    void *context;               // owned
    void *router;                // owned
    void *zap;                   // owned; NULL: no keys
    char *curve_allow;           // owned
    char endpoint[MR_BIND_SIZE]; // as bound
};

static bool is_given(const char *text) {
    return text != NULL && text[0] != '\0';
}

// `endpoint` is what the name in the options was resolved to.
static mr_status check_options(const mr_service_options *o, const char *endpoint) {
    const bool keyed = is_given(o->curve_secret_key);
    if (keyed != is_given(o->curve_allow))
        return mr_fail(MR_ERR_USAGE, "CURVE needs both: the server's secret key "
                                     "(--curve-secret-key FILE) and a folder of its clients' "
                                     "public keys (--curve-allow DIR)");
    if (!keyed && !o->insecure && !mr_endpoint_is_local(endpoint))
        return mr_fail(MR_ERR_USAGE,
                       "%s: others could reach it, without a key; use --curve-secret-key and "
                       "--curve-allow, a loopback address such as tcp://127.0.0.1:5555, or "
                       "--insecure",
                       o->bind);
    return keyed ? mr_curve_check_folder(o->curve_allow) : MR_OK;
}

static mr_status fail_zmq(const char *what, const char *remedy) {
    return mr_fail(MR_ERR_IO, "cannot %s: %s; %s", what, zmq_strerror(zmq_errno()), remedy);
}

static bool set(void *socket, int option, int value) {
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static mr_status open_door(mr_service *s, const mr_service_options *o) {
    if (!is_given(o->curve_secret_key))
        return MR_OK;
    s->curve_allow = strdup(o->curve_allow);
    s->zap = zmq_socket(s->context, ZMQ_REP);
    if (s->curve_allow == NULL || s->zap == NULL)
        return mr_fail_memory("a service");
    if (!set(s->zap, ZMQ_LINGER, 0) || zmq_bind(s->zap, "inproc://zeromq.zap.01") != 0)
        return fail_zmq("bind inproc://zeromq.zap.01", "is this a libzmq without ZAP?");
    return mr_curve_serve(s->router, o->curve_secret_key);
}

static mr_status open_router(mr_service *s, const char *endpoint) {
    const int64_t max_bytes = (int64_t)s->answerer.max_bytes;
    const bool ready =
        zmq_setsockopt(s->router, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) == 0 &&
        set(s->router, ZMQ_LINGER, LINGER_MS) && set(s->router, ZMQ_SNDHWM, QUEUE) &&
        set(s->router, ZMQ_RCVHWM, QUEUE) && set(s->router, ZMQ_TCP_KEEPALIVE, 1) &&
        set(s->router, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
        // A client that names its connection and connects again is answered on the new one.
        set(s->router, ZMQ_ROUTER_HANDOVER, 1);
    return ready ? mr_bind(s->router, endpoint, s->endpoint)
                 : fail_zmq("set up a socket", "is this a libzmq before 4.2?");
}

mr_status mr_service_open(mr_answerer answerer, const mr_service_options *options,
                          mr_service **out) {
    mr_status status;
    mr_service *s = NULL;
    char endpoint[MR_BIND_SIZE];
    MR_TRY(mr_bind_resolve(options->bind, endpoint));
    MR_TRY(check_options(options, endpoint));
    s = calloc(1, sizeof *s);
    if (s == NULL) {
        status = mr_fail_memory("a service");
        goto done;
    }
    s->answerer = answerer;
    s->context = zmq_ctx_new();
    s->router = s->context != NULL ? zmq_socket(s->context, ZMQ_ROUTER) : NULL;
    if (s->router == NULL) {
        status = mr_fail(MR_ERR_IO, "cannot open a socket: %s", zmq_strerror(zmq_errno()));
        goto done;
    }
    MR_TRY(open_door(s, options));
    MR_TRY(open_router(s, endpoint));
    *out = s;
    s = NULL;
done:
    mr_service_close(s);
    return status;
}

void mr_service_close(mr_service *service) {
    if (service == NULL)
        return;
    if (service->router != NULL)
        zmq_close(service->router);
    if (service->zap != NULL)
        zmq_close(service->zap);
    while (service->context != NULL && zmq_ctx_term(service->context) != 0 && errno == EINTR)
        continue;
    free(service->curve_allow);
    free(service);
}

const char *mr_service_endpoint(const mr_service *service) {
    return service->endpoint;
}

// ---- Answering

typedef struct {
    size_t n;
    bool is_whole; // all its frames are here
    zmq_msg_t frames[MAX_FRAMES];
} parcel;

static void parcel_receive(void *socket, parcel *p) {
    bool more = true;
    *p = (parcel){.is_whole = true};
    while (more) {
        zmq_msg_t surplus;
        zmq_msg_t *frame = p->n < MAX_FRAMES ? &p->frames[p->n] : &surplus;
        zmq_msg_init(frame);
        const bool received = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) >= 0;
        more = received && zmq_msg_more(frame) != 0;
        p->is_whole = p->is_whole && received && frame != &surplus;
        if (frame == &surplus)
            zmq_msg_close(frame);
        else
            p->n++;
    }
}

static void parcel_close(parcel *p) {
    for (size_t i = 0; i < p->n; i++)
        zmq_msg_close(&p->frames[i]);
}

// Back to where it came from: all that was before the request. Should it not leave (who asked is
// gone, or does not read), whoever asked asks again.
static void send_back(void *socket, parcel *p, mr_bytes reply) {
    for (size_t i = 0; i + 1 < p->n; i++)
        if (zmq_msg_send(&p->frames[i], socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
            return;
    zmq_send(socket, reply.data, reply.n_bytes, ZMQ_DONTWAIT);
}

// A message is whom it is from (the connection; before it, any proxies' own), an empty delimiter,
// and the request. What is of another make can't be answered so that its sender would understand.
static void answer_one(mr_service *s) {
    parcel p;
    parcel_receive(s->router, &p);
    if (p.is_whole && p.n >= 3 && zmq_msg_size(&p.frames[p.n - 2]) == 0) {
        zmq_msg_t *body = &p.frames[p.n - 1];
        const mr_bytes request = {zmq_msg_data(body), zmq_msg_size(body)};
        const mr_bytes reply = s->answerer.answer(s->answerer.self, request);
        if (reply.n_bytes > 0)
            send_back(s->router, &p, reply);
    }
    parcel_close(&p);
}

static long passed_ms(double begun_s) {
    return (long)(1e3 * (mr_clock_s() - begun_s));
}

mr_status mr_service_run(mr_service *service, int milliseconds) {
    const double begun_s = mr_clock_s();
    zmq_pollitem_t items[] = {{.socket = service->router, .events = ZMQ_POLLIN},
                              {.socket = service->zap, .events = ZMQ_POLLIN}};
    for (long left = milliseconds; left > 0; left = milliseconds - passed_ms(begun_s)) {
        const int n = zmq_poll(items, service->zap != NULL ? 2 : 1, left);
        if (n < 0 && zmq_errno() == EINTR)
            return MR_OK;
        if (n < 0)
            return mr_fail(MR_ERR_IO, "%s: cannot wait for requests: %s", service->endpoint,
                           zmq_strerror(zmq_errno()));
        if ((items[1].revents & ZMQ_POLLIN) != 0)
            mr_curve_admit(service->zap, service->curve_allow);
        if ((items[0].revents & ZMQ_POLLIN) != 0)
            answer_one(service);
    }
    return MR_OK;
}
