// Messages to bytes.

#include "envs/zmq/message_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays travel as they lie in memory");

void mr_message_buffer_free(mr_message_buffer *buffer) {
    free(buffer->data);
    *buffer = (mr_message_buffer){0};
}

static int append(void *self, const char *data, size_t n_bytes) {
    mr_message_buffer *buffer = self;
    if (buffer->n_allocated - buffer->n_bytes < n_bytes) {
        const size_t wanted = 2 * (buffer->n_bytes + n_bytes);
        char *grown = realloc(buffer->data, wanted);
        if (grown == NULL)
            return -1;
        buffer->data = grown;
        buffer->n_allocated = wanted;
    }
    memcpy(buffer->data + buffer->n_bytes, data, n_bytes);
    buffer->n_bytes += n_bytes;
    return 0;
}

static int write_text(msgpack_packer *packer, const char *text) {
    const size_t length = strlen(text);
    const int failed = msgpack_pack_str(packer, length);
    return failed != 0 ? failed : msgpack_pack_str_body(packer, text, length);
}

static int write_bytes(msgpack_packer *packer, const void *data, size_t n_bytes) {
    const int failed = msgpack_pack_bin(packer, n_bytes);
    return failed != 0 || n_bytes == 0 ? failed : msgpack_pack_bin_body(packer, data, n_bytes);
}

static int write_flag(msgpack_packer *packer, bool flag) {
    return flag ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
}

static int write_real(msgpack_packer *packer, double number) {
    const bool whole = number < 0x1p53 && number == (double)(uint64_t)number;
    return whole ? msgpack_pack_uint64(packer, (uint64_t)number)
                 : msgpack_pack_double(packer, number);
}

static int write_seed(msgpack_packer *packer, mr_message_seed seed) {
    return seed.given ? msgpack_pack_uint64(packer, seed.value) : msgpack_pack_nil(packer);
}

static int write_info(msgpack_packer *packer, const mr_message *message) {
    int failed = msgpack_pack_map(packer, message->n_info);
    for (size_t i = 0; i < message->n_info && failed == 0; i++) {
        failed = write_text(packer, message->info[i].name);
        if (failed == 0)
            failed = write_bytes(packer, message->info[i].values, message->n * sizeof(double));
    }
    return failed;
}

static int write_array(msgpack_packer *packer, const mr_message_field *field, const void *array,
                       size_t n) {
    int failed = msgpack_pack_array(packer, n);
    for (size_t i = 0; i < n && failed == 0; i++) {
        if (field->type == MR_FIELD_ENVS)
            failed = msgpack_pack_uint64(packer, ((const uint64_t *)array)[i]);
        else if (field->type == MR_FIELD_SEEDS)
            failed = write_seed(packer, ((const mr_message_seed *)array)[i]);
        else
            failed = write_flag(packer, ((const bool *)array)[i]);
    }
    return failed;
}

static int write_value(msgpack_packer *packer, const mr_message_field *field,
                       const mr_message *message) {
    const char *at = (const char *)message + field->offset;
    const mr_bytes *bytes = (const mr_bytes *)(const void *)at;
    switch (field->type) {
    case MR_FIELD_COUNT:
        return msgpack_pack_uint64(packer, *(const uint64_t *)(const void *)at);
    case MR_FIELD_REAL:
        return write_real(packer, *(const double *)(const void *)at);
    case MR_FIELD_TEXT:
    case MR_FIELD_DTYPE:
        return write_text(packer, at);
    case MR_FIELD_CODE:
        return write_text(packer, mr_fault_name(*(const mr_fault *)(const void *)at));
    case MR_FIELD_FLAG:
        return write_flag(packer, *(const bool *)at);
    case MR_FIELD_BYTES:
        return write_bytes(packer, bytes->data, bytes->n_bytes);
    case MR_FIELD_INFO:
        return write_info(packer, message);
    case MR_FIELD_ENVS:
    case MR_FIELD_SEEDS:
    case MR_FIELD_FLAGS:
        break;
    }
    const size_t n = *(const size_t *)(const void *)((const char *)message + field->n_offset);
    return write_array(packer, field, *(void *const *)(const void *)at, n);
}

// What is optional is left out where it says nothing.
static bool is_written(const mr_message_field *field, const mr_message *message) {
    const char *at = (const char *)message + field->offset;
    if (!field->optional)
        return true;
    if (field->type == MR_FIELD_INFO || field->type == MR_FIELD_FLAGS)
        return *(const size_t *)(const void *)((const char *)message + field->n_offset) > 0;
    return *at != 0;
}

static int write_field(msgpack_packer *packer, const mr_message_field *field,
                       const mr_message *message) {
    const int failed = write_text(packer, field->key);
    return failed != 0 ? failed : write_value(packer, field, message);
}

static int write_head(msgpack_packer *packer, const mr_message *message, size_t n_fields) {
    return msgpack_pack_map(packer, 4 + n_fields) != 0 || write_text(packer, "v") != 0 ||
           msgpack_pack_uint64(packer, MR_MESSAGE_VERSION) != 0 ||
           write_text(packer, "type") != 0 ||
           write_text(packer, mr_message_layouts[message->type].name) != 0 ||
           write_text(packer, "session") != 0 ||
           write_bytes(packer, message->session, MR_SESSION_SIZE) != 0 ||
           write_text(packer, "seq") != 0 || msgpack_pack_uint64(packer, message->seq) != 0;
}

mr_status mr_message_write(const mr_message *message, mr_message_buffer *buffer) {
    const mr_message_layout *layout = &mr_message_layouts[message->type];
    msgpack_packer packer;
    size_t n_fields = 0;
    buffer->n_bytes = 0;
    msgpack_packer_init(&packer, buffer, append);
    for (size_t i = 0; i < layout->n_fields; i++)
        n_fields += is_written(&layout->fields[i], message);
    int failed = write_head(&packer, message, n_fields);
    for (size_t i = 0; i < layout->n_fields && failed == 0; i++)
        if (is_written(&layout->fields[i], message))
            failed = write_field(&packer, &layout->fields[i], message);
    return failed == 0 ? MR_OK : mr_fail_memory("a message");
}

// ---- Replies of servers

mr_message mr_message_address(const mr_message *in) {
    mr_message out = {.seq = in->seq};
    memcpy(out.session, in->session, sizeof out.session);
    return out;
}

mr_fault mr_fault_refuse(mr_fault fault, const char *format, ...) {
    char text[2 * MR_MESSAGE_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    mr_fail(MR_ERR_INPUT, "%s", text);
    return fault;
}

void mr_message_write_error(const mr_message *in, mr_fault fault, mr_message_buffer *buffer) {
    mr_message out = mr_message_address(in);
    out.type = MR_MESSAGE_ERROR;
    out.code = fault;
    out.fatal = fault == MR_FAULT_BAD_VERSION;
    mr_message_take_text(mr_error_message(), strlen(mr_error_message()), out.message);
    if (mr_message_write(&out, buffer) != MR_OK)
        buffer->n_bytes = 0;
}
