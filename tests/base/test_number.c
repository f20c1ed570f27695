#include "base/number.h"

#include <math.h>

#include "base/matrix_file.h"
#include "tests/comma_locale.h"

TestSuite(number, .init = scratch_enter, .fini = scratch_leave);

static void expect_text(double number, const char *expected) {
    char text[32];
    const int length = mr_number_write(text, sizeof text, number);
    cr_expect_str_eq(text, expected);
    cr_expect_eq((size_t)length, strlen(expected));
    cr_expect_eq(mr_number_read(text, NULL), number, "%s", text);
}

static void expect_shortest_texts(void) {
    expect_text(10, "10");
    expect_text(0.1, "0.1");
    expect_text(0.0003, "0.0003");
    expect_text(1e-5, "1e-05");
    expect_text(-250000, "-250000");
    expect_text(1e12, "1000000000000");
    expect_text(1e300, "1e+300");
    expect_text(1.0 / 3, "0.3333333333333333");
    expect_text(0.1 + 0.2, "0.30000000000000004"); // needs all 17 digits
    expect_text(-INFINITY, "-inf");
}

Test(number, is_written_in_the_shortest_form_that_reads_back) {
    expect_shortest_texts();
}

Test(number, has_a_point_where_the_locale_has_a_comma) {
    comma_locale_enter();
    expect_shortest_texts();
    char text[32], *end;
    mr_number_write_digits(text, sizeof text, 3, 2.0 / 3);
    cr_expect_str_eq(text, "0.667");
    cr_expect_eq(mr_number_read("0.5,7", &end), 0.5);
    cr_expect_str_eq(end, ",7");
    snprintf(text, sizeof text, "%.1f", 0.5); // the process keeps its own
    cr_expect_str_eq(text, "0,5");
}

Test(number, of_a_table_are_the_same_under_a_comma_locale) {
    comma_locale_enter();
    const double values[] = {0.5, -1.25, 1e-7, 3};
    mr_matrix matrix = {0};
    cr_assert_eq(mr_matrix_write("table.csv", 2, 2, values), MR_OK, "%s", mr_error_message());
    char *text = scratch_read("table.csv");
    cr_expect_str_eq(text, "0.5,-1.25\n1e-07,3\n");
    free(text);
    cr_assert_eq(mr_matrix_read("table.csv", &matrix), MR_OK, "%s", mr_error_message());
    cr_assert_eq(matrix.n_rows * matrix.n_cols, 4);
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(matrix.values[i], values[i]);
    free(matrix.values);
}
