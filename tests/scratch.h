/// A folder of its own for a test that writes files: `TestSuite(name, .init = scratch_enter, .fini
/// = scratch_leave)`.
#pragma once

#include "base/file.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

static char scratch_folder[] = "/tmp/millrace-test-XXXXXX";

/// Makes the folder and goes there.
static inline void scratch_enter(void) {
    cr_assert_not_null(mkdtemp(scratch_folder));
    cr_assert_eq(chdir(scratch_folder), 0);
}

static inline int scratch_remove_one(const char *path, const struct stat *info, int kind,
                                     struct FTW *place) {
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static inline void scratch_leave(void) {
    nftw(scratch_folder, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_write(const char *path, const char *text) {
    cr_assert_eq(mr_file_replace(path, 1, &(mr_bytes){text, strlen(text)}), MR_OK, "%s",
                 mr_error_message());
}

/// The text of a file, to be freed.
static inline char *scratch_read(const char *path) {
    char *text = NULL;
    size_t n_bytes;
    cr_assert_eq(mr_file_read(path, &text, &n_bytes), MR_OK, "%s", mr_error_message());
    return text;
}

static inline void scratch_expect_part(const char *text, const char *part) {
    cr_expect_not_null(strstr(text, part), "no '%s' in: %s", part, text);
}

/// `part` is in the message of the last failure.
static inline void scratch_expect_message(const char *part) {
    scratch_expect_part(mr_error_message(), part);
}
