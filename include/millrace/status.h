/// Errors of the library: a status to branch on, and one line of text to show.
///
/// A function that can fail returns an mr_status and leaves its results untouched on failure. The
/// text names the thing, the place and the remedy; each thread has its own, which stays until that
/// thread's next failure. The library prints nothing and ends no process.
///
/// A pointer that must be given and is NULL is an error (MR_ERR_USAGE) like any other. Functions
/// that free or close accept NULL.
#pragma once

/// Marks what libmillrace.so exports.
#define MR_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/// What a function that can fail returns.
typedef enum {
    MR_OK = 0,
    MR_ERR_USAGE,   // the caller asked for something that does not exist or is out of range (exit
                    // code 2 of the command)
    MR_ERR_INPUT,   // a file or message is malformed, or does not fit what it is used for
    MR_ERR_IO,      // the operating system refused a read, a write or a name
    MR_ERR_NUMERIC, // a number that must be finite is not
    MR_ERR_MEMORY,  // an allocation failed
    MR_STOPPED,     // asked to stop before all was done: no failure, and it has no message
} mr_status;

/// The message of this thread's last failure, without a newline; "" before the first. At most
/// 1,023 bytes, in the C locale. Owned by the library, valid until this thread's next failure.
MR_API const char *mr_error_message(void);

/// Sets this thread's message (printf form, one line, cut at 1,023 bytes) and returns `status`:
/// what a callback of the caller's own does to fail. Control characters become question marks.
MR_API mr_status mr_fail(mr_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
