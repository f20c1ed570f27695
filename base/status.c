// The error message of each thread.

#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/number.h"

enum { MESSAGE_SIZE = 1024 };

static _Thread_local char message[MESSAGE_SIZE];

// Texts of files and messages may be part of it: they must not end its line, nor move a terminal's
// cursor.
static void replace_controls(char *text) {
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
}

mr_status mr_fail(mr_status status, const char *format, ...) {
    // The arguments may point into the present message (a caller that adds the place to it).
    char text[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    const locale_t before = uselocale(mr_number_locale());
    vsnprintf(text, sizeof text, format, args);
    uselocale(before);
    va_end(args);
    replace_controls(text);
    snprintf(message, sizeof message, "%s", text);
    return status;
}

mr_status mr_fail_memory(const char *what) {
    return mr_fail(MR_ERR_MEMORY, "out of memory for %s; free some, or ask for smaller sizes",
                   what);
}

const char *mr_error_message(void) {
    return message;
}
