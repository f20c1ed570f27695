/// What a server's own side of the protocol is asked without sockets, and what it answers. The test
/// that includes this defines `answer`.
#pragma once

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "envs/zmq/message.h"
#include "envs/zmq/service.h"

static mr_message_reader *reader;
static mr_message_buffer request, kept;
static mr_bytes reply;
static mr_message got; // the reply, read

static mr_bytes answer(mr_bytes asked);

static void conversation_begin(void) {
    cr_assert_eq(mr_message_reader_new(&reader), MR_OK);
}

static void conversation_end(void) {
    mr_message_reader_free(reader);
    mr_message_buffer_free(&request);
    mr_message_buffer_free(&kept);
}

static void send_again(void) {
    mr_message_head head;
    reply = answer((mr_bytes){request.data, request.n_bytes});
    cr_assert_gt(reply.n_bytes, 0);
    cr_assert_eq(mr_message_read(reader, reply.data, reply.n_bytes, &head, &got), MR_OK, "%s",
                 mr_error_message());
}

static void ask(char who, uint64_t seq, mr_message message) {
    memset(message.session, who, sizeof message.session);
    message.seq = seq;
    cr_assert_eq(mr_message_write(&message, &request), MR_OK);
    send_again();
    cr_expect_eq(memcmp(got.session, message.session, sizeof got.session), 0);
    cr_expect_eq(got.seq, seq);
}

static void keep_reply(void) {
    mr_message_buffer_free(&kept);
    kept = (mr_message_buffer){malloc(reply.n_bytes), reply.n_bytes, reply.n_bytes};
    memcpy(kept.data, reply.data, reply.n_bytes);
}

static void expect_kept(void) {
    cr_expect_eq(reply.n_bytes, kept.n_bytes);
    cr_expect_eq(memcmp(reply.data, kept.data, kept.n_bytes), 0);
}
