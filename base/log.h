/// Notes and warnings of the library (mr_log_to).
#pragma once

#include "millrace/init.h"

/// Tells whoever mr_log_to named, if anybody, one line of text.
void mr_tell(mr_log_level level, const char *text);
