/// The types of messages and their fields: the table by which they are written and read.
#pragma once

#include "envs/zmq/message.h"

typedef enum {
    MR_FIELD_COUNT, // uint64_t, up to `most`
    MR_FIELD_REAL,  // double, above 0
    MR_FIELD_TEXT,  // char[MR_MESSAGE_TEXT_SIZE], up to `most` bytes; 0: any number, and cut
    MR_FIELD_DTYPE, // char[3]
    MR_FIELD_CODE,  // mr_fault
    MR_FIELD_FLAG,  // bool
    MR_FIELD_BYTES, // mr_bytes
    MR_FIELD_ENVS,  // uint64_t *, n of them
    MR_FIELD_SEEDS, // mr_message_seed *, n of them
    MR_FIELD_FLAGS, // bool *, n of them
    MR_FIELD_INFO,  // n_info of them
} mr_message_field_type;

typedef struct {
    const char *key;
    mr_message_field_type type;
    size_t offset;
    size_t n_offset; // of how many there are
    uint64_t least, most;
    bool optional;
} mr_message_field;

typedef struct {
    const char *name;
    const mr_message_field *fields;
    size_t n_fields;
} mr_message_layout;

enum { MR_N_MESSAGE_TYPES = MR_MESSAGE_ERROR + 1 };

extern const mr_message_layout mr_message_layouts[MR_N_MESSAGE_TYPES];
