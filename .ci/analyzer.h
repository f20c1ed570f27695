/// Included before each file that clang-tidy looks at: what it cannot see from within one file.
/// mr_fail returns the status that it is given, which is never MR_OK.
#pragma once

#include "base/status.h"

void analyzer_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define mr_fail(status, ...) (analyzer_note(__VA_ARGS__), (status))
#define mr_fail_memory(what) (analyzer_note("%s", (what)), MR_ERR_MEMORY)
