/// Results for other programs.
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "nn/status.h"

/// A whole number of which jansson's integers, which have a sign, hold but the lower half. Only for
/// values that mr_print_json prints.
json_t *mr_json_unsigned(uint64_t number);

/// Prints a value on a line of its own and releases it. NULL, which jansson returns where memory is
/// short, fails like an output that cannot be written to (MR_ERR_IO).
mr_status mr_print_json(json_t *value);
