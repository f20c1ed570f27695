/// The messages of the protocol between trainers and environment servers (docs/bridge.md), for both
/// sides: written to bytes, and read from untrusted bytes.
///
/// A message is one MessagePack map with string keys. Numbers in bulk travel as `bin`:
/// little-endian, row after row.
#pragma once

#include "base/file.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MR_MESSAGE_VERSION = 1,
    MR_SESSION_SIZE = 16,
    MR_MESSAGE_TEXT_SIZE = 512, // of a text, with the final zero
    MR_MESSAGE_MAX_ENVS = 4096, // of a server
    MR_MESSAGE_MAX_DIM = 1 << 20,
    MR_MESSAGE_MAX_NUMBERS = 1 << 24, // of a server: num_envs x (obs_dim + act_dim)
    MR_MESSAGE_MAX_SIDE = 8192,       // of a picture
    MR_MESSAGE_MAX_INFO = 128,        // names of infos that are read
    MR_MESSAGE_MAX_BYTES = 16 << 20,  // unless a spec's sizes need more
    MR_MESSAGE_SPARE_BYTES = 1 << 16, // for what a message holds beside its numbers
};

/// The first half are requests, the second half replies.
typedef enum {
    MR_MESSAGE_HELLO,
    MR_MESSAGE_RESET,
    MR_MESSAGE_STEP,
    MR_MESSAGE_RENDER,
    MR_MESSAGE_PING,
    MR_MESSAGE_ACT, // to a policy's server
    MR_MESSAGE_BYE, // request and reply
    MR_MESSAGE_SPEC,
    MR_MESSAGE_STATE,
    MR_MESSAGE_TRANSITION,
    MR_MESSAGE_FRAME,
    MR_MESSAGE_PONG,
    MR_MESSAGE_POLICY,
    MR_MESSAGE_ACTION,
    MR_MESSAGE_ERROR,
} mr_message_type;

/// The codes of errors.
typedef enum {
    MR_FAULT_NONE,
    MR_FAULT_BAD_MESSAGE,
    MR_FAULT_BAD_VERSION,
    MR_FAULT_UNKNOWN_SESSION,
    MR_FAULT_BAD_SEQUENCE,
    MR_FAULT_BUSY,
    MR_FAULT_BAD_ENV,
    MR_FAULT_BAD_ACTION,
    MR_FAULT_NEEDS_RESET,
    MR_FAULT_ENV_FAILED,
    MR_FAULT_BAD_OBS, // of a policy's server
    MR_FAULT_OTHER,   // a code that is not in the protocol
} mr_fault;

const char *mr_fault_name(mr_fault fault);

/// A seed; not given: the environment's random numbers go on.
typedef struct {
    bool given;
    uint64_t value;
} mr_message_seed;

/// Numbers with a name.
typedef struct {
    char name[MR_MESSAGE_TEXT_SIZE];
    const double *values; // [n_values]
    size_t n_values;      // of a message that was read; else n
} mr_message_info;

/// A message: the fields that all messages have, and those of its type; others are zero. Arrays are
/// borrowed, from the writer's caller or from the reader and the bytes that it read.
typedef struct {
    mr_message_type type;
    uint8_t session[MR_SESSION_SIZE];
    uint64_t seq;

    char client[MR_MESSAGE_TEXT_SIZE];  // hello
    char process[MR_MESSAGE_TEXT_SIZE]; // "": not given

    char name[MR_MESSAGE_TEXT_SIZE]; // spec, policy
    char server[MR_MESSAGE_TEXT_SIZE];
    char engine[MR_MESSAGE_TEXT_SIZE]; // millrace's own addition to the protocol: "" from other
                                       // servers
    char engine_version[MR_MESSAGE_TEXT_SIZE];
    uint64_t num_envs, obs_dim, act_dim, max_episode_steps;
    char obs_dtype[3]; // "f4" or "f8"
    mr_bytes act_low, act_high;
    double lease_s;

    size_t
        n; // reset, step: environments; transition: rows of terminated and truncated; act: of obs
    const uint64_t *envs;
    size_t n_seeds; // n, in a message that was read
    const mr_message_seed *seeds;
    mr_bytes actions, obs, reward;
    size_t n_truncated; // n, in a message that was read
    const bool *terminated, *truncated;
    size_t n_warned; // n, or 0: no warnings
    const bool *warned;
    char warning[MR_MESSAGE_TEXT_SIZE]; // the first of these; "": not given
    size_t n_info;                      // a reader takes the first MR_MESSAGE_MAX_INFO
    const mr_message_info *info;

    uint64_t env, width, height; // render
    mr_bytes rgb;

    bool stochastic; // act

    mr_fault code; // error
    char message[MR_MESSAGE_TEXT_SIZE];
    bool fatal;
} mr_message;

// ---- Writing

/// Bytes that grow. Zeroed to begin with.
typedef struct {
    char *data;
    size_t n_bytes, n_allocated;
} mr_message_buffer;

void mr_message_buffer_free(mr_message_buffer *buffer);

/// Copies a text so that it can be printed and sent: one line of UTF-8, cut at a whole character if
/// it is too long; invalid bytes are replaced.
void mr_message_take_text(const char *text, size_t length, char out[MR_MESSAGE_TEXT_SIZE]);

/// Writes a message over what the buffer holds; allocates only if it is larger than any before it.
mr_status mr_message_write(const mr_message *message, mr_message_buffer *buffer);

/// A reply to `in` that has only session and seq yet.
mr_message mr_message_address(const mr_message *in);

/// Sets the message that an error is to carry (printf form), as mr_fail does, and returns `fault`.
mr_fault mr_fault_refuse(mr_fault fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/// Writes the error that answers `in`, with the message that was set last. Without memory for it,
/// the buffer has no bytes: the client will ask again.
void mr_message_write_error(const mr_message *in, mr_fault fault, mr_message_buffer *buffer);

// ---- Reading

typedef struct mr_message_reader mr_message_reader;

mr_status mr_message_reader_new(mr_message_reader **out);
void mr_message_reader_free(mr_message_reader *reader);

/// What is known of a message before its fields are read.
typedef struct {
    bool is_addressed; // it has session and seq: it can be answered
    mr_fault fault;    // if reading failed: bad-message or bad-version
} mr_message_head;

/// Reads a message from any bytes. Checks the type, length and range of every field, except those
/// that only the spec determines. Ignores unknown keys.
///
///   head  out, also on failure; if the message is addressed, session and seq of `out` are set
///
/// Fails with MR_ERR_INPUT, naming the field. What `out` points to is valid until the next call and
/// as long as `data` is.
mr_status mr_message_read(mr_message_reader *reader, const void *data, size_t n_bytes,
                          mr_message_head *head, mr_message *out);

/// Copies numbers of 4 or 8 bytes each to `out` [n]. The bytes are n * size.
void mr_message_get_numbers(mr_bytes bytes, size_t size, size_t n, double *out);
