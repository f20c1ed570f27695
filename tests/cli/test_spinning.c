// How long the program's threads spin, as libgomp itself reports it.

#include "tests/cli/command_runner.h"

TestSuite(spinning, .init = scratch_enter, .fini = scratch_leave);

static outcome report_settings(void) {
    setenv("OMP_DISPLAY_ENV", "verbose", 1);
    outcome o = RUN("--version");
    expect_success(&o);
    // clang's runtime has no such setting.
    if (!strstr(o.err, "GOMP_SPINCOUNT"))
        cr_skip_test("not libgomp");
    return o;
}

Test(spinning, threads_let_go_of_their_core_soon) {
    unsetenv("GOMP_SPINCOUNT");
    unsetenv("OMP_WAIT_POLICY");
    outcome o = report_settings();
    scratch_expect_part(o.err, "GOMP_SPINCOUNT = '10000'");
    outcome_free(&o);
}

Test(spinning, what_the_user_has_set_stays) {
    setenv("GOMP_SPINCOUNT", "77", 1);
    outcome o = report_settings();
    scratch_expect_part(o.err, "GOMP_SPINCOUNT = '77'");
    cr_expect_null(strstr(o.err, "10000"));
    outcome_free(&o);
}
