/// Results for other programs.
#pragma once

#include <jansson.h>

#include "nn/status.h"

/// Prints a value on a line of its own and releases it. NULL, which jansson returns where memory is
/// short, fails like an output that cannot be written to (MR_ERR_IO).
mr_status mr_print_json(json_t *value);
