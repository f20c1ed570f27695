// JSON on standard output.

#include "cli/print_json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"

// A number that jansson's integers can't hold is a string that begins with a control character, as
// no name or path of ours does. jansson writes that character as `quoted_mark`.
static const char mark[] = "\001", quoted_mark[] = "\"\\u0001";

json_t *mr_json_unsigned(uint64_t number) {
    char text[32];
    if (number <= INT64_MAX)
        return json_integer((json_int_t)number);
    snprintf(text, sizeof text, "%s%" PRIu64, mark, number);
    return json_string(text);
}

// Removes the quotation marks and the mark of such numbers, in place.
static void unquote_numbers(char *text) {
    for (char *at = text; (at = strstr(at, quoted_mark)) != NULL;) {
        char *digits = at + strlen(quoted_mark);
        const size_t n_digits = strspn(digits, "0123456789");
        if (n_digits == 0 || digits[n_digits] != '"') {
            at = digits;
            continue;
        }
        memmove(at, digits, n_digits);
        at += n_digits;
        memmove(at, digits + n_digits + 1, strlen(digits + n_digits + 1) + 1);
    }
}

mr_status mr_print_json(json_t *value) {
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
    const bool is_whole = text != NULL && !mr_json_is_out_of_memory();
    if (is_whole)
        unquote_numbers(text);
    const bool is_written = is_whole && puts(text) != EOF;
    free(text);
    json_decref(value);
    if (!is_whole)
        return mr_fail_memory("the result");
    return is_written ? MR_OK : mr_fail(MR_ERR_IO, "cannot write the result to standard output");
}
