/// Errors of the whole library: a status code to branch on, and one line of text to show.
///
/// A function that can fail returns `mr_status` and leaves its results untouched on failure. The
/// text is set once, where the cause is known, and names the thing, the place and the remedy. It is
/// kept for each thread until that thread's next failure.
#pragma once

#include <stddef.h>

typedef enum {
    MR_OK = 0,
    MR_ERR_USAGE, // the user asked for something that does not exist or is out of range (exit code
                  // 2)
    MR_ERR_INPUT, // a file or message is malformed, or does not fit what it is used for
    MR_ERR_IO,    // the operating system refused a read, a write or a name
    MR_ERR_NUMERIC, // a number that must be finite is not
    MR_ERR_MEMORY,  // an allocation failed
    MR_STOPPED,     // asked to stop before all was done: no failure, and it has no message
} mr_status;

#define MR_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/// Calls, and on failure keeps the status and goes to `done`, where the function releases what it
/// holds. The caller declares `mr_status status` and the label.
#define MR_TRY(call)                                                                               \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != MR_OK)                                                                       \
            goto done;                                                                             \
    } while (0)

/// Records the message of a failure (printf form, cut at 1,023 bytes) and returns `status`. It is
/// one line: control characters, which come from files and other processes, become question marks.
mr_status mr_fail(mr_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Records that an allocation for `what` failed, and returns MR_ERR_MEMORY.
mr_status mr_fail_memory(const char *what);

/// The message of this thread's last failure, "" before the first. Owned by the library.
const char *mr_error_message(void);
