#include "base/path.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

Test(path, is_normalised_without_looking_at_the_disk) {
    static const char *const cases[][2] = {
        {"a/b.xml", "a/b.xml"},
        {"./a//b", "a/b"},
        {"a/../b", "b"},
        {"../a/../b", "../b"},
        {"../../a", "../../a"},
        {"/a/./b/../c", "/a/c"},
        {"/../a", "/a"},
        {"a/..", "."},
        {"/", "/"},
        {"a/b/../../c", "c"},
        {"a/b/", "a/b"},
        {"..", ".."},
        {"", ""},
        {".", "."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[64];
        strcpy(path, cases[i][0]);
        mr_path_normalise(path);
        cr_expect_str_eq(path, cases[i][1], "%s: %s", cases[i][0], path);
    }
}

static void expect_join(const char *folder, const char *path, const char *expected) {
    char *joined = mr_path_join(folder, path);
    cr_expect_str_eq(joined, expected);
    free(joined);
}

Test(path, is_joined_unless_it_is_absolute) {
    expect_join("a", "b", "a/b");
    expect_join("a/", "b", "a/b");
    expect_join("", "b", "b");
    expect_join("a", "/b", "/b");
    expect_join("/", "b", "/b");
}

Test(path, has_a_suffix_after_a_name) {
    cr_expect(mr_path_has_suffix("a/b.png", ".png"));
    cr_expect(mr_path_has_suffix("b.PNG", ".png"));
    cr_expect_not(mr_path_has_suffix("b.png.txt", ".png"));
    cr_expect_not(mr_path_has_suffix(".png", ".png"));
    cr_expect_not(mr_path_has_suffix("g", ".png"));
}

Test(path, has_a_folder_and_a_name) {
    static const char *const cases[][3] = {
        {"a/b.xml", "a", "b.xml"}, {"b.xml", "", "b.xml"}, {"/b", "/", "b"}, {"a/b/c", "a/b", "c"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *folder = mr_path_folder(cases[i][0]);
        cr_expect_str_eq(folder, cases[i][1]);
        cr_expect_str_eq(mr_path_name(cases[i][0]), cases[i][2]);
        free(folder);
    }
}
