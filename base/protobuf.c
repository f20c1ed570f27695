#include "base/protobuf.h"

#include <stdlib.h>
#include <string.h>

enum { VARINT = 0, BYTES = 2 }; // the wire types, behind a field's number

static bool reserve(mr_message *message, size_t n_more) {
    const size_t n_bytes = message->n_bytes + n_more;
    if (message->failed || n_bytes <= message->capacity)
        return !message->failed;
    const size_t capacity = n_bytes > 2 * message->capacity ? n_bytes : 2 * message->capacity;
    unsigned char *bytes = realloc(message->bytes, capacity);
    message->failed = bytes == NULL;
    if (message->failed)
        return false;
    message->bytes = bytes;
    message->capacity = capacity;
    return true;
}

static void append(mr_message *message, const void *bytes, size_t n_bytes) {
    if (n_bytes == 0 || !reserve(message, n_bytes))
        return;
    memcpy(message->bytes + message->n_bytes, bytes, n_bytes);
    message->n_bytes += n_bytes;
}

// Seven bits a byte, the lowest first; the eighth bit says that more follow.
static void append_varint(mr_message *message, uint64_t value) {
    unsigned char bytes[10];
    size_t n = 0;
    for (; value > 127; value >>= 7)
        bytes[n++] = (unsigned char)(value & 127) | 128;
    bytes[n++] = (unsigned char)value;
    append(message, bytes, n);
}

static void append_key(mr_message *message, unsigned field, unsigned wire_type) {
    append_varint(message, (uint64_t)field << 3 | wire_type);
}

void mr_message_add_integer(mr_message *message, unsigned field, int64_t value) {
    append_key(message, field, VARINT);
    append_varint(message, (uint64_t)value);
}

void mr_message_add_bytes(mr_message *message, unsigned field, const void *bytes, size_t n_bytes) {
    append_key(message, field, BYTES);
    append_varint(message, n_bytes);
    append(message, bytes, n_bytes);
}

void mr_message_add_text(mr_message *message, unsigned field, const char *text) {
    mr_message_add_bytes(message, field, text, strlen(text));
}

void mr_message_add_message(mr_message *message, unsigned field, mr_message *inner) {
    message->failed = message->failed || inner->failed;
    mr_message_add_bytes(message, field, inner->bytes, inner->n_bytes);
    mr_message_free(inner);
}

void mr_message_free(mr_message *message) {
    free(message->bytes);
    *message = (mr_message){0};
}
