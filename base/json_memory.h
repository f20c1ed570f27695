/// What jansson's results need: whether it ran out of memory, and texts that it takes.
///
/// When memory is short, jansson 2.14 leaves out bytes of a text that it reads or writes, or calls
/// it invalid; and text that isn't UTF-8 fails like a lack of memory. So its result is used only if
/// it got all the memory that it asked for.
#pragma once

#include "base/status.h"

#include <stdbool.h>

#include <jansson.h>

/// Makes jansson allocate through this file, and from there by the functions that it had before.
/// Once, by mr_init; without it, no failed allocation is noticed.
void mr_json_take_memory(void);

/// Starts to watch this thread's calls of jansson.
void mr_json_watch(void);

/// Whether an allocation of jansson's has failed in this thread since mr_json_watch.
bool mr_json_is_out_of_memory(void);

/// Whether a text is UTF-8. Fails with MR_ERR_MEMORY alone.
mr_status mr_json_check_utf8(const char *text, bool *is_utf8);

/// A text as a value. If it is not UTF-8, which JSON can't hold (paths, and messages that quote
/// some bytes), a question mark takes the place of each byte above 127. NULL without memory.
json_t *mr_json_text(const char *text);
