// The head of a checkpoint.

#include "agents/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

static char history[MR_MAX_CHANGED];

static void add_change(size_t step) {
    char line[64];
    snprintf(line, sizeof line, "from step %zu on: gamma 0.98 (was 0.99)", step);
    mr_checkpoint_add_to_history(history, line);
}

// 1000 lines of 41 bytes do not fit in 8192.
Test(checkpoint, a_full_history_loses_its_oldest_lines_and_keeps_the_newest) {
    for (size_t i = 0; i < 1000; i++)
        add_change(1000 + i);
    cr_expect_eq(strncmp(history, "from step 1", 11), 0);
    const char *last = "from step 1998 on: gamma 0.98 (was 0.99)\n"
                       "from step 1999 on: gamma 0.98 (was 0.99)\n";
    cr_assert_gt(strlen(history), MR_MAX_CHANGED - 1 - strlen(last)); // no more than one too few
    cr_expect_str_eq(history + strlen(history) - strlen(last), last);
}

// Earlier versions cut the last line off.
Test(checkpoint, a_line_begins_anew_after_one_that_was_cut_off) {
    snprintf(history, sizeof history, "from step 7 on: gam");
    add_change(9);
    cr_expect_str_eq(history, "from step 7 on: gam\nfrom step 9 on: gamma 0.98 (was 0.99)\n");
}
