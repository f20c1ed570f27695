/// A bad link between clients and a server: a proxy that drops, delays, doubles and cuts, each at
/// 1% of the messages, in a thread of the test.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <zmq.h>

#include <criterion/criterion.h>

#include "base/clock.h"
#include "base/random.h"

enum { MAX_FRAMES = 8, MAX_HELD = 64 };

/// A message on its way.

typedef struct {
    size_t n;
    zmq_msg_t frames[MAX_FRAMES];
    double due_s;
    bool to_server;
} parcel;

typedef struct {
    const char *bind, *server;
    void *context, *front, *back;
    pthread_t thread;
    mr_random random;
    parcel held[MAX_HELD];
    size_t n_held, n_dropped, n_doubled, n_delayed, n_cut;
    atomic_bool is_stopped;
} bad_link;

static inline void bad_link_connect(bad_link *b) {
    b->front = zmq_socket(b->context, ZMQ_ROUTER);
    b->back = zmq_socket(b->context, ZMQ_DEALER);
    zmq_setsockopt(b->front, ZMQ_LINGER, &(int){0}, sizeof(int));
    zmq_setsockopt(b->back, ZMQ_LINGER, &(int){0}, sizeof(int));
    cr_assert_eq(zmq_bind(b->front, b->bind), 0);
    cr_assert_eq(zmq_connect(b->back, b->server), 0);
}

static inline void bad_link_cut(bad_link *b) {
    zmq_close(b->front);
    zmq_close(b->back);
    bad_link_connect(b);
}

static inline void parcel_send(const bad_link *b, parcel *p, bool keep) {
    void *socket = p->to_server ? b->back : b->front;
    for (size_t i = 0; i < p->n; i++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        zmq_msg_copy(&frame, &p->frames[i]);
        if (zmq_msg_send(&frame, socket, ZMQ_DONTWAIT | (i + 1 < p->n ? ZMQ_SNDMORE : 0)) < 0)
            zmq_msg_close(&frame);
        if (!keep)
            zmq_msg_close(&p->frames[i]);
    }
}

static inline bool parcel_read(void *socket, parcel *p) {
    p->n = 0;
    do {
        zmq_msg_init(&p->frames[p->n]);
        if (zmq_msg_recv(&p->frames[p->n], socket, ZMQ_DONTWAIT) < 0)
            return false;
        p->n++;
    } while (zmq_msg_more(&p->frames[p->n - 1]) && p->n < MAX_FRAMES);
    return true;
}

static inline void parcel_drop(parcel *p) {
    for (size_t i = 0; i < p->n; i++)
        zmq_msg_close(&p->frames[i]);
}

static inline void bad_link_pass(bad_link *b, void *from, bool to_server) {
    parcel p = {.to_server = to_server};
    if (!parcel_read(from, &p))
        return;
    const double fate = mr_random_uniform(&b->random);
    if (fate < 0.01) {
        b->n_dropped++;
        parcel_drop(&p);
    } else if (fate < 0.02) {
        b->n_doubled++;
        parcel_send(b, &p, true);
        parcel_send(b, &p, false);
    } else if (fate < 0.03 && b->n_held < MAX_HELD) {
        b->n_delayed++;
        p.due_s = mr_clock_s() + mr_random_between(&b->random, 0, 0.03);
        b->held[b->n_held++] = p;
    } else if (fate < 0.04) {
        b->n_cut++;
        parcel_drop(&p);
        bad_link_cut(b);
    } else {
        parcel_send(b, &p, false);
    }
}

static inline void bad_link_release(bad_link *b) {
    for (size_t i = 0; i < b->n_held;)
        if (mr_clock_s() >= b->held[i].due_s) {
            parcel_send(b, &b->held[i], false);
            b->held[i] = b->held[--b->n_held];
        } else {
            i++;
        }
}

static inline void *bad_link_run(void *self) {
    bad_link *b = self;
    while (!atomic_load(&b->is_stopped)) {
        zmq_pollitem_t items[] = {{.socket = b->front, .events = ZMQ_POLLIN},
                                  {.socket = b->back, .events = ZMQ_POLLIN}};
        zmq_poll(items, 2, 1);
        void *front = b->front;
        if (items[0].revents & ZMQ_POLLIN)
            bad_link_pass(b, b->front, true);
        if (front == b->front && items[1].revents & ZMQ_POLLIN)
            bad_link_pass(b, b->back, false);
        bad_link_release(b);
    }
    return NULL;
}

static inline void bad_link_begin(bad_link *b, const char *bind, const char *server) {
    *b = (bad_link){.bind = bind,
                    .server = server,
                    .context = zmq_ctx_new(),
                    .random = mr_random_stream(1, MR_STREAM_TEST, 1)};
    bad_link_connect(b);
    cr_assert_eq(pthread_create(&b->thread, NULL, bad_link_run, b), 0);
}

/// It must have done harm of each kind.
static inline void bad_link_end(bad_link *b) {
    atomic_store(&b->is_stopped, true);
    pthread_join(b->thread, NULL);
    cr_expect(b->n_dropped > 50 && b->n_doubled > 50 && b->n_delayed > 50 && b->n_cut > 50);
    for (size_t i = 0; i < b->n_held; i++)
        parcel_drop(&b->held[i]);
    zmq_close(b->front);
    zmq_close(b->back);
    zmq_ctx_term(b->context);
}
