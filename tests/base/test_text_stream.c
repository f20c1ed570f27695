// A stream that keeps its text in memory.

#include "base/text_stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <criterion/criterion.h>

#include "tests/sanitized.h"

TestSuite(text_stream);

Test(text_stream, keeps_all_that_was_written) {
    mr_text_stream s;
    cr_assert_eq(mr_text_stream_open("a text", &s), MR_OK);
    for (int i = 0; i < 100000; i++)
        fprintf(s.file, "%05d\n", i);
    cr_assert_eq(mr_text_stream_close(&s, MR_OK), MR_OK);
    cr_assert_eq(s.n_bytes, 600000);
    cr_expect_eq(strlen(s.text), 600000);
    cr_expect_eq(memcmp(s.text, "00000\n00001\n", 12), 0);
    cr_expect_str_eq(s.text + 599994, "99999\n");
    free(s.text);
}

Test(text_stream, of_nothing_is_an_empty_text) {
    mr_text_stream s;
    cr_assert_eq(mr_text_stream_open("a text", &s), MR_OK);
    cr_assert_eq(mr_text_stream_close(&s, MR_OK), MR_OK);
    cr_expect_eq(s.n_bytes, 0);
    cr_expect_str_eq(s.text, "");
    free(s.text);
}

Test(text_stream, passes_on_the_failure_of_what_was_written) {
    mr_text_stream s;
    cr_assert_eq(mr_text_stream_open("a text", &s), MR_OK);
    fputs("half of it", s.file);
    cr_expect_eq(mr_text_stream_close(&s, MR_ERR_INPUT), MR_ERR_INPUT);
    cr_expect_null(s.text);
}

// open_memstream of glibc 2.36 returns the first part of such a text as if it were all.
Test(text_stream, says_at_its_end_that_a_write_had_no_memory) {
#ifdef SANITIZED
    cr_skip("a sanitizer takes terabytes of address space");
#endif
    enum { MANY = 1 << 20, LIMIT = 256 << 20 };
    mr_text_stream s;
    char *line = malloc(MANY);
    cr_assert_not_null(line);
    memset(line, 'x', MANY - 1);
    line[MANY - 1] = '\0';
    cr_assert_eq(mr_text_stream_open("a text", &s), MR_OK);
    const struct rlimit limit = {LIMIT, LIMIT};
    cr_assert_eq(setrlimit(RLIMIT_DATA, &limit), 0);
    for (int i = 0; i < 300; i++)
        fputs(line, s.file);
    cr_expect_eq(mr_text_stream_close(&s, MR_OK), MR_ERR_MEMORY);
    cr_expect_null(s.text);
    cr_expect_str_eq(mr_error_message(),
                     "out of memory for a text; free some, or ask for smaller sizes");
    free(line);
}
