/// Results for other programs.
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/status.h"

/// A whole number of which jansson's integers, which have a sign, hold but the lower half. Only for
/// values that mr_print_json prints.
json_t *mr_json_unsigned(uint64_t number);

/// Prints a value on a line of its own and releases it. Fails with MR_ERR_MEMORY where it is not
/// whole (see base/json_memory.h), with MR_ERR_IO where the output cannot be written to.
mr_status mr_print_json(json_t *value);
