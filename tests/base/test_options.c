// Tables of options: what is read, what is refused and how, and what is written.

#include "base/options.h"

#include "tests/comma_locale.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

typedef struct {
    double weight, twin;
    size_t count;
    bool on;
    mr_range range;
    char text[8];
} values;

static mr_status set(values *v, const char *text) {
    const mr_option rows[] = {
        {.name = "weight", .type = MR_OPTION_REAL, .value = &v->weight, .min = -10, .max = 10},
        {.name = "count", .type = MR_OPTION_COUNT, .value = &v->count, .min = 1, .max = 100},
        {.name = "on", .type = MR_OPTION_SWITCH, .value = &v->on},
        {.name = "range", .type = MR_OPTION_RANGE, .value = &v->range},
        {.name = "text", .type = MR_OPTION_TEXT, .value = v->text, .size = sizeof v->text},
        {.name = "weight", .type = MR_OPTION_REAL, .value = &v->twin, .min = -10, .max = 10},
    };
    return mr_options_set("Task-v0", text, MR_COUNT(rows), rows, NULL);
}

Test(options, sets_every_type_and_all_rows_of_a_name) {
    values v = {0};
    cr_assert_eq(set(&v, "weight=-2.5,count=7,on=true,range=-inf:1e1,text=a/b.xml"), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(v.weight, -2.5);
    cr_expect_eq(v.twin, -2.5);
    cr_expect_eq(v.count, 7);
    cr_expect(v.on);
    cr_expect_eq(v.range.low, -INFINITY);
    cr_expect_eq(v.range.high, 10.0);
    cr_expect_str_eq(v.text, "a/b.xml");
}

Test(options, lets_the_last_of_a_key_count) {
    values v = {0};
    cr_assert_eq(set(&v, "count=7,weight=1,count=8"), MR_OK);
    cr_expect_eq(v.count, 8);
    cr_expect_eq(set(&v, ""), MR_OK);
}

static mr_status set_aliased(const char *text, double *far, double *near) {
    const mr_option rows[] = {
        {.name = "far", .type = MR_OPTION_REAL, .value = far, .max = 9, .alias = "distance"},
        {.name = "near", .type = MR_OPTION_REAL, .value = near, .max = 9, .alias = "distance"},
        {.name = "one", .type = MR_OPTION_REAL, .value = near, .max = 9, .alias = "far"},
        {.name = "two", .type = MR_OPTION_REAL, .value = near, .max = 9, .alias = "second"},
    };
    return mr_options_set("Task-v0", text, MR_COUNT(rows), rows, NULL);
}

Test(options, stand_for_an_alias_that_is_nobody_elses) {
    double far = 1.0, near = 1.0;
    cr_assert_eq(set_aliased("far=2", &far, &near), MR_OK); // a name comes before an alias
    cr_expect(far == 2.0 && near == 1.0);
    cr_assert_eq(set_aliased("second=3", &far, &near), MR_OK);
    cr_expect(far == 2.0 && near == 3.0);
    cr_expect_eq(set_aliased("distance=4", &far, &near), MR_ERR_USAGE);
    cr_expect_str_eq(mr_error_message(),
                     "Task-v0: distance could be far or near; name one of the two");
    cr_expect(far == 2.0 && near == 3.0);
}

static void expect_refused(const char *text, const char *part) {
    values v = {.count = 3};
    cr_expect_eq(set(&v, text), MR_ERR_USAGE, "%s", text);
    cr_expect_not_null(strstr(mr_error_message(), "Task-v0: "), "%s", mr_error_message());
    cr_expect_not_null(strstr(mr_error_message(), part), "\"%s\" lacks \"%s\"", mr_error_message(),
                       part);
    cr_expect_null(strchr(mr_error_message(), '\n'));
    cr_expect_eq(v.count, 3);
}

Test(options, refuses_unknown_keys_with_what_there_is) {
    expect_refused("wait=1", "did you mean \"weight\"?");
    expect_refused("something_else=1", "there are weight, count, on, range, text");
    expect_refused("count", "key=value");
    expect_refused("=4", "key=value");
    expect_refused(",count=4", "key=value");
}

Test(options, refuses_values_that_do_not_fit_with_what_would) {
    expect_refused("count=0", "count must be a whole number from 1 to 100, not '0'");
    expect_refused("count=2.5", "whole number");
    expect_refused("count=", "whole number");
    expect_refused("count=0x10", "whole number");
    expect_refused("weight=nan", "a number from -10 to 10");
    expect_refused("weight=inf", "a number from -10 to 10");
    expect_refused("weight= 1", "a number");
    expect_refused("on=yes", "true or false");
    expect_refused("range=1", "low:high");
    expect_refused("range=1:1", "low:high");
    expect_refused("range=2:1", "low:high");
    expect_refused("range=nan:1", "low:high");
    expect_refused("text=", "a name");
    expect_refused("text=12345678", "a name of at most 7 bytes");
}

Test(options, are_stored_in_the_struct_that_a_call_names) {
    static const mr_option rows[] = {
        {.name = "count", .type = MR_OPTION_COUNT, .offset = offsetof(values, count), .max = 9},
        {.name = "range", .type = MR_OPTION_RANGE, .offset = offsetof(values, range)},
    };
    values v = {0};
    char text[32];
    cr_assert_eq(mr_options_set("Task-v0", "range=1:2,count=3", 2, rows, &v), MR_OK);
    cr_expect(v.count == 3 && v.range.low == 1.0 && v.range.high == 2.0);
    mr_option_format(&rows[1], &v, text, sizeof text);
    cr_expect_str_eq(text, "1:2");
}

Test(options, have_points_in_numbers_whatever_the_locale, .init = scratch_enter,
     .fini = scratch_leave) {
    double weight = 0.0;
    char text[32];
    const mr_option row = {
        .name = "weight", .type = MR_OPTION_REAL, .value = &weight, .min = -0.5, .max = 0.5};
    comma_locale_enter();
    cr_assert_eq(mr_options_set("Task-v0", "weight=0.25", 1, &row, NULL), MR_OK);
    mr_option_format(&row, NULL, text, sizeof text);
    cr_expect_str_eq(text, "0.25");
    cr_expect_eq(mr_options_set("Task-v0", "weight=2", 1, &row, NULL), MR_ERR_USAGE);
    cr_expect_str_eq(mr_error_message(),
                     "Task-v0: weight must be a number from -0.5 to 0.5, not '2'");
}
