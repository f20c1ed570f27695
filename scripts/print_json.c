// JSON on standard output.

#include "scripts/print_json.h"

#include <stdbool.h>
#include <stdio.h>

mr_status mr_print_json(json_t *value) {
    const bool is_written =
        value != NULL && json_dumpf(value, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
    json_decref(value);
    return is_written ? MR_OK : mr_fail(MR_ERR_IO, "cannot write the result to standard output");
}
