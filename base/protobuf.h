/// Messages of Protocol Buffers, written as bytes (protobuf.dev/programming-guides/encoding). Who
/// writes one knows its schema: the numbers of the fields and their types.
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A message. It begins as {0}, and mr_message_free releases it.
typedef struct {
    unsigned char *bytes; // owned
    size_t n_bytes, capacity;
    bool failed; // an allocation failed; it takes no more fields
} mr_message;

/// Add a field. The order of fields with the same number is kept.
void mr_message_add_integer(mr_message *message, unsigned field, int64_t value);
void mr_message_add_bytes(mr_message *message, unsigned field, const void *bytes, size_t n_bytes);
void mr_message_add_text(mr_message *message, unsigned field, const char *text);

/// Adds a whole message as a field, and releases it.
void mr_message_add_message(mr_message *message, unsigned field, mr_message *inner);

void mr_message_free(mr_message *message);
