/// Results as JSON on standard output.
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/status.h"

/// An unsigned number, the upper half of whose range jansson's signed integers can't hold. Only for
/// values that mr_print_json prints.
json_t *mr_json_unsigned(uint64_t number);

/// Prints a value on a line of its own and releases it. Fails with MR_ERR_MEMORY if it is
/// incomplete (see base/json_memory.h), and with MR_ERR_IO if the output can't be written.
mr_status mr_print_json(json_t *value);
