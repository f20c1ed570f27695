/// Whether jansson got the memory that it asked for.
///
/// jansson 2.14 leaves out bytes of a text that it reads or writes while memory is short, or calls
/// it invalid; and text that isn't UTF-8 fails as a lack of memory does. So what it did is believed
/// only where it got all.
#pragma once

#include <stdbool.h>

/// Has jansson allocate through here, and from there by the functions that it had before. Once, by
/// mr_init; before it, no memory is ever refused as far as is known here.
void mr_json_take_memory(void);

/// From here on, this thread's calls of jansson count.
void mr_json_watch(void);

/// Whether jansson was refused memory in this thread since.
bool mr_json_is_out_of_memory(void);
