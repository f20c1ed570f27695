// Disables the tests that $MILLRACE_LEFT_OUT names: patterns of SUITE::TEST, separated by |.
// Criterion's own --filter has room for a thousand characters.

#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool matches_one(char *patterns, const char *name) {
    char *rest;
    for (char *p = strtok_r(patterns, "|", &rest); p != NULL; p = strtok_r(NULL, "|", &rest))
        if (fnmatch(p, name, 0) == 0)
            return true;
    return false;
}

static bool is_left_out(const char *all_patterns, const struct criterion_test *test) {
    char name[512];
    char *patterns = strdup(all_patterns);
    snprintf(name, sizeof name, "%s::%s", test->category, test->name);
    const bool is_out = patterns != NULL && matches_one(patterns, name);
    free(patterns);
    return is_out;
}

ReportHook(PRE_ALL)(struct criterion_test_set *tests) {
    const char *patterns = getenv("MILLRACE_LEFT_OUT");
    if (patterns == NULL)
        return;
    FOREACH_SET(struct criterion_suite_set * suite, tests->suites) {
        FOREACH_SET(struct criterion_test * test, suite->tests) {
            if (is_left_out(patterns, test))
                test->data->disabled = true;
        }
    }
}
