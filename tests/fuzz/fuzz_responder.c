// Any requests, one after the other, to a server of Pendulum-v1. The input is a row of records: how
// many seconds go by (one byte), the length of a request (two bytes, little-endian), the request.

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "envs/zmq/message.h"
#include "envs/zmq/responder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { N_ENVS = 3, HEAD_SIZE = 3 };

static const double lease_s = 60;
static mr_vec_env *envs;
static mr_message_reader *request_reader, *reply_reader;
static mr_message_buffer kept;

static void open_once(void) {
    if (envs != NULL)
        return;
    assert(mr_vec_env_open("Pendulum-v1", NULL, N_ENVS, 1, &envs) == MR_OK);
    assert(mr_message_reader_new(&request_reader) == MR_OK);
    assert(mr_message_reader_new(&reply_reader) == MR_OK);
}

static void keep(mr_bytes reply) {
    if (kept.n_allocated < reply.n_bytes) {
        kept.data = realloc(kept.data, reply.n_bytes);
        kept.n_allocated = reply.n_bytes;
    }
    kept.n_bytes = reply.n_bytes;
    if (reply.n_bytes > 0)
        memcpy(kept.data, reply.data, reply.n_bytes);
}

// What can be answered is, by a message of the same session and number.
static mr_message check_reply(mr_bytes request, mr_bytes reply) {
    mr_message asked, answered = {0};
    mr_message_head head, reply_head;
    mr_message_read(request_reader, request.data, request.n_bytes, &head, &asked);
    assert(head.is_addressed == (reply.n_bytes > 0));
    if (reply.n_bytes == 0)
        return answered;
    assert(mr_message_read(reply_reader, reply.data, reply.n_bytes, &reply_head, &answered) ==
           MR_OK);
    assert(answered.type >= MR_MESSAGE_BYE);
    assert(answered.seq == asked.seq);
    assert(memcmp(answered.session, asked.session, sizeof asked.session) == 0);
    return answered;
}

static void ask(mr_responder *responder, mr_bytes request, double now_s) {
    const mr_responder_metrics before = mr_responder_get_metrics(responder);
    const mr_bytes reply = mr_responder_answer(responder, request, now_s);
    const mr_responder_metrics after = mr_responder_get_metrics(responder);
    const mr_message answered = check_reply(request, reply);
    // Nothing is stepped but what a transition tells of.
    if (after.n_steps != before.n_steps)
        assert(answered.type == MR_MESSAGE_TRANSITION &&
               after.n_steps - before.n_steps == answered.n);
    if (after.n_sessions != before.n_sessions)
        assert(answered.type == MR_MESSAGE_SPEC);
    // The same again: the same bytes, and nothing is done.
    keep(reply);
    const mr_bytes again = mr_responder_answer(responder, request, now_s);
    const mr_responder_metrics at_last = mr_responder_get_metrics(responder);
    assert(again.n_bytes == kept.n_bytes);
    assert(again.n_bytes == 0 || memcmp(again.data, kept.data, kept.n_bytes) == 0);
    assert(at_last.n_steps == after.n_steps && at_last.n_sessions == after.n_sessions &&
           at_last.n_episodes == after.n_episodes && at_last.is_held == after.is_held);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    mr_responder *responder;
    double now_s = 0;
    open_once();
    assert(mr_responder_new(envs, lease_s, &responder) == MR_OK);
    while (n_bytes >= HEAD_SIZE) {
        const size_t wanted = data[1] + ((size_t)data[2] << 8);
        const size_t length = wanted < n_bytes - HEAD_SIZE ? wanted : n_bytes - HEAD_SIZE;
        now_s += data[0];
        // A copy of its own, so that the address sanitizer sees its end.
        void *request = malloc(length);
        memcpy(request, data + HEAD_SIZE, length);
        ask(responder, (mr_bytes){request, length}, now_s);
        free(request);
        data += HEAD_SIZE + length;
        n_bytes -= HEAD_SIZE + length;
    }
    mr_responder_free(responder);
    return 0;
}
