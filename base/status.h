/// Errors (millrace/status.h), and how the library's own functions pass them on.
///
/// The text is set once, where the cause is known, and names the thing, the place and the remedy.
#pragma once

#include "millrace/status.h"

#include <stddef.h>

#define MR_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/// Calls, and on failure keeps the status and goes to `done`, where the function releases what it
/// holds. The caller declares `mr_status status` and the label.
#define MR_TRY(call)                                                                               \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != MR_OK)                                                                       \
            goto done;                                                                             \
    } while (0)

/// Begins a public function: returns MR_ERR_USAGE if `pointer`, which must be given, is NULL.
#define MR_REQUIRE(pointer)                                                                        \
    do {                                                                                           \
        if ((pointer) == NULL)                                                                     \
            return mr_fail(MR_ERR_USAGE, "%s: `%s` is NULL, but must be given", __func__,          \
                           #pointer);                                                              \
    } while (0)

/// Records that an allocation for `what` failed, and returns MR_ERR_MEMORY.
mr_status mr_fail_memory(const char *what);
