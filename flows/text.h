/// The text form of a flow: KIND or KIND:option=value,option=value. Private to flows/.
#pragma once

#include "flows/kind.h"

/// Reads a text. Options that it leaves out get the kind's defaults; what the kind does not have
/// stays zero.
mr_status mr_flow_text_read(const char *text, const mr_flow_kind **kind, mr_flow_options *options);

/// Writes the text with every option of the kind, at most `size` bytes with the final zero.
void mr_flow_text_write(const mr_flow_kind *kind, const mr_flow_options *options, char *text,
                        size_t size);
