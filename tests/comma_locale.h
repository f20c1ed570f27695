/// A locale whose numbers have a comma: the system's German, or one that is made on the spot.
#pragma once

#include <locale.h>
#include <stdbool.h>

#include "tests/scratch.h"

static const char comma_source[] = "comment_char %\n"
                                   "escape_char /\n"
                                   "LC_CTYPE\n"
                                   "END LC_CTYPE\n"
                                   "LC_NUMERIC\n"
                                   "decimal_point \",\"\n"
                                   "thousands_sep \".\"\n"
                                   "grouping 3;3\n"
                                   "END LC_NUMERIC\n";

/// Makes one with localedef in the scratch folder, which complains about what else a locale has.
static inline bool comma_locale_make(void) {
    scratch_write("comma.src", comma_source);
    const int code = system("localedef --quiet --force --inputfile=./comma.src ./xx_XX "
                            ">localedef.log 2>&1");
    (void)code;
    return setenv("LOCPATH", scratch_folder, 1) == 0 && setlocale(LC_ALL, "xx_XX") != NULL;
}

/// The process's numbers have a comma from here on. Skips the test where there is no such locale.
static inline void comma_locale_enter(void) {
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && !comma_locale_make())
        cr_skip("there is no German locale here, and localedef can't make one");
    char text[16];
    snprintf(text, sizeof text, "%.1f", 0.5);
    cr_assert_str_eq(text, "0,5");
}
