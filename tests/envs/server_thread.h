/// A server of environments in a thread of the test, for clients in another.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

#include <criterion/criterion.h>

#include "envs/zmq/responder.h"
#include "envs/zmq/service.h"
#include "base/clock.h"

typedef struct {
    mr_vec_env *envs;
    mr_responder *responder;
    mr_service *service;
    pthread_t thread;
    atomic_uint pause_us; // before its next answer, once
    atomic_bool is_stopped;
} server_thread;

static inline mr_bytes server_answer(void *self, mr_bytes request) {
    return mr_responder_answer(self, request, mr_clock_s());
}

static inline mr_bytes server_answer_in_time(void *self, mr_bytes request) {
    server_thread *s = self;
    usleep(atomic_exchange(&s->pause_us, 0));
    return server_answer(s->responder, request);
}

static inline void *server_run(void *self) {
    server_thread *s = self;
    while (!atomic_load(&s->is_stopped))
        mr_service_run(s->service, 5);
    return NULL;
}

static inline void server_begin(server_thread *s, const char *env, size_t n, double lease_s,
                                const mr_service_options *options) {
    *s = (server_thread){0};
    cr_assert_eq(mr_vec_env_open(env, NULL, n, 1, &s->envs), MR_OK);
    cr_assert_eq(mr_responder_new(s->envs, lease_s, &s->responder), MR_OK);
    const mr_answerer answerer = {.self = s,
                                  .answer = server_answer_in_time,
                                  .max_bytes = mr_responder_max_bytes(s->responder)};
    cr_assert_eq(mr_service_open(answerer, options, &s->service), MR_OK, "%s", mr_error_message());
    cr_assert_eq(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static inline void server_end(server_thread *s) {
    atomic_store(&s->is_stopped, true);
    pthread_join(s->thread, NULL);
    mr_service_close(s->service);
    mr_responder_free(s->responder);
    mr_vec_env_close(s->envs);
}
