// Any bytes as a message. What is taken is written and read again, to the same bytes.

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "envs/zmq/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static mr_message_reader *reader, *second_reader;
static mr_message_buffer once, twice;

// Touches every byte that the message points to, where the address sanitizer looks on.
static void write_and_read(const mr_message *message) {
    mr_message again;
    mr_message_head head;
    assert(message->n <= MR_MESSAGE_MAX_ENVS);
    assert(mr_message_write(message, &once) == MR_OK);
    assert(mr_message_read(second_reader, once.data, once.n_bytes, &head, &again) == MR_OK);
    assert(head.is_addressed && head.fault == MR_FAULT_NONE);
    assert(again.type == message->type && again.seq == message->seq);
    assert(mr_message_write(&again, &twice) == MR_OK);
    assert(once.n_bytes == twice.n_bytes && memcmp(once.data, twice.data, once.n_bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    mr_message message;
    mr_message_head head;
    if (reader == NULL)
        assert(mr_message_reader_new(&reader) == MR_OK &&
               mr_message_reader_new(&second_reader) == MR_OK);
    const mr_status status = mr_message_read(reader, data, n_bytes, &head, &message);
    assert(status == MR_OK || (status == MR_ERR_INPUT && head.fault != MR_FAULT_NONE));
    if (status == MR_OK)
        write_and_read(&message);
    return 0;
}
