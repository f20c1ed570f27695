// What servers' replies have in common.

#include "envs/zmq/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
