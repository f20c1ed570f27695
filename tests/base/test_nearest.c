// Edit distance and the nearest name.

#include "base/nearest.h"

#include <criterion/criterion.h>

static const char *const names[] = {"HalfCheetah-v5", "Hopper-v5", "InvertedPendulum-v5"};

static const char *name_at(const void *table, size_t i) {
    const char *const *rows = table;
    return rows[i];
}

static const char *nearest(const char *name) {
    return mr_nearest(name, sizeof names / sizeof names[0], name_at, names);
}

Test(nearest, counts_insertions_deletions_and_replacements) {
    cr_assert_eq(mr_edit_distance("", ""), 0);
    cr_assert_eq(mr_edit_distance("", "abc"), 3);
    cr_assert_eq(mr_edit_distance("abc", ""), 3);
    cr_assert_eq(mr_edit_distance("kitten", "sitting"), 3); // the textbook's example
    cr_assert_eq(mr_edit_distance("sitting", "kitten"), 3);
}

Test(nearest, takes_upper_and_lower_case_as_equal) {
    cr_assert_eq(mr_edit_distance("Hopper-v5", "hopper-V5"), 0);
}

Test(nearest, compares_long_names_by_their_beginning) {
    char a[201], b[201];
    memset(a, 'a', 200);
    memset(b, 'a', 200);
    a[200] = b[200] = '\0';
    b[199] = 'b';
    cr_assert_eq(mr_edit_distance(a, b), 0);
    b[0] = 'b';
    cr_assert_eq(mr_edit_distance(a, b), 1);
}

Test(nearest, finds_what_was_probably_meant) {
    cr_assert_str_eq(nearest("HalfChetah-v5"), "HalfCheetah-v5");
    cr_assert_str_eq(nearest("halfcheetah"), "HalfCheetah-v5");
    cr_assert_str_eq(nearest("Hopper-v4"), "Hopper-v5");
    cr_assert_str_eq(nearest("Pendulum-v5"), "InvertedPendulum-v5");
}

Test(nearest, finds_nothing_when_nothing_is_near) {
    cr_assert_null(nearest("CartPole"));
    cr_assert_null(nearest(""));
    cr_assert_null(mr_nearest("Hopper-v5", 0, name_at, names));
}

Test(nearest, lists_whole_names_and_says_where_there_are_more) {
    static const char *const joints[] = {"hip", "", "knee", "hip", "ankle"};
    char text[32];
    cr_expect_eq(mr_list_names(5, name_at, joints, sizeof text, text), 3);
    cr_expect_str_eq(text, "hip, knee, ankle");
    cr_expect_eq(mr_list_names(5, name_at, joints, 17, text), 2); // "ankle" and ", ..." don't fit
    cr_expect_str_eq(text, "hip, knee, ...");
    cr_expect_eq(mr_list_names(5, name_at, joints, 8, text), 0);
    cr_expect_str_eq(text, "...");
    cr_expect_eq(mr_list_names(0, name_at, joints, sizeof text, text), 0);
    cr_expect_str_eq(text, "");
}
