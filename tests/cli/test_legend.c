#include "cli/plot/legend.h"

#include <string.h>

#include <criterion/criterion.h>

static void expect_lines(const mr_legend *legend, const char *text, size_t n,
                         const char *const *lines) {
    mr_legend_name name;
    mr_legend_break(legend, text, &name);
    cr_assert_eq(name.n, n, "%zu lines of %s", name.n, text);
    for (size_t i = 0; i < n; i++)
        cr_expect_str_eq(name.line[i], lines[i]);
}

Test(legend, of_short_names_is_inside_the_picture_and_of_long_ones_below) {
    cr_expect(!mr_legend_choose(7, 12, 1000, 600).is_below);
    const mr_legend below = mr_legend_choose(2, 150, 1000, 600);
    cr_expect(below.is_below);
    cr_expect_lt(below.n_columns, 1000 / 9); // a letter has 9 pixels or so
    cr_expect_geq(below.n_columns * below.n_lines, 150);
}

Test(legend, of_many_long_names_leaves_half_the_picture_to_the_curves) {
    const mr_legend below = mr_legend_choose(15, 500, 1000, 600);
    cr_expect_eq(below.n_lines, 1); // 15 x 20 pixels
}

Test(legend, breaks_names_after_commas_spaces_and_slashes) {
    const mr_legend legend = {.n_columns = 20, .n_lines = 8};
    expect_lines(&legend, "gaussian", 1, (const char *const[]){"gaussian"});
    expect_lines(&legend, "real_nvp, gamma 0.98, tau 0.1", 2,
                 (const char *const[]){"real_nvp, gamma ", "0.98, tau 0.1"});
    expect_lines(&legend, "task tasks/rough/walk_far.yaml", 2,
                 (const char *const[]){"task tasks/rough/", "walk_far.yaml"});
    expect_lines(&legend, "abcdefghijklmnopqrstuvwxyz", 2,
                 (const char *const[]){"abcdefghijklmnopqrst", "uvwxyz"});
}

Test(legend, says_where_a_name_is_cut) {
    const mr_legend legend = {.n_columns = 10, .n_lines = 2};
    expect_lines(&legend, "aaaa bbbb cccc dddd", 2,
                 (const char *const[]){"aaaa bbbb ", "cccc dddd"});
    expect_lines(&legend, "aaaa bbbb cccc dddd eeee", 2,
                 (const char *const[]){"aaaa bbbb ", "cccc dd..."});
}

Test(legend, never_cuts_a_letter) {
    const mr_legend legend = {.n_columns = 4, .n_lines = 2};
    cr_expect_eq(mr_count_letters("äöüß"), 4);
    expect_lines(&legend, "äöüßäöüßäöü", 2, (const char *const[]){"äöüß", "ä..."});
}

Test(legend, shortens_a_title_in_its_middle) {
    char title[64];
    mr_title_fit("Hopper-v5", 1000, title, sizeof title);
    cr_expect_str_eq(title, "Hopper-v5");
    mr_title_fit("mjcf:/home/someone/robots/go1/scene.xml", 290, title, sizeof title);
    cr_expect_str_eq(title, "mjcf:/...1/scene.xml");
}
