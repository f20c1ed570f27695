// Messages of failures.

#include "base/status.h"

#include <criterion/criterion.h>

// Names and texts of files are part of messages: a file must not be able to write lines of its own
// to a terminal, or move its cursor.
Test(status, a_message_is_one_line_whatever_a_file_holds) {
    cr_expect_eq(mr_fail(MR_ERR_INPUT, "%s: array '%s'", "a\nb.npy", "\x1b[2Jx\r\t\x7fü"),
                 MR_ERR_INPUT);
    cr_expect_str_eq(mr_error_message(), "a?b.npy: array '?[2Jx???ü'");
}
